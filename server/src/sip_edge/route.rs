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
    Ok(Decision::Ring(RingPlan {
        tenant,
        user: owner,
        targets: targets(&mut rows, owner).await?,
        why: route,
        caller: caller.e164.unwrap_or_else(|| question.from.clone()),
        caller_name: display_name(&record.projection),
        called: e164,
        decline: match rows.decline_policy(owner).await? {
            db::DeclinePolicy::StopAll => DeclinePolicy::StopAll,
            db::DeclinePolicy::RingOn => DeclinePolicy::RingOn,
        },
    }))
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
    let first = match question.registration {
        Some((tenant, _)) => Some(tenant),
        None => app.db.look_up().await?.trunks_at(source).await?.first().map(|(tenant, _)| *tenant),
    };
    let Some(first) = first else { return Ok(Err((403, Outcome::Blocked, None))) };
    let region = region_of(app, first).await?;
    let not_found = Err((404, Outcome::NoRoute, Some(first)));
    let Some(e164) = PhoneNumber::parse(&question.to, &region).e164 else { return Ok(not_found) };
    let found = match question.registration {
        Some((tenant, _)) => app.db.read(tenant).await?.route_of(&e164).await?.map(|route| (tenant, route)),
        None => {
            let number = app.db.look_up().await?.inbound_number(source, &e164).await?;
            number.map(|number| (number.tenant, number.route))
        }
    };
    Ok(found.map(|(tenant, route)| Called { tenant, region, e164, route }).ok_or(()).or(not_found))
}

async fn region_of(app: &App, tenant: TenantId) -> db::Result<String> {
    let row = app.db.read(tenant).await?.tenant_row().await?;
    Ok(row.map(|tenant| tenant.country).unwrap_or_default())
}

async fn targets(rows: &mut Scoped, user: UserId) -> db::Result<Vec<Target>> {
    let devices = rows.devices_of(user).await?;
    let apps = devices.into_iter().map(|device| Target { device: device.id, has_push: device.push.is_some() });
    let softphones = rows.woken_softphones(user).await?.into_iter().map(|device| Target { device, has_push: true });
    Ok(apps.chain(softphones).collect())
}

fn reject(status: u16, outcome: Outcome, tenant: Option<TenantId>) -> Decision {
    Decision::Reject { status, outcome, tenant }
}
