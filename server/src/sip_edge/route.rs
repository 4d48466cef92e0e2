//! Decides what an incoming call does: whose number, whose customer, whose devices.

use callfield_domain::{Outcome, PhoneNumber, PresenceState, TenantId};
use callfield_sip::switchboard::{Decision, DeclinePolicy, RingPlan, RouteQuestion, Target};

use crate::app::App;
use crate::app::records::display_name;
use crate::db::{self, Reach};

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
    let Called { tenant, region, e164, route } = match called(app, question).await? {
        Ok(called) => called,
        Err((status, outcome, tenant)) => return Ok(reject(status, outcome, tenant)),
    };
    let caller = PhoneNumber::parse(&question.from, &region);
    let mut rows = app.db.read(tenant).await?;
    let known = match &caller.e164 {
        Some(e164) => rows.known_callers(e164).await?,
        None => Vec::new(),
    };
    // T36: a number without a callflow rejects its calls; so does a caller without a record owner, until callflows
    // have a fallback.
    let Some((owner, record)) = known.iter().find_map(|record| Some((record.owner?, record))) else {
        return Ok(reject(480, Outcome::NoRoute, Some(tenant)));
    };
    let reach = rows.reach(owner).await?;
    let plan = RingPlan {
        tenant,
        user: owner,
        targets: targets(&reach),
        why: route,
        caller: caller.e164.unwrap_or_else(|| question.from.clone()),
        caller_name: display_name(&record.projection),
        called: e164,
        decline: decline_of(&reach),
    };
    Ok(ring(app, &reach, plan))
}

/// Rings a user, unless they do not want that now.
pub(super) fn ring(app: &App, reach: &Reach, plan: RingPlan) -> Decision {
    let spared = |why: &str, status, outcome| Decision::Spare {
        plan: RingPlan { why: why.to_owned(), ..plan.clone() },
        status,
        outcome,
    };
    match reach.presence.at(app.now()).state {
        PresenceState::Online | PresenceState::Away => Decision::Ring(plan),
        PresenceState::Dnd => spared("dnd", 486, Outcome::Busy),
        PresenceState::Offline => spared("offline", 480, Outcome::MissedDeviceUnreachable),
    }
}

/// What it means to the call when the user declines on one device.
pub(super) const fn decline_of(reach: &Reach) -> DeclinePolicy {
    match reach.decline {
        db::DeclinePolicy::StopAll => DeclinePolicy::StopAll,
        db::DeclinePolicy::RingOn => DeclinePolicy::RingOn,
    }
}

/// Which number of which company is called.
struct Called {
    tenant: TenantId,
    /// The country that numbers are read in.
    region: String,
    e164: String,
    route: String,
}

/// What is called, or with what to refuse: a registration says whose call it is, else the address it came from and the
/// number do.
async fn called(app: &App, question: &RouteQuestion) -> db::Result<Result<Called, (u16, Outcome, Option<TenantId>)>> {
    let source = question.source.ip();
    let mut rows = app.db.look_up().await?;
    let first = match question.registration {
        Some((tenant, _)) => app.db.read(tenant).await?.tenant_row().await?.map(|row| (tenant, row.country)),
        None => rows.company_at(source).await?,
    };
    let Some((first, region)) = first else { return Ok(Err((403, Outcome::Blocked, None))) };
    let not_found = Err((404, Outcome::NoRoute, Some(first)));
    let Some(e164) = PhoneNumber::parse(&question.to, &region).e164 else { return Ok(not_found) };
    let found = match question.registration {
        Some((tenant, _)) => app.db.read(tenant).await?.route_of(&e164).await?.map(|route| (tenant, route)),
        None => rows.inbound_number(source, &e164).await?.map(|number| (number.tenant, number.route)),
    };
    Ok(found.map(|(tenant, route)| Called { tenant, region, e164, route }).ok_or(()).or(not_found))
}

/// The devices that are rung or pushed.
pub(super) fn targets(reach: &Reach) -> Vec<Target> {
    reach.devices.iter().map(|reached| Target { device: reached.device, has_push: reached.has_push }).collect()
}

fn reject(status: u16, outcome: Outcome, tenant: Option<TenantId>) -> Decision {
    Decision::Reject { status, outcome, tenant }
}
