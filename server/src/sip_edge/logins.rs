//! Finds the account of who logs in.

use callfield_sip::digest::{Algorithm, Ha1};
use callfield_sip::switchboard::{Account, DeviceIdentity, Input, Installation};
use callfield_sip::transaction::ServerId;

use crate::app::App;
use crate::db;

/// The answer to a login; `None` if the database does not answer: to the phone the request is lost, and it asks again.
pub(super) async fn find(app: &App, login: ServerId, user: String) -> Option<Input> {
    match account(app, user).await {
        Ok(account) => Some(Input::Credentials { login, account }),
        Err(error) => {
            tracing::error!(%error, "the account of a desk phone could not be looked up");
            None
        }
    }
}

async fn account(app: &App, user: String) -> db::Result<Option<Account>> {
    let found = app.db.look_up().await?.desk_account(&user).await?;
    Ok(found.map(|found| Account {
        identity: DeviceIdentity { tenant: found.tenant, user: found.user, device: found.device },
        user,
        push: found.woken.map(|(instance, reg_id)| Installation { instance, reg_id }),
        hashes: vec![
            Ha1::from_hex(Algorithm::Md5, &found.ha1_md5),
            Ha1::from_hex(Algorithm::Sha256, &found.ha1_sha256),
        ],
    }))
}
