//! Tells the switchboard at which trunks it registers: as the database has them, at start and on change.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use callfield_domain::TenantId;
use callfield_sip::switchboard::{Input, RegisteringTrunk};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::outbound::{account_of, is_reached, login_at};
use crate::app::App;
use crate::db::{self, Trunk, TrunkKind};

/// How often the database is asked though this node knows of no change: another node may have made one.
const LOOK_UP_EVERY: Duration = Duration::from_secs(10);

/// Keeps the switchboard as the database has it until `stop`.
pub(super) async fn keep_registering(app: App, answers: mpsc::Sender<Input>, stop: CancellationToken) {
    let mut known: Vec<RegisteringTrunk> = Vec::new();
    loop {
        match wanted(&app).await {
            Ok(registering) if registering != known => {
                app.registrations.keep(&registering.iter().map(|trunk| trunk.trunk).collect::<BTreeSet<_>>());
                known.clone_from(&registering);
                if answers.send(Input::TrunksChanged { registering }).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            // Those known so far stay.
            Err(error) => tracing::warn!(%error, "the trunks to register at could not be looked up"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.registrations.changed() => {}
            () = tokio::time::sleep(LOOK_UP_EVERY) => {}
        }
    }
}

async fn wanted(app: &App) -> db::Result<Vec<RegisteringTrunk>> {
    let mut wanted = Vec::new();
    for tenant in app.db.look_up().await?.companies_that_register().await? {
        let trunks = app.db.read(tenant).await?.trunks().await?;
        let trunks = trunks.iter().filter(|trunk| trunk.kind == TrunkKind::Registering);
        wanted.extend(trunks.filter_map(|trunk| registering(app, tenant, trunk)));
    }
    Ok(wanted)
}

/// A trunk with where it takes REGISTERs: at `outgoing`, then at its other addresses with the same port.
fn registering(app: &App, tenant: TenantId, trunk: &Trunk) -> Option<RegisteringTrunk> {
    let first = trunk.takes_calls_at()?;
    let others = trunk.addresses.iter().map(|address| SocketAddr::new(*address, first.port()));
    let others = others.filter(|address| *address != first);
    let addresses: Vec<SocketAddr> = [first].into_iter().chain(others).filter(|to| is_reached(app, *to)).collect();
    let login = login_at(app, tenant, trunk).filter(|_| !addresses.is_empty())?;
    let (user, account) = (login.username.reveal().to_owned(), account_of(&login));
    Some(RegisteringTrunk { trunk: trunk.id, tenant, addresses, user, account })
}
