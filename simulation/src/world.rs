//! One seeded world: the real edge, real phones and a PBX around one clock, every way between them faulty.
//!
//! [`World::run`] takes the next event or the next deadline, whichever is first, lets one machine change, drains it and
//! carries its outputs over the links. After every step the [`Ledger`] says whether an invariant broke.

mod callees;
mod edge;
mod links;
mod pbx_side;
mod phones;

use std::collections::VecDeque;

use bytes::Bytes;
use callfield_domain::{CallFacts, CallId, Random, Seed, TenantId, Timestamp, UserId};
use callfield_sip::agent::WokenCallState;
use callfield_sip::switchboard::{DeclinePolicy, Input as EdgeInput, Output, Settings, Switchboard};

use crate::ledger::{Invariant, Ledger, Violation};
use crate::link::{Streams, Weather};
use crate::mutant::Mutant;
use crate::pbx::Pbx;
use crate::phone::{Deed, Phone};
use crate::schedule::{Schedule, ms};
use crate::trace::Trace;
use callees::{CalleeDeed, Dialled};

/// When every world begins.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// When phones that are still in the foreground are put away.
const BEDTIME_MS: u64 = 400_000;
/// More steps than any world needs.
const STEP_LIMIT: u64 = 20_000;
/// When every world is at rest: calls are over, phones asleep, and what was remembered is forgotten.
const REST_MS: u64 = 2_500_000;
/// The SIP domain of the phones.
const DOMAIN: &str = "phones.test";

/// Something that happens in a world.
#[derive(Debug, Clone)]
enum Event {
    /// The edge is told something: a message that arrived, or an answer of its shell.
    Edge(EdgeInput),
    /// The row of a call reaches the disk.
    RowWritten(CallFacts),
    /// A datagram reaches the PBX.
    Pbx(Bytes),
    /// Something reaches a phone through a stream.
    Phone { phone: usize, stream: u64, bytes: Bytes },
    /// The edge has accepted a stream.
    Accepted { stream: u64 },
    /// The phone's stream is open.
    Connected { phone: usize, stream: u64 },
    /// The phone's attempt to open a stream failed.
    Refused { phone: usize, stream: u64 },
    /// The edge notices that a stream is gone.
    EdgeLoses { stream: u64 },
    /// The phone notices that its stream is gone.
    PhoneLoses { phone: usize, stream: u64 },
    /// A push reaches a phone.
    Push { phone: usize, call: CallId, expires_at: Timestamp },
    /// A phone's question for a call's state reaches the edge.
    StateAsked { phone: usize, life: u32, call: CallId },
    /// The answer reaches the phone, or the phone learns that it could not ask.
    StateTold { phone: usize, life: u32, call: CallId, state: Option<WokenCallState> },
    /// A caller dials.
    Dial(usize),
    /// A caller is tired of waiting.
    CallerGivesUp(usize),
    /// A caller holds the call, or resumes it.
    CallerHolds(usize),
    /// A caller has said everything.
    CallerHangsUp(usize),
    /// The user of a phone calls somebody.
    PhoneDials { phone: usize },
    /// Somebody who is called does something.
    Callee(usize, CalleeDeed),
    /// The user of a phone does something.
    User { phone: usize, life: u32, call: CallId, deed: Deed },
    /// The operating system kills the app.
    Killed { phone: usize },
    /// The phone goes from one network to another.
    Roams { phone: usize },
    /// The operating system suspends an app that has no call.
    Suspended { phone: usize },
    /// It lets the app run again.
    Resumes { phone: usize },
    /// The app comes to the foreground.
    Opened { phone: usize },
    /// Everybody goes to sleep.
    Bedtime,
}

impl Event {
    /// The phone whose app must run for this to happen.
    fn app(&self) -> Option<usize> {
        match self {
            Self::Phone { phone, .. }
            | Self::Connected { phone, .. }
            | Self::Refused { phone, .. }
            | Self::PhoneLoses { phone, .. }
            | Self::StateTold { phone, .. }
            | Self::User { phone, .. } => Some(*phone),
            Self::Edge(_)
            | Self::RowWritten(_)
            | Self::Pbx(_)
            | Self::Accepted { .. }
            | Self::EdgeLoses { .. }
            | Self::Push { .. }
            | Self::StateAsked { .. }
            | Self::Dial(_)
            | Self::CallerGivesUp(_)
            | Self::CallerHolds(_)
            | Self::CallerHangsUp(_)
            | Self::PhoneDials { .. }
            | Self::Callee(..)
            | Self::Killed { .. }
            | Self::Roams { .. }
            | Self::Suspended { .. }
            | Self::Resumes { .. }
            | Self::Opened { .. }
            | Self::Bedtime => None,
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The hash of the trace.
    pub hash: u64,
    /// How many steps it took.
    pub steps: u64,
    /// How many calls came.
    pub calls: usize,
    /// How many were connected.
    pub connected: usize,
    /// How many rows were written.
    pub rows: usize,
}

/// One seeded world.
pub struct World {
    now: Timestamp,
    random: Random,
    weather: Weather,
    schedule: Schedule<Event>,
    switchboard: Switchboard,
    tenant: TenantId,
    user: UserId,
    decline: DeclinePolicy,
    phones: Vec<Phone>,
    /// What waits for each phone's suspended app, in order.
    backlogs: Vec<VecDeque<Event>>,
    streams: Streams,
    pbx: Pbx,
    /// The call that each caller's INVITE became, by the caller's number.
    calls: Vec<Option<CallId>>,
    /// The calls that phones began, in that order.
    dialled: Vec<Dialled>,
    ledger: Ledger,
    trace: Trace,
    mutant: Mutant,
    /// Every push that went out.
    wakes: Vec<Output>,
    steps: u64,
}

impl World {
    /// The world of a seed, sound unless a planted bug is given.
    pub fn new(seed: u64, mutant: Mutant, keeps_lines: bool) -> Self {
        let mut random = Random::new(Seed::from_number(seed));
        let (tenant, user) = (TenantId::new(START, &mut random), UserId::new(START, &mut random));
        let decline = if random.chance(50) { DeclinePolicy::StopAll } else { DeclinePolicy::RingOn };
        let weather = Weather::draw(&mut random);
        let callers = 1 + usize::try_from(random.below(3)).unwrap_or(0);
        let mut world = Self {
            now: START,
            weather,
            schedule: Schedule::new(),
            switchboard: Switchboard::new(Settings::new(DOMAIN, "192.0.2.1:5060"), random.seed(), START),
            tenant,
            user,
            decline,
            phones: Vec::new(),
            backlogs: Vec::new(),
            streams: Streams::default(),
            pbx: Pbx::new(random.seed(), START),
            calls: vec![None; callers],
            dialled: Vec::new(),
            ledger: Ledger::default(),
            trace: Trace::new(START, keeps_lines),
            mutant,
            wakes: Vec::new(),
            steps: 0,
            random,
        };
        world.populate(callers);
        world
    }

    /// Runs to rest.
    ///
    /// # Errors
    /// The first invariant that did not hold.
    pub fn run(&mut self) -> Result<Summary, Violation> {
        let mut steps_at_once = 0_u64;
        while let Some(next) = self.next_at() {
            steps_at_once = if next == self.now { steps_at_once + 1 } else { 0 };
            if next < self.now || steps_at_once > 2_000 {
                self.ledger.accuse(Invariant::NoPastDeadline, format!("{:?}", self.switchboard.poll_timeout()));
            }
            self.now = next.max(self.now);
            self.ledger.note_time(self.now);
            self.step();
            self.check()?;
        }
        self.ledger.check_rest(self.switchboard.live_calls());
        self.check()?;
        let (calls, connected, rows) = self.ledger.counts();
        Ok(Summary { hash: self.trace.hash(), steps: self.steps, calls, connected, rows })
    }

    /// The lines of the trace, if they were kept.
    pub fn lines(&self) -> &[String] {
        self.trace.lines()
    }

    /// What happened, as the invariants see it.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn populate(&mut self, callers: usize) {
        let phones = 1 + usize::try_from(self.random.below(3)).unwrap_or(0);
        for number in 0..phones {
            let phone = Phone::new(number, DOMAIN, self.tenant, self.user, &mut self.random, START);
            self.phones.push(phone);
            self.backlogs.push(VecDeque::new());
            self.draw_fate(number);
        }
        for caller in 0..callers {
            let at = self.soon(1_000, 60_000);
            self.schedule.at(at, Event::Dial(caller));
        }
        self.schedule.at(START + ms(BEDTIME_MS), Event::Bedtime);
    }

    fn draw_fate(&mut self, phone: usize) {
        if self.random.chance(40) {
            let at = self.soon(0, 40_000);
            self.schedule.at(at, Event::Opened { phone });
        }
        if self.random.chance(20) {
            let at = self.soon(5_000, 150_000);
            self.schedule.at(at, Event::Killed { phone });
        }
        for _ in 0..self.random.below(3) {
            let at = self.soon(2_000, 120_000);
            self.schedule.at(at, Event::Suspended { phone });
        }
        for _ in 0..self.random.below(3) {
            let at = self.soon(5_000, 150_000);
            self.schedule.at(at, Event::Roams { phone });
        }
        if self.random.chance(40) {
            let at = self.soon(1_000, 120_000);
            self.schedule.at(at, Event::PhoneDials { phone });
        }
    }

    /// A moment between `from_ms` and `to_ms` from now.
    fn soon(&mut self, from_ms: u64, to_ms: u64) -> Timestamp {
        self.now + ms(from_ms + self.random.below(to_ms.saturating_sub(from_ms) + 1))
    }

    fn next_at(&self) -> Option<Timestamp> {
        let agents = self.phones.iter().filter_map(Phone::deadline);
        let edge = self.edge_deadline();
        let pbx = self.pbx.next_at();
        agents.chain(edge).chain(pbx).chain(self.schedule.next_at()).chain(self.ledger.next_check()).min()
    }

    fn step(&mut self) {
        self.steps += 1;
        if self.schedule.next_at().is_some_and(|at| at <= self.now) {
            if let Some(event) = self.schedule.pop() {
                self.happen(event);
            }
        } else if self.edge_deadline().is_some_and(|at| at <= self.now) {
            self.time_edge();
        } else if self.pbx.next_at().is_some_and(|at| at <= self.now) {
            self.pbx.handle_timeout(self.now);
            self.drain_pbx();
        } else if let Some(phone) =
            self.phones.iter().position(|phone| phone.deadline().is_some_and(|at| at <= self.now))
        {
            self.phones[phone].agent.handle_timeout(self.now);
            self.drain_phone(phone);
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some(phone) = event.app().filter(|phone| self.phones[*phone].suspended_until > self.now) {
            return self.backlogs[phone].push_back(event);
        }
        match event {
            Event::Edge(input) => self.tell_edge(input),
            Event::RowWritten(facts) => self.write_row(facts),
            Event::Pbx(bytes) => self.tell_pbx(bytes),
            Event::Phone { phone, stream, bytes } => self.deliver_to_phone(phone, stream, bytes),
            Event::Accepted { stream } => self.accept_stream(stream),
            Event::Connected { phone, stream } => self.connect_phone(phone, stream),
            Event::Refused { phone, stream } | Event::PhoneLoses { phone, stream } => {
                self.disconnect_phone(phone, stream);
            }
            Event::EdgeLoses { stream } => self.lose_at_edge(stream),
            Event::Push { phone, call, expires_at } => self.push_arrives(phone, call, expires_at),
            Event::StateAsked { phone, life, call } => self.ask_state(phone, life, call),
            Event::StateTold { phone, life, call, state } => self.tell_state(phone, life, call, state),
            Event::Dial(caller) => self.dial(caller),
            Event::CallerGivesUp(caller) => self.caller_gives_up(caller),
            Event::CallerHolds(caller) => self.caller_holds(caller),
            Event::CallerHangsUp(caller) => self.caller_hangs_up(caller),
            Event::PhoneDials { phone } => self.phone_dials(phone),
            Event::Callee(callee, deed) => self.callee_acts(callee, deed),
            Event::User { phone, life, call, deed } => self.user_acts(phone, life, call, deed),
            Event::Killed { phone } => self.kill(phone),
            Event::Roams { phone } => self.roam(phone),
            Event::Suspended { phone } => self.suspend(phone),
            Event::Resumes { phone } if self.phones[phone].suspended_until <= self.now => self.resume(phone),
            Event::Resumes { .. } => {}
            Event::Opened { phone } => self.open_app(phone),
            Event::Bedtime => self.go_to_bed(),
        }
    }

    fn check(&mut self) -> Result<(), Violation> {
        if self.steps > STEP_LIMIT {
            self.ledger.accuse(Invariant::ComesToRest, format!("still busy after {STEP_LIMIT} steps"));
        }
        if self.now > START + ms(REST_MS) {
            self.ledger.accuse(Invariant::ComesToRest, "something still happens".to_owned());
        }
        for phone in 0..self.phones.len() {
            if !self.is_reachable(phone) {
                self.ledger.note_unreachable(phone);
            }
        }
        for number in self.pbx.talking() {
            if let Some(call) = self.call_of_callee(Some(&number)) {
                self.ledger.check_callee(call);
            }
        }
        self.ledger.check_rings();
        self.ledger.violation().map_or(Ok(()), |violation| Err(violation.clone()))
    }
}
