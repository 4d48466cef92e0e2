//! Calls to a colleague: whom an extension, a person's own company number or a person's id rings.

use callfield_domain::{Outcome, UserId};
use callfield_sip::switchboard::{OutboundDecision, OutboundQuestion, RingPlan};

use super::super::destination::{Destination, read_destination};
use super::super::route::{decline_of, ring, targets};
use super::reject;
use crate::app::App;
use crate::db::{self, Scoped, User};

/// Nobody can talk to themselves.
const ONESELF: OutboundDecision = reject(486, Outcome::Busy);

/// How the colleague was named.
const BY_EXTENSION: &str = "extension";
const BY_NUMBER: &str = "own_number";
const BY_ID: &str = "user";

/// What becomes of a call to a colleague; `None` if it is to nobody of the company.
pub(super) async fn find(
    app: &App,
    rows: &mut Scoped,
    question: &OutboundQuestion,
    region: &str,
) -> db::Result<Option<OutboundDecision>> {
    let Some((colleague, why)) = called(rows, &question.to, region).await? else { return Ok(None) };
    if colleague.id == question.device.user {
        return Ok(Some(ONESELF));
    }
    let caller = rows.user(question.device.user).await?;
    let reach = rows.reach(colleague.id).await?;
    let plan = RingPlan {
        tenant: question.device.tenant,
        user: colleague.id,
        targets: targets(&reach),
        why: why.to_owned(),
        caller: caller.as_ref().map_or_else(|| question.device.user.to_string(), address),
        caller_name: caller.map(|caller| caller.name),
        called: address(&colleague),
        decline: decline_of(&reach),
    };
    Ok(Some(OutboundDecision::Colleague(ring(app, &reach, plan))))
}

/// Who is called, and how they were named.
async fn called(rows: &mut Scoped, dialled: &str, region: &str) -> db::Result<Option<(User, &'static str)>> {
    if let Ok(id) = dialled.parse::<UserId>() {
        return Ok(rows.user(id).await?.map(|user| (user, BY_ID)));
    }
    Ok(match read_destination(dialled, region) {
        Ok(Destination::Internal(extension)) => rows.user_at(&extension).await?.map(|user| (user, BY_EXTENSION)),
        Ok(Destination::Public(e164)) => match rows.owner_of_number(&e164).await? {
            Some(owner) => rows.user(owner).await?.map(|user| (user, BY_NUMBER)),
            None => None,
        },
        Err(_) => None,
    })
}

/// What a colleague dials to reach this one.
fn address(user: &User) -> String {
    user.extension.clone().unwrap_or_else(|| user.id.to_string())
}
