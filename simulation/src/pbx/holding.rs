//! People at the PBX who hold and resume a call, and who are held: re-INVITEs both ways, as RFC 3261 §14 has them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use callfield_domain::{Random, Timestamp};
use callfield_sip::dialog::Dialog;
use callfield_sip::message::{Message, Method};
use callfield_sip::transaction::{ClientId, ServerId, T1, T2};

use super::PBX;

/// 64·T1: how long an ACK is waited for.
const PATIENCE: Duration = Duration::from_secs(32);
/// The names of re-INVITEs are far from those of other requests.
const FIRST: u64 = 1_000_000;

/// A 200 to a re-INVITE of the edge that has no ACK.
struct Unacknowledged {
    server: ServerId,
    response: Message,
    repeat_at: Timestamp,
    pause: Duration,
    until: Timestamp,
}

/// Every re-INVITE that is under way.
#[derive(Default)]
pub(super) struct Holding {
    answers: Vec<Unacknowledged>,
    /// The re-INVITEs of the PBX.
    sent: BTreeMap<ClientId, Message>,
    /// The Call-IDs of those without a final answer.
    open: BTreeSet<String>,
}

impl Holding {
    /// The re-INVITE of somebody who holds or resumes, unless one is under way.
    pub(super) fn hold(&mut self, dialog: &mut Dialog) -> Option<(ClientId, Message)> {
        let is_answering = self.answers.iter().any(|answer| answer.response.call_id() == dialog.call_id());
        if is_answering || !self.open.insert(dialog.call_id().to_owned()) {
            return None;
        }
        let start = dialog.request(Method::Invite).header("Contact", format!("<sip:pbx@{PBX}>"));
        let invite = start.body("application/sdp", "v=held\r\n").build();
        let id = ClientId(FIRST + u64::try_from(self.sent.len()).unwrap_or(0));
        self.sent.insert(id, invite.clone());
        Some((id, invite))
    }

    /// An answer of the edge came; the re-INVITE to be acknowledged, if it was one and the answer is a 2xx.
    pub(super) fn take_response(&mut self, id: ClientId, status: u16) -> Option<Message> {
        let invite = self.sent.get(&id)?;
        if status >= 200 {
            self.open.remove(invite.call_id());
        }
        (200..300).contains(&status).then(|| invite.clone())
    }

    /// A re-INVITE of the PBX is over, answered or not.
    pub(super) fn end(&mut self, id: ClientId) {
        if let Some(invite) = self.sent.get(&id) {
            self.open.remove(invite.call_id());
        }
    }

    /// Answers a re-INVITE of the edge: now and then it is refused.
    pub(super) fn answer(
        &mut self,
        now: Timestamp,
        server: ServerId,
        invite: &Message,
        random: &mut Random,
    ) -> (ServerId, Message) {
        let refused = if self.open.contains(invite.call_id()) {
            Some(491)
        } else if random.chance(5) {
            Some(488)
        } else {
            None
        };
        if let Some(status) = refused {
            return (server, invite.response(status, "Whatever").build());
        }
        let start = invite.response(200, "Whatever").header("Contact", format!("<sip:pbx@{PBX}>"));
        let response = start.body("application/sdp", "v=held\r\n").build();
        let (repeat_at, until) = (now + T1, now + PATIENCE);
        self.answers.push(Unacknowledged { server, response: response.clone(), repeat_at, pause: T1, until });
        (server, response)
    }

    /// An ACK came; whether it was for a re-INVITE.
    pub(super) fn acknowledge(&mut self, ack: &Message) -> bool {
        let is_own = |answer: &Unacknowledged| {
            answer.response.call_id() == ack.call_id() && answer.response.cseq().number == ack.cseq().number
        };
        let before = self.answers.len();
        self.answers.retain(|answer| !is_own(answer));
        self.answers.len() < before
    }

    /// The 200s that are due again.
    pub(super) fn repeat(&mut self, now: Timestamp) -> Vec<(ServerId, Message)> {
        self.answers.retain(|answer| answer.until > now);
        let mut due = Vec::new();
        for answer in self.answers.iter_mut().filter(|answer| answer.repeat_at <= now) {
            answer.pause = (answer.pause * 2).min(T2);
            answer.repeat_at = now + answer.pause;
            due.push((answer.server, answer.response.clone()));
        }
        due
    }

    /// When [`Self::repeat`] is due.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.answers.iter().map(|answer| answer.repeat_at.min(answer.until)).min()
    }
}
