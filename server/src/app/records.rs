//! Records: the one way in and the one way out, for sync, REST and the facts of calls.
//!
//! Every write is a set of pushed changes that the pure `sync` crate judges ([`ingest()`]), or the server's own facts
//! ([`make_call_records`]). Either way one transaction stores documents, changes, scopes, the phone index and the
//! numbers of the feed.

mod commit;
mod edit;
mod facts;
mod view;

use callfield_domain::{DeviceId, TenantId, UserId};
use callfield_sync::ingest::Role;
use callfield_sync::record::RecordError;
use callfield_sync::{DeviceKey, scope};
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

pub use commit::ingest;
pub use edit::{NewRecord, create, edit};
pub use facts::{keep_making_call_records, make_call_records};
pub use view::{RecordView, display_name, view};

use super::auth::Caller;
use crate::db::DbError;

/// Who writes or reads records.
#[derive(Debug, Clone, Copy)]
pub struct Party {
    /// Whose records.
    pub tenant: TenantId,
    /// The person; for an admin token the company itself.
    pub user: UserId,
    /// What that person may do.
    pub role: Role,
    /// The device, if one writes.
    pub device: Option<DeviceId>,
    /// The key that its Automerge actors begin with.
    pub key: DeviceKey,
}

/// Why a record could not be read or written.
#[derive(Debug, Error)]
pub enum RecordsError {
    /// There is no such record, or it may not be seen.
    #[error("there is no such record")]
    NotFound,
    /// The stated heads are not a state this record ever had.
    #[error("the record never had these heads")]
    UnknownHeads,
    /// The record's type is unknown.
    #[error("there is no such type of record")]
    UnknownType,
    /// The values do not fit the type; why.
    #[error("{0}")]
    Unfit(String),
    /// The owner is nobody of this company.
    #[error("the owner is no user of this company")]
    UnknownOwner,
    /// The party may not write that.
    #[error("this record may not be written like that")]
    Forbidden,
    /// The change was refused; the code.
    #[error("refused: {0}")]
    Refused(String),
    /// The stored bytes of a record do not load.
    #[error("a stored record cannot be read: {0}")]
    Damaged(#[from] RecordError),
    /// The work broke off.
    #[error("the work broke off")]
    BrokeOff,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Party {
    /// A device that syncs: its actors begin with its public key's hash.
    pub const fn of_device(tenant: TenantId, user: UserId, device: DeviceId, key: DeviceKey) -> Self {
        Self { tenant, user, role: Role::Rep, device: Some(device), key }
    }

    /// Somebody behind REST: a device of its own, so that its actors are never those of a phone.
    pub fn of_caller(caller: Caller) -> Self {
        let tenant = caller.tenant();
        match (caller.user(), caller.device()) {
            (Some(user), device) => {
                let key = device.map_or(user.uuid(), DeviceId::uuid);
                Self { tenant, user, role: Role::Rep, device, key: rest_key(key) }
            }
            // An admin token writes in the company's name until users have roles.
            (None, _) => {
                let user = UserId::from_uuid(tenant.uuid());
                Self { tenant, user, role: Role::Admin, device: None, key: rest_key(tenant.uuid()) }
            }
        }
    }

    /// The scopes it may hold.
    pub fn scopes(&self) -> Vec<String> {
        vec![scope::of_user(&self.user.to_string()), scope::TENANT.to_owned()]
    }

    /// Whether it may see a record with these values.
    pub fn may_see(&self, record_type: callfield_sync::schema::RecordType, projection: &Value) -> bool {
        let held = scope::of_record(record_type, projection);
        self.role == Role::Admin || self.scopes().iter().any(|scope| held.contains(scope))
    }
}

/// The key of the actors that write through REST for `id`.
fn rest_key(id: Uuid) -> DeviceKey {
    DeviceKey::of_public_key(&sha256(&[b"callfield rest".as_slice(), id.as_bytes()].concat()))
}

/// The server's own key for facts and counter-changes, one a node.
pub(super) fn server_key(node: &str) -> DeviceKey {
    DeviceKey::of_public_key(&sha256(&[b"callfield server".as_slice(), node.as_bytes()].concat()))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    hash
}
