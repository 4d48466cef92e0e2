//! One INVITE usage: who may offer when, and for how long the session lives.
//!
//! A [`Session`] is one end's view of everything between the first INVITE and the BYE that may carry SDP: INVITE and
//! re-INVITE, UPDATE (RFC 3311), PRACK (RFC 3262) and the ACK of a late offer. It keeps the order of offers and answers
//! (RFC 3264, RFC 6337), refuses what crosses (491, 500), tries again after the wait that its role has (RFC 3261 §14.1),
//! sends again what must be acknowledged, and refreshes the session or gives it up (RFC 4028).
//!
//! It speaks in events: its owner has the dialog, the transactions and the SDP bodies. Numbers (CSeq) name the requests of
//! the other end; of its own requests at most one of a kind is under way. A request that comes again, with the number of
//! one before, is the owner's to recognise: it is answered with what was said last.
//!
//! | offer in | answer in |
//! |---|---|
//! | INVITE | 2xx, or a reliable 1xx |
//! | 2xx to an INVITE without SDP | ACK |
//! | reliable 1xx to an INVITE without SDP | PRACK |
//! | PRACK | its 2xx |
//! | UPDATE | its 2xx |

mod change;
mod input;
mod invite;
mod offer;
mod output;
mod prack;
mod signal;
mod terms;
#[cfg(test)]
mod tests;
mod timer;
mod update;

use std::collections::VecDeque;
use std::time::Duration;

use callfield_domain::{Random, Seed, Timestamp};

use crate::transaction::{GIVE_UP, T1, T2};

pub use input::Input;
pub use output::{End, Output};
pub use signal::{Acknowledged, Request, Response, TimerWords, Verb};
pub use terms::Terms;
pub use timer::{MIN_S, SessionTimer, TimerSettings};

use change::Change;
use offer::Offer;
use prack::{Heard, Reliable};

/// Which end of the first INVITE this is: it chose the Call-ID or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It sent the first INVITE.
    Caller,
    /// It received it.
    Callee,
}

/// What this end can and wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Session timers.
    pub timer: TimerSettings,
    /// Whether it changes the session with UPDATE, where the other end takes it, rather than with re-INVITE.
    pub prefers_update: bool,
}

/// Why a [`Session`] wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A 2xx to INVITE was not acknowledged yet (RFC 3261 §13.3.1.4).
    AnswerRetransmit,
    /// A reliable 1xx was not acknowledged yet (RFC 3262 §3).
    ProgressRetransmit,
    /// The wait after a change that crossed another is over.
    ChangeRetry,
    /// The session has to be refreshed.
    Refresh,
    /// Nobody refreshed the session.
    Expiry,
}

/// Where the usage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No INVITE yet.
    Fresh,
    /// The first INVITE has no final answer.
    Early,
    /// It was answered with 2xx.
    Talking,
    /// Nothing more is said.
    Over,
}

/// Something that is said again until it is acknowledged.
#[derive(Debug, Clone)]
struct Unacknowledged {
    cseq: u32,
    response: Response,
    repeat_at: Timestamp,
    pause: Duration,
    until: Timestamp,
}

impl Unacknowledged {
    fn new(now: Timestamp, cseq: u32, response: Response) -> Self {
        Self { cseq, response, repeat_at: now + T1, pause: T1, until: now + GIVE_UP }
    }

    const fn is_lost(&self, now: Timestamp) -> bool {
        self.until.as_millis() <= now.as_millis()
    }

    /// What is to be said again, if it is due; a 1xx has no longest pause (RFC 3262 §3).
    fn repeat(&mut self, now: Timestamp, longest: Duration) -> Option<Output> {
        if self.repeat_at > now {
            return None;
        }
        self.pause = (self.pause * 2).min(longest);
        self.repeat_at = now + self.pause;
        Some(Output::Respond { cseq: self.cseq, response: self.response.clone() })
    }

    fn deadline(&self) -> Timestamp {
        self.repeat_at.min(self.until)
    }
}

/// An INVITE of the other end without a final answer.
#[derive(Debug, Clone, Copy)]
struct Invited {
    cseq: u32,
    takes_reliable: bool,
    timer: TimerWords,
}

/// One end of one INVITE usage.
pub struct Session {
    role: Role,
    settings: Settings,
    random: Random,
    stage: Stage,
    offer: Offer,
    /// Whether the two ends have agreed on anything yet.
    has_agreed: bool,
    /// Whether an INVITE of this end is under way.
    is_inviting: bool,
    /// Whether an UPDATE of this end is under way.
    is_updating: bool,
    /// The offer of the first INVITE, which goes out again with a longer interval after a 422.
    first_offer: Option<bytes::Bytes>,
    invited: Option<Invited>,
    /// What the UPDATE that waits for its answer says about timers.
    update_timer: TimerWords,
    answer: Option<Unacknowledged>,
    /// The ACK that was said last, in case the 2xx comes again.
    acknowledged: Option<Option<bytes::Bytes>>,
    reliable: Reliable,
    heard: Heard,
    allows_update: bool,
    change: Change,
    timer: SessionTimer,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A usage before its first INVITE; the seed makes the waits after crossings.
    pub fn new(role: Role, settings: Settings, seed: Seed, _now: Timestamp) -> Self {
        let mut random = Random::new(seed);
        Self {
            role,
            settings,
            reliable: Reliable::new(&mut random),
            random,
            stage: Stage::Fresh,
            offer: Offer::None,
            has_agreed: false,
            is_inviting: false,
            is_updating: false,
            first_offer: None,
            invited: None,
            update_timer: TimerWords::default(),
            answer: None,
            acknowledged: None,
            heard: Heard::default(),
            allows_update: false,
            change: Change::default(),
            timer: SessionTimer::new(settings.timer),
            outputs: VecDeque::new(),
        }
    }

    /// A usage whose first INVITE was answered and acknowledged under its owner's own eyes, on the terms agreed there.
    pub fn established(role: Role, settings: Settings, terms: Terms, seed: Seed, now: Timestamp) -> Self {
        let Terms { timer, allows_update } = terms;
        Self { stage: Stage::Talking, has_agreed: true, timer, allows_update, ..Self::new(role, settings, seed, now) }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        if self.stage == Stage::Over {
            return;
        }
        match input {
            Input::Invite { sdp } => self.invite(sdp),
            Input::Progress { status, sdp, is_reliable } => self.progress(now, status, sdp, is_reliable),
            Input::Accept { sdp } => self.accept(now, sdp),
            Input::Refuse { status } => self.refuse(status),
            Input::Change => self.change.want(now),
            Input::Sdp(sdp) => self.take_sdp(now, sdp),
            Input::Requested { cseq, request } => self.take_request(now, cseq, request),
            Input::Answered { verb, response } => self.take_response(now, verb, response),
            Input::Unanswered { verb } => self.take_response(now, verb, Response::new(408)),
            Input::Acknowledged { cseq, sdp } => self.take_ack(cseq, sdp),
            Input::Over => self.finish(),
        }
        self.change_if_due(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.stage == Stage::Over {
            return;
        }
        if self.answer.as_ref().is_some_and(|answer| answer.is_lost(now)) {
            return self.end(End::Unacknowledged);
        }
        self.outputs.extend(self.answer.as_mut().and_then(|answer| answer.repeat(now, T2)));
        if self.reliable.is_lost(now) {
            self.refuse(500);
            return self.end(End::Unacknowledged);
        }
        self.outputs.extend(self.reliable.repeat(now));
        if self.stage == Stage::Talking {
            if self.timer.has_expired(now) {
                return self.end(End::Expired);
            }
            if self.timer.take_refresh(now) {
                self.change.want_refresh(now);
            }
        }
        self.change_if_due(now);
    }

    /// The earliest deadline, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        if self.stage == Stage::Over {
            return None;
        }
        let answer = self.answer.as_ref().map(|answer| (answer.deadline(), Why::AnswerRetransmit));
        let progress = self.reliable.deadline().map(|at| (at, Why::ProgressRetransmit));
        let change = self.change.deadline().filter(|_| self.may_change()).map(|at| (at, Why::ChangeRetry));
        let timer = self.timer.poll_timeout().filter(|_| self.stage == Stage::Talking);
        answer.into_iter().chain(progress).chain(change).chain(timer).min()
    }

    /// The next effect; to be drained to `None` after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether nothing is under way, between the two ends or at this one.
    pub const fn is_quiet(&self) -> bool {
        self.offer.is_none()
            && !self.is_inviting
            && !self.is_updating
            && self.invited.is_none()
            && self.answer.is_none()
            && !self.change.is_wanted()
    }

    fn take_request(&mut self, now: Timestamp, cseq: u32, request: Request) {
        self.note_allow(request.allows_update);
        match request.verb {
            Verb::Invite => self.take_invite(cseq, request),
            Verb::Update => self.take_update(now, cseq, request),
            Verb::Prack => self.take_prack(now, cseq, request),
        }
    }

    fn take_response(&mut self, now: Timestamp, verb: Verb, response: Response) {
        self.note_allow(response.allows_update);
        match verb {
            Verb::Invite => self.take_invite_response(now, response),
            Verb::Update => self.take_update_response(now, response),
            // What a PRACK brings is known from the 1xx or the 2xx that follow.
            Verb::Prack => {}
        }
    }

    fn note_allow(&mut self, allows_update: Option<bool>) {
        self.allows_update = allows_update.unwrap_or(self.allows_update);
    }

    fn respond(&mut self, cseq: u32, response: Response) {
        self.outputs.push_back(Output::Respond { cseq, response });
    }

    /// Refuses a request that crosses one of this end (491), or comes too early after another (500, RFC 3261 §14.2).
    fn refuse_crossing(&mut self, cseq: u32, status: u16) {
        let retry_after_s = (status == 500).then(|| u32::try_from(self.random.below(11)).unwrap_or(0));
        self.respond(cseq, Response { retry_after_s, ..Response::new(status) });
    }

    /// Gives the session up.
    fn end(&mut self, why: End) {
        self.finish();
        self.outputs.push_back(Output::Ended(why));
    }

    fn finish(&mut self) {
        if let Some(invited) = self.invited.take() {
            self.respond(invited.cseq, Response::new(487));
        }
        if let Some(cseq) = self.offer.cseq_owed() {
            self.respond(cseq, Response::new(487));
        }
        self.offer = Offer::None;
        self.stage = Stage::Over;
    }
}
