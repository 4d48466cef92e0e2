//! Writing records on the phone: document, projection and outbox change together or not at all.

use callfield_domain::{Random, RecordId, TenantId, Timestamp, UserId};
use callfield_sync::Author;
use callfield_sync::phone::{self, EditFailed};
use callfield_sync::protocol::TxnId;
use callfield_sync::record::Edit;
use callfield_sync::schema::RecordType;
use serde_json::Value;
use thiserror::Error;

use crate::store::{StoreError, Tx};

/// One all-or-nothing edit of one or several records by the phone's user.
pub struct Writer<'a> {
    /// The store's transaction.
    pub tx: &'a Tx<'a>,
    /// The transaction as the server knows it.
    pub txn: TxnId,
    /// The company.
    pub tenant: TenantId,
    /// Who edits.
    pub user: UserId,
    /// With which actor, and when by the phone's clock.
    pub by: Edit,
}

/// Why a record could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The installation belongs to no account yet.
    #[error("this phone is not enrolled")]
    NotEnrolled,
    /// The phone does not hold the record.
    #[error("this phone does not hold the record {0}")]
    UnknownRecord(RecordId),
    /// The values do not fit the record.
    #[error(transparent)]
    Edit(#[from] EditFailed),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<'a> Writer<'a> {
    /// Begins an edit.
    ///
    /// # Errors
    /// [`WriteError::NotEnrolled`] or the store's failure.
    pub fn begin(tx: &'a Tx<'a>, now: Timestamp, random: &mut Random) -> Result<Self, WriteError> {
        let account = tx.account()?.ok_or(WriteError::NotEnrolled)?;
        let install = tx.install(now, random)?;
        let by = Edit { actor: install.actor, author: Author::User(account.user), claimed_at: now };
        Ok(Self { tx, txn: TxnId::new(now, random), tenant: account.tenant, user: account.user, by })
    }

    /// Applies a JSON merge patch (RFC 7396) to a record the phone holds.
    ///
    /// # Errors
    /// Any [`WriteError`].
    pub fn edit(&self, id: RecordId, patch: &Value) -> Result<(), WriteError> {
        let local = self.tx.record(id)?.ok_or(WriteError::UnknownRecord(id))?;
        let (record, changes) = phone::edit(&local, self.txn, &self.by, patch)?;
        self.tx.put_record(&record)?;
        self.tx.add_outgoing(&changes)?;
        Ok(())
    }

    /// Makes a record, or edits the one that is there: what has a natural key is made by server and phone alike.
    ///
    /// # Errors
    /// Any [`WriteError`].
    pub fn put(&self, id: RecordId, record_type: RecordType, patch: &Value) -> Result<(), WriteError> {
        if self.tx.record(id)?.is_some() {
            return self.edit(id, patch);
        }
        let (record, changes) = phone::create(id, record_type, self.txn, &self.by, patch)?;
        self.tx.put_record(&record)?;
        self.tx.add_outgoing(&changes)?;
        Ok(())
    }
}
