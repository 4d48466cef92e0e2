//! The 200 to an INVITE, repeated until its ACK comes (RFC 3261 §13.3.1.4).

use std::time::Duration;

use callfield_domain::Timestamp;

use crate::message::Message;
use crate::transaction::{GIVE_UP, ServerId, T1, T2};

/// A 200 that was not acknowledged.
#[derive(Debug)]
pub(super) struct Repetition {
    server: ServerId,
    response: Message,
    next_at: Timestamp,
    pause: Duration,
    ends_at: Timestamp,
}

impl Repetition {
    /// The repetition of a 200 that goes out now.
    pub(super) fn new(now: Timestamp, server: ServerId, response: Message) -> Self {
        Self { server, response, next_at: now + T1, pause: T1, ends_at: now + GIVE_UP }
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Timestamp {
        self.next_at.min(self.ends_at)
    }

    /// Whether no ACK will come any more.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.ends_at <= now
    }

    /// The 200 again, if it is due.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<(ServerId, Message)> {
        if self.next_at > now {
            return None;
        }
        self.pause = (self.pause * 2).min(T2);
        self.next_at = now + self.pause;
        Some((self.server, self.response.clone()))
    }
}
