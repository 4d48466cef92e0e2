//! Phones that leave a change of the edge without an answer: it is given up, lest it bars every later one.
//!
//! A phone that is away is waited for: it gets the request on its next connection. One that is there and silent keeps its
//! call, as it was agreed on last; should it answer after all, that is acknowledged and the change offered anew.

use std::time::Duration;

use callfield_domain::Timestamp;

use super::{Key, Switchboard};
use crate::message::{Message, Method};
use crate::session::{Input, Response, Verb};

/// How long a phone that is there may take for an answer: 64·T1, as long as a transaction waits.
pub(super) const LIMIT: Duration = Duration::from_secs(32);

impl Switchboard {
    /// Gives the change up that a phone has been silent about for too long.
    pub(super) fn give_up_silence(&mut self, now: Timestamp, key: Key) {
        let is_there = self.device_of(key.0).is_some_and(|device| self.bindings.binding(device).is_some());
        let Some(leg) = self.changes.legs.get_mut(&key) else { return };
        if leg.silent_at().is_none_or(|at| at > now) {
            return;
        }
        let Some(sent) = &mut leg.sent else { return };
        if !is_there {
            sent.silent_at = Some(now + LIMIT);
            return;
        }
        (sent.is_answered, sent.is_given_up) = (true, true);
        let Some(verb) = Verb::of(sent.request.method()) else { return };
        self.count("change_unanswered");
        self.tell_session(now, key, Input::Answered { verb, response: Response::new(480) });
    }

    /// A phone answers a change that was given up.
    pub(super) fn take_late_answer(&mut self, now: Timestamp, key: Key, response: &Message) {
        match (response.method(), response.status().unwrap_or_default()) {
            (Method::Invite, 200..300) => {
                self.acknowledge_change(now, key, None);
                self.renew(now, key);
            }
            (Method::Invite, 300..) => self.acknowledge_refusal(key, response),
            _ => {}
        }
    }
}
