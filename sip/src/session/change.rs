//! Changes that this end wants: when one may go out, what becomes of it, and when it is tried again.

use std::time::Duration;

use bytes::Bytes;
use callfield_domain::Timestamp;

use super::offer::{Carrier, Offer};
use super::{End, Output, Request, Response, Role, Session, Stage, Verb};

/// The change that this end wants.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    wanted: Option<Wanted>,
    /// What went out last.
    under_way: Option<Kind>,
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    kind: Kind,
    at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A new offer.
    Offer,
    /// Only that the session lives longer.
    Refresh,
}

impl Change {
    /// Wants a new offer; a wait that has begun goes on.
    pub(super) fn want(&mut self, now: Timestamp) {
        let at = self.wanted.map_or(now, |wanted| wanted.at);
        self.wanted = Some(Wanted { kind: Kind::Offer, at });
    }

    pub(super) fn want_refresh(&mut self, now: Timestamp) {
        self.wanted.get_or_insert(Wanted { kind: Kind::Refresh, at: now });
    }

    /// Wants what went out last once more.
    fn want_again(&mut self, at: Timestamp) {
        let last = self.under_way.take().unwrap_or(Kind::Offer);
        let kind = if self.wanted.is_some_and(|wanted| wanted.kind == Kind::Offer) { Kind::Offer } else { last };
        self.wanted = Some(Wanted { kind, at });
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.wanted.map(|wanted| wanted.at)
    }

    fn take_due(&mut self, now: Timestamp) -> Option<Kind> {
        let kind = self.wanted.take_if(|wanted| wanted.at <= now)?.kind;
        self.under_way = Some(kind);
        Some(kind)
    }
}

impl Session {
    /// Whether nothing is under way that a change would cross.
    pub(super) fn may_change(&self) -> bool {
        self.stage == Stage::Talking
            && self.offer.is_none()
            && !self.is_inviting
            && !self.is_updating
            && self.invited.is_none()
            && self.answer.is_none()
    }

    /// Begins the change that is wanted, if its time has come.
    pub(super) fn change_if_due(&mut self, now: Timestamp) {
        if !self.may_change() {
            return;
        }
        match self.change.take_due(now) {
            Some(Kind::Refresh) if self.allows_update => self.send_update(None),
            Some(_) => {
                let with_update = self.settings.prefers_update && self.allows_update;
                self.offer = Offer::Making(if with_update { Carrier::Update(0) } else { Carrier::Invite });
                self.outputs.push_back(Output::OfferWanted);
            }
            None => {}
        }
    }

    /// The owner made the offer of a change: it goes out.
    pub(super) fn send_change(&mut self, sdp: Option<Bytes>) {
        let with_update = matches!(self.offer, Offer::Making(Carrier::Update(_)));
        let Some(sdp) = sdp else {
            self.offer = Offer::None;
            return;
        };
        if with_update {
            self.offer = Offer::Sent(Carrier::Update(0));
            return self.send_update(Some(sdp));
        }
        self.offer = Offer::Sent(Carrier::Invite);
        self.is_inviting = true;
        self.outputs.push_back(Output::Request(Request::new(Verb::Invite, Some(sdp), self.timer.ask())));
    }

    fn send_update(&mut self, sdp: Option<Bytes>) {
        self.is_updating = true;
        self.outputs.push_back(Output::Request(Request::new(Verb::Update, sdp, self.timer.ask())));
    }

    /// A re-INVITE or an UPDATE of this end was refused, or never answered.
    pub(super) fn take_change_refusal(&mut self, now: Timestamp, verb: Verb, response: &Response) {
        self.keep(response.status);
        if !matches!(response.status, 408 | 481) {
            self.timer.note_refused(now);
        }
        let wait_s = |seconds: u32| now + Duration::from_secs(u64::from(seconds));
        match (response.status, response.retry_after_s) {
            (408 | 481, _) => self.end(End::Gone),
            (491, _) => {
                let wait = self.crossing_wait();
                self.change.want_again(now + wait);
            }
            (500, Some(seconds)) => self.change.want_again(wait_s(seconds)),
            (422, _) if self.timer.raise(&response.timer) => self.change.want_again(now),
            (405 | 501, _) if verb == Verb::Update => {
                self.allows_update = false;
                self.change.want_again(now);
            }
            _ => {}
        }
    }

    /// How long to wait after a crossing, by role and in steps of 10 ms, so that the two do not cross again (RFC 3261
    /// §14.1).
    fn crossing_wait(&mut self) -> Duration {
        let steps = match self.role {
            Role::Caller => 210 + self.random.below(191),
            Role::Callee => self.random.below(201),
        };
        Duration::from_millis(steps * 10)
    }
}
