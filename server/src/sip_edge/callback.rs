//! Calls that ring their own user first: whether they may be, whom they ring, and who waits to hear of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use callfield_domain::{CallId, DeviceId, PhoneNumber, TenantId};
use callfield_sip::switchboard::{CallBack, CallbackRefusal, DialPlan, RingPlan};
use tokio::sync::oneshot;

use super::destination::{Destination, Refusal, check_destination};
use super::outbound::way_out;
use super::route::{decline_of, targets};
use crate::app::App;
use crate::app::edge_port::{CallbackAsk, CallbackError};
use crate::app::records::display_name;
use crate::db::{self, Scoped};

/// Why it rings, in the push and on the timeline.
const WHY: &str = "callback";

/// Who waits to hear whether their call has begun, and of which company they are.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<BTreeMap<CallId, (TenantId, Reply)>>>);

/// How they hear of it.
type Reply = oneshot::Sender<Result<CallId, CallbackError>>;

impl Waiting {
    /// Somebody waits.
    pub(super) fn add(&self, call: CallId, tenant: TenantId, reply: Reply) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(call, (tenant, reply));
    }

    /// Tells who waits; the company of a call that has begun if nobody does any more: they were told that it has not.
    pub(super) fn tell(&self, call: CallId, refused: Option<CallbackError>) -> Option<TenantId> {
        let (tenant, reply) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&call)?;
        let is_unheard = reply.send(refused.map_or(Ok(call), Err)).is_err();
        (is_unheard && refused.is_none()).then_some(tenant)
    }
}

/// The call that is asked for, or why it may not be.
pub(super) async fn prepare(app: &App, call: CallId, ask: &CallbackAsk) -> Result<CallBack, CallbackError> {
    read(app, call, ask).await.unwrap_or_else(|error| {
        tracing::error!(%call, %error, "a callback could not be prepared");
        Err(CallbackError::Unavailable)
    })
}

/// What the switchboard says, in the words of the port.
pub(super) const fn told(refused: CallbackRefusal) -> CallbackError {
    match refused {
        CallbackRefusal::NoDevice => CallbackError::NoDeviceReachable,
        CallbackRefusal::Capped(_) => CallbackError::Capped,
        CallbackRefusal::Reused | CallbackRefusal::Full => CallbackError::Unavailable,
    }
}

async fn read(app: &App, call: CallId, ask: &CallbackAsk) -> db::Result<Result<CallBack, CallbackError>> {
    let mut rows = app.db.read(ask.tenant).await?;
    let region = rows.tenant_row().await?.map(|tenant| tenant.country).unwrap_or_default();
    let called = match check_destination(app, &ask.to, &region) {
        Ok(Destination::Internal(extension)) if rows.user_at(&extension).await?.is_some() => {
            return Ok(Err(CallbackError::Colleague));
        }
        Ok(Destination::Public(number) | Destination::Internal(number)) => number,
        Err(Refusal::Emergency) => return Ok(Err(CallbackError::Emergency)),
        Err(Refusal::NoNumber) => return Ok(Err(CallbackError::NoNumber)),
        Err(Refusal::Blocked) => return Ok(Err(CallbackError::Blocked)),
    };
    let devices = devices(&mut rows, ask).await?;
    if devices.is_empty() {
        return Ok(Err(CallbackError::NotEnrolled));
    }
    if ask.device.is_some_and(|device| !devices.contains(&device)) {
        return Ok(Err(CallbackError::ForeignDevice));
    }
    let Some((hops, shown)) = way_out(app, &mut rows, ask.tenant, ask.user).await? else {
        return Ok(Err(CallbackError::NoWayOut));
    };
    let reach = rows.reach(ask.user).await?;
    let ring = RingPlan {
        tenant: ask.tenant,
        user: ask.user,
        targets: targets(&reach),
        why: WHY.to_owned(),
        caller_name: name_of(&mut rows, ask, &called, &region).await?,
        caller: called.clone(),
        called: shown.clone(),
        decline: decline_of(&reach),
    };
    let dial = DialPlan { hops, caller: shown, called, why: "trunk".to_owned() };
    Ok(Ok(CallBack { call, ring, only: ask.device, dial }))
}

/// Every device of the user, desk phones among them.
async fn devices(rows: &mut Scoped, ask: &CallbackAsk) -> db::Result<Vec<DeviceId>> {
    let apps = rows.devices_of(ask.user).await?.into_iter().map(|device| device.id);
    let desks = rows.desk_phones().await?.into_iter().filter(|phone| phone.user == ask.user);
    Ok(apps.chain(desks.map(|phone| phone.id)).collect())
}

/// The name that the user's own records have for whom they call.
async fn name_of(rows: &mut Scoped, ask: &CallbackAsk, called: &str, region: &str) -> db::Result<Option<String>> {
    let Some(e164) = PhoneNumber::parse(called, region).e164 else { return Ok(None) };
    let known = rows.known_callers(&e164).await?;
    let seen = known.iter().find(|record| record.owner.is_none_or(|owner| owner == ask.user));
    Ok(seen.and_then(|record| display_name(&record.projection)))
}
