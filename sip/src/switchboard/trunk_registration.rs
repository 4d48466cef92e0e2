//! The registration of the edge at a trunk: one contact of its own, refreshed, retried, moved to the next address.
//!
//! Pure like a call: it is told what became of its REGISTERs and says what to send next. The shell learns the
//! [`RegistrationState`] when it changes. A contact is a random name: only the trunk that was told of it can call it.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use callfield_domain::{Random, Seed, TenantId, Timestamp, TrunkId};

use super::TrunkAccount;
use crate::message::{Message, Method, NameAddr, RequestBuilder};
use crate::uri::{Uri, UriError};

/// How long the edge asks to be registered.
const EXPIRES_S: u64 = 600;
/// The shortest time that a registration is kept before its refresh.
const SHORTEST: Duration = Duration::from_secs(5);
/// The pause after the first round of failures, doubled with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// The shortest pause after a refusal that will not change by itself, such as a wrong password.
const PAUSE_REFUSED: Duration = Duration::from_secs(60);

/// A trunk at which the edge registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteringTrunk {
    /// The trunk.
    pub trunk: TrunkId,
    /// Whose trunk it is: whose calls come on its registration.
    pub tenant: TenantId,
    /// Where it takes REGISTERs, over UDP; the first that takes them is kept.
    pub addresses: Vec<SocketAddr>,
    /// The user that is registered.
    pub user: String,
    /// What a challenge is answered with.
    pub account: TrunkAccount,
}

/// Where a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationState {
    /// The first REGISTER is out.
    Trying,
    /// Calls come in.
    Registered {
        /// At which address.
        at: SocketAddr,
        /// Since when, without a failure.
        since: Timestamp,
    },
    /// No calls come in.
    Failing {
        /// Since when.
        since: Timestamp,
        /// The last answer; 408 if there was none.
        status: u16,
    },
}

/// What became of a REGISTER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// It has a final answer.
    Answered(Message),
    /// It has none: a SIP status that says why.
    Lost(u16),
    /// The trunk is not wanted any more.
    Removed,
}

/// What a registration wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Send this REGISTER, which has no Via.
    Register { to: SocketAddr, request: Message },
    /// Tell the shell where it stands.
    Changed(RegistrationState),
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A REGISTER is out; whether it has a proof.
    Asking {
        has_proved: bool,
    },
    /// The time of the next one.
    Waiting(Timestamp),
    /// The last REGISTER, which removes the contact, is out.
    Leaving {
        has_proved: bool,
    },
    Gone,
}

/// One registration.
pub(super) struct TrunkRegistration {
    trunk: RegisteringTrunk,
    contact: Uri,
    call_id: String,
    tag: String,
    number: u32,
    expires_s: u64,
    /// Which of the addresses is asked.
    turn: usize,
    /// How many addresses failed one after the other.
    failures: u32,
    phase: Phase,
    state: RegistrationState,
    random: Random,
    actions: VecDeque<Action>,
}

impl TrunkRegistration {
    /// A registration that asks at once; `edge` is `host:port` under which trunks reach it.
    ///
    /// # Errors
    /// When the user cannot stand in a URI, or there is no address.
    pub(super) fn new(trunk: RegisteringTrunk, edge: &str, seed: Seed, now: Timestamp) -> Result<Self, UriError> {
        let mut random = Random::new(seed);
        let contact = Uri::parse(&format!("sip:{}@{edge}", random.token(20)))?;
        Uri::sip(Some(&trunk.user), "192.0.2.1", None)?;
        let (call_id, tag) = (random.token(32), random.token(16));
        let mut registration = Self {
            trunk,
            contact,
            call_id,
            tag,
            number: 0,
            expires_s: EXPIRES_S,
            turn: 0,
            failures: 0,
            phase: Phase::Waiting(now),
            state: RegistrationState::Trying,
            random,
            actions: VecDeque::new(),
        };
        registration.ask();
        Ok(registration)
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, now: Timestamp, event: Event) {
        match (self.phase, event) {
            (Phase::Gone, _) => {}
            (Phase::Waiting(_), Event::Removed) if !self.is_registered() => self.phase = Phase::Gone,
            (_, Event::Removed) => self.leave(),
            (Phase::Leaving { has_proved: false }, Event::Answered(answer)) if is_challenge(&answer) => {
                self.phase = Phase::Leaving { has_proved: true };
                if !self.send(0, Some(&answer)) {
                    self.phase = Phase::Gone;
                }
            }
            (Phase::Leaving { .. }, Event::Answered(_) | Event::Lost(_)) => self.phase = Phase::Gone,
            (Phase::Asking { has_proved }, Event::Answered(answer)) => self.take(now, &answer, has_proved),
            (Phase::Asking { .. }, Event::Lost(status)) => self.fail(now, status),
            (Phase::Waiting(_), Event::Answered(_) | Event::Lost(_)) => {}
        }
    }

    /// Does what is due at `now`.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.ask();
        }
    }

    /// When the next REGISTER is due.
    pub(super) const fn poll_timeout(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Waiting(until) => Some(until),
            Phase::Asking { .. } | Phase::Leaving { .. } | Phase::Gone => None,
        }
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What it was made of.
    pub(super) const fn trunk(&self) -> &RegisteringTrunk {
        &self.trunk
    }

    /// Whether calls are wanted on it.
    pub(super) const fn is_wanted(&self) -> bool {
        matches!(self.phase, Phase::Asking { .. } | Phase::Waiting(_))
    }

    /// Whether nothing is left to do.
    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Whether a call to this user from there comes on this registration.
    pub(super) fn is_called(&self, user: &str, source: SocketAddr) -> bool {
        let is_from_trunk = self.trunk.addresses.iter().any(|address| address.ip() == source.ip());
        is_from_trunk && self.contact.user() == Some(user) && self.is_wanted()
    }

    const fn is_registered(&self) -> bool {
        matches!(self.state, RegistrationState::Registered { .. })
    }

    fn ask(&mut self) {
        self.phase = Phase::Asking { has_proved: false };
        self.send(self.expires_s, None);
    }

    fn leave(&mut self) {
        self.phase = Phase::Leaving { has_proved: false };
        self.send(0, None);
    }

    /// Sends a REGISTER, with a proof if a refusal asks for one; false if there is none.
    fn send(&mut self, expires_s: u64, refusal: Option<&Message>) -> bool {
        let Some(to) = self.address() else { return false };
        let Some(request) = self.request(to, expires_s) else { return false };
        let request = match refusal {
            Some(refusal) => self.trunk.account.prove(&request, refusal, &mut self.random),
            None => Some(request),
        };
        self.actions.extend(request.clone().map(|request| Action::Register { to, request }));
        request.is_some()
    }

    fn request(&mut self, to: SocketAddr, expires_s: u64) -> Option<Message> {
        self.number += 1;
        let host = match to {
            SocketAddr::V4(to) => to.ip().to_string(),
            SocketAddr::V6(to) => format!("[{}]", to.ip()),
        };
        let registrar = Uri::sip(None, &host, Some(to.port())).ok()?;
        let own = NameAddr::new(None, &Uri::sip(Some(&self.trunk.user), &host, Some(to.port())).ok()?);
        let request = RequestBuilder::new(Method::Register, &registrar)
            .from(&own.with_tag(&self.tag))
            .to(&own)
            .call_id(&self.call_id)
            .cseq(self.number)
            .header("Contact", NameAddr::new(None, &self.contact))
            .header("Expires", expires_s);
        Some(request.build())
    }

    fn take(&mut self, now: Timestamp, answer: &Message, has_proved: bool) {
        let status = answer.status().unwrap_or_default();
        if (200..300).contains(&status) {
            return self.keep(now, answer);
        }
        if is_challenge(answer) && !has_proved {
            self.phase = Phase::Asking { has_proved: true };
            if self.send(self.expires_s, Some(answer)) {
                return;
            }
        }
        let longer = answer.header("Min-Expires").and_then(|text| text.parse().ok());
        if let Some(longer) = longer.filter(|longer| status == 423 && (self.expires_s + 1..=86_400).contains(longer)) {
            self.expires_s = longer;
            return self.ask();
        }
        self.fail(now, status);
    }

    fn keep(&mut self, now: Timestamp, answer: &Message) {
        let Some(at) = self.address() else { return };
        let granted = Duration::from_secs(self.granted_s(answer));
        // Between 80 and 90 percent of the time, so that trunks that were registered together are not refreshed together.
        let tenth = u64::try_from(granted.as_millis() / 10).unwrap_or(0);
        let refresh = granted.saturating_sub(Duration::from_millis(tenth + self.random.below(tenth + 1)));
        self.phase = Phase::Waiting(now + refresh.max(SHORTEST));
        self.failures = 0;
        if !matches!(self.state, RegistrationState::Registered { at: kept, .. } if kept == at) {
            self.change(RegistrationState::Registered { at, since: now });
        }
    }

    /// How long the trunk keeps the contact: what it says of this one, else of all, else what was asked for.
    fn granted_s(&self, answer: &Message) -> u64 {
        let own = answer.contacts().find(|contact| contact.uri().is_ok_and(|uri| uri.user() == self.contact.user()));
        let of_contact = own.and_then(|contact| contact.param("expires").and_then(|text| text.parse().ok()));
        let of_all = answer.header("Expires").and_then(|text| text.parse().ok());
        of_contact.or(of_all).unwrap_or(self.expires_s).min(86_400)
    }

    /// The next address has its turn; after the last one there is a pause.
    fn fail(&mut self, now: Timestamp, status: u16) {
        let since = match self.state {
            RegistrationState::Failing { since, .. } => since,
            RegistrationState::Trying | RegistrationState::Registered { .. } => now,
        };
        self.change(RegistrationState::Failing { since, status });
        self.failures = self.failures.saturating_add(1);
        self.turn += 1;
        let addresses = u32::try_from(self.trunk.addresses.len().max(1)).unwrap_or(u32::MAX);
        if !self.failures.is_multiple_of(addresses) {
            return self.ask();
        }
        let rounds = (self.failures / addresses).clamp(1, 16) - 1;
        let pause = PAUSE_MIN.saturating_mul(1 << rounds).min(PAUSE_MAX);
        let is_refused = matches!(status, 400..500) && status != 408;
        let pause = if is_refused { pause.max(PAUSE_REFUSED) } else { pause };
        // Half to one and a half of it, so that a trunk that comes back is not asked by everybody at once.
        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(0);
        self.phase = Phase::Waiting(now + Duration::from_millis(half + self.random.below(2 * half + 1)));
    }

    fn change(&mut self, state: RegistrationState) {
        if self.state != state {
            self.state = state;
            self.actions.push_back(Action::Changed(state));
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        let addresses = &self.trunk.addresses;
        addresses.get(self.turn % addresses.len().max(1)).copied()
    }
}

fn is_challenge(answer: &Message) -> bool {
    matches!(answer.status(), Some(401 | 407))
}
