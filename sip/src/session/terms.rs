//! What the first INVITE and its answer say about how the session lives on.

use callfield_domain::Timestamp;

use super::{SessionTimer, TimerSettings, TimerWords};
use crate::message::{Message, RequestBuilder, ResponseBuilder};

/// What two ends agree on with the first INVITE, beside the media: the timer, and whether UPDATE may be used.
///
/// For an owner who keeps the first INVITE to itself, and makes a [`Session`](super::Session) of what follows.
#[derive(Debug, Clone)]
pub struct Terms {
    pub(super) timer: SessionTimer,
    pub(super) allows_update: bool,
}

impl Terms {
    /// Nothing is agreed on yet.
    pub fn new(settings: TimerSettings) -> Self {
        Self { timer: SessionTimer::new(settings), allows_update: false }
    }

    /// Whether an INVITE of the other end asks for a session that is long enough.
    ///
    /// # Errors
    /// The Min-SE of the 422 that it gets.
    pub fn judge(&self, invite: &Message) -> Result<(), u32> {
        self.timer.judge(&TimerWords::of(invite))
    }

    /// Says on an INVITE of this end what it asks for.
    #[must_use]
    pub fn ask(&self, start: RequestBuilder) -> RequestBuilder {
        self.timer.ask().on_request(start)
    }

    /// Says on the 2xx to an INVITE of the other end what is agreed on by it.
    #[must_use]
    pub fn answer(&mut self, now: Timestamp, invite: &Message, start: ResponseBuilder) -> ResponseBuilder {
        self.allows_update = invite.lists("Allow", "UPDATE");
        let words = self.timer.answer(now, &TimerWords::of(invite));
        words.on_response(start)
    }

    /// Takes in a 2xx to an INVITE of this end.
    pub fn accept(&mut self, now: Timestamp, response: &Message) {
        self.allows_update = response.lists("Allow", "UPDATE");
        self.timer.accept(now, &TimerWords::of(response));
    }

    /// Takes in a 422; the INVITE that asks for as much as it wants, but for its number. `None` if asking again makes no
    /// sense.
    pub fn raise(&mut self, invite: &Message, refusal: &Message) -> Option<Message> {
        if !self.timer.raise(&TimerWords::of(refusal)) {
            return None;
        }
        let words = self.timer.ask();
        let edit = words.expires.iter().fold(invite.edit(), |edit, expires| edit.set("Session-Expires", expires));
        Some(words.min_s.iter().fold(edit, |edit, min_s| edit.set("Min-SE", min_s)).build())
    }

    /// Whether the session runs out unless somebody refreshes it.
    pub fn is_limited(&self) -> bool {
        self.timer.poll_timeout().is_some()
    }
}
