//! Decides what an incoming call does: whose number, whose customer, whose devices.

use callfield_domain::{Outcome, PhoneNumber, TenantId, UserId};
use callfield_sip::switchboard::{Decision, DeclinePolicy, RingPlan, RouteQuestion, Target};

use crate::app::App;
use crate::app::records::display_name;
use crate::db::{self, Scoped};

/// The route of one call; a database that does not answer rejects the call with 503.
pub(super) async fn decide(app: &App, question: &RouteQuestion) -> Decision {
    match route(app, question).await {
        Ok(decision) => decision,
        Err(error) => {
            tracing::error!(call = %question.call, %error, "a call could not be routed");
            reject(503, Outcome::Failed, None)
        }
    }
}

async fn route(app: &App, question: &RouteQuestion) -> db::Result<Decision> {
    let trunks = app.db.look_up().await?.trunks_at(question.source.ip()).await?;
    let Some((first, _)) = trunks.first().copied() else {
        return Ok(reject(403, Outcome::Blocked, None));
    };
    let region = region_of(app, first).await?;
    let called = PhoneNumber::parse(&question.to, &region);
    let Some(e164) = called.e164 else {
        return Ok(reject(404, Outcome::NoRoute, Some(first)));
    };
    let Some(number) = app.db.look_up().await?.inbound_number(question.source.ip(), &e164).await? else {
        return Ok(reject(404, Outcome::NoRoute, Some(first)));
    };
    let caller = PhoneNumber::parse(&question.from, &region);
    let mut rows = app.db.read(number.tenant).await?;
    let known = match &caller.e164 {
        Some(e164) => rows.known_callers(e164).await?,
        None => Vec::new(),
    };
    // T36: a number without a callflow rejects its calls; so does a caller without a record owner, until callflows
    // have a fallback.
    let Some((owner, record)) = known.iter().find_map(|record| Some((record.owner?, record))) else {
        return Ok(reject(480, Outcome::NoRoute, Some(number.tenant)));
    };
    Ok(Decision::Ring(RingPlan {
        tenant: number.tenant,
        user: owner,
        targets: targets(&mut rows, owner).await?,
        why: number.route,
        caller: caller.e164.unwrap_or_else(|| question.from.clone()),
        caller_name: display_name(&record.projection),
        called: e164,
        decline: DeclinePolicy::StopAll,
    }))
}

async fn region_of(app: &App, tenant: TenantId) -> db::Result<String> {
    let row = app.db.read(tenant).await?.tenant_row().await?;
    Ok(row.map(|tenant| tenant.country).unwrap_or_default())
}

async fn targets(rows: &mut Scoped, user: UserId) -> db::Result<Vec<Target>> {
    let devices = rows.devices_of(user).await?;
    Ok(devices.into_iter().map(|device| Target { device: device.id, has_push: device.push.is_some() }).collect())
}

fn reject(status: u16, outcome: Outcome, tenant: Option<TenantId>) -> Decision {
    Decision::Reject { status, outcome, tenant }
}
