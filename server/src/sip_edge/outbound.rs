//! Decides what a call of a phone does: whether it may go out, over which trunk, and which company number it shows.

mod colleague;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use callfield_domain::{Outcome, TenantId, UserId};
use callfield_sip::digest::Login;
use callfield_sip::switchboard::{DialPlan, Hop, OutboundDecision, OutboundQuestion, TrunkAccount};

use super::destination::{Destination, Refusal, check_destination};
use crate::app::App;
use crate::app::trunk_login::TrunkLogin;
use crate::db::{self, Scoped, Trunk};

/// The phone took the id of a call that exists (482, RFC 3261 §8.2.2.2: it was here before).
pub(super) const REUSED: OutboundDecision = reject(482, Outcome::Failed);
/// For the phone's own dialler (380, RFC 3261 §21.3.5).
const EMERGENCY: OutboundDecision = reject(380, Outcome::Blocked);
/// Not a number that can be called.
const NO_NUMBER: OutboundDecision = reject(484, Outcome::NoRoute);
/// A number that the company may not call.
const BLOCKED: OutboundDecision = reject(403, Outcome::Blocked);
/// The company has no trunk that takes calls, or no number to show.
const NO_WAY_OUT: OutboundDecision = reject(503, Outcome::NoRoute);
/// The database did not answer.
const UNKNOWN: OutboundDecision = reject(503, Outcome::Failed);

const fn reject(status: u16, outcome: Outcome) -> OutboundDecision {
    OutboundDecision::Reject { status, outcome }
}

/// The way of one call; a database that does not answer rejects it with 503.
pub(super) async fn decide(app: &App, question: &OutboundQuestion) -> OutboundDecision {
    let decision = route(app, question).await.unwrap_or_else(|error| {
        tracing::error!(call = %question.call, %error, "a call could not be routed");
        UNKNOWN
    });
    if let OutboundDecision::Reject { status, .. } = &decision {
        tracing::info!(call = %question.call, status, "a phone's call is refused");
        metrics::counter!("callfield_outbound_refused_total", "status" => status.to_string()).increment(1);
    }
    decision
}

async fn route(app: &App, question: &OutboundQuestion) -> db::Result<OutboundDecision> {
    let mut rows = app.db.read(question.device.tenant).await?;
    if rows.call(question.call).await?.is_some() {
        return Ok(REUSED);
    }
    let region = rows.tenant_row().await?.map(|tenant| tenant.country).unwrap_or_default();
    if let Some(decision) = colleague::find(app, &mut rows, question, &region).await? {
        return Ok(decision);
    }
    let called = match check_destination(app, &question.to, &region) {
        Ok(Destination::Public(number) | Destination::Internal(number)) => number,
        Err(refusal) => return Ok(refused(refusal)),
    };
    Ok(match way_out(app, &mut rows, question.device.tenant, question.device.user).await? {
        Some((hops, caller)) => OutboundDecision::Dial(DialPlan { hops, caller, called, why: "trunk".to_owned() }),
        None => NO_WAY_OUT,
    })
}

/// The trunks that take the calls of a user, and the number they show there; `None` if one of them is missing.
pub(super) async fn way_out(
    app: &App,
    rows: &mut Scoped,
    tenant: TenantId,
    user: UserId,
) -> db::Result<Option<(Vec<Hop>, String)>> {
    let trunks = rows.trunks().await?;
    let hops: Vec<Hop> = trunks.iter().filter_map(|trunk| hop_over(app, tenant, trunk)).collect();
    let shown = rows.number_shown_by(user).await?;
    Ok(shown.filter(|_| !hops.is_empty()).map(|shown| (hops, shown)))
}

const fn refused(refusal: Refusal) -> OutboundDecision {
    match refusal {
        Refusal::Emergency => EMERGENCY,
        Refusal::NoNumber => NO_NUMBER,
        Refusal::Blocked => BLOCKED,
    }
}

/// A trunk that takes calls, as the edge calls it.
fn hop_over(app: &App, tenant: TenantId, trunk: &Trunk) -> Option<Hop> {
    let address = trunk.takes_calls_at().filter(|to| is_reached(app, *to))?;
    let account = login_at(app, tenant, trunk).map(|login| account_of(&login));
    Some(Hop { trunk: trunk.id, address, max_calls: trunk.max_calls, account })
}

/// What the company proves itself to a trunk with.
pub(super) fn login_at(app: &App, tenant: TenantId, trunk: &Trunk) -> Option<TrunkLogin> {
    let login = TrunkLogin::unseal(&app.vault, tenant, trunk.id, trunk.credentials.as_deref()?);
    let login = login.inspect_err(|error| tracing::error!(trunk = %trunk.id, %error, "a trunk's credentials are lost"));
    login.ok()
}

/// A login as the switchboard uses it.
pub(super) fn account_of(login: &TrunkLogin) -> TrunkAccount {
    let realm = login.realm.as_ref().map(|realm| realm.reveal().to_owned());
    TrunkAccount { login: Login::new(login.username.reveal(), login.password.reveal()), realm }
}

/// Whether the edge's one UDP socket can send there.
pub(super) fn is_reached(app: &App, trunk: SocketAddr) -> bool {
    app.config.sip.udp.address().is_some_and(|socket| socket.is_ipv4() == trunk.is_ipv4())
}
