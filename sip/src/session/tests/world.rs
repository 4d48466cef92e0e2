//! Two sessions and the link between them, with as much of dialogs and transactions as they need.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{Random, Seed, Timestamp};

use crate::session::{End, Input, Output, Request, Response, Role, Session, Settings, Verb};
use crate::transaction::{GIVE_UP, T1, T2};

/// The caller's end.
pub(super) const CALLER: usize = 0;
/// The callee's end.
pub(super) const CALLEE: usize = 1;

#[derive(Debug, Clone)]
enum Packet {
    Request(u32, Request),
    Response(u32, Verb, Response),
    Ack(u32, Option<Bytes>),
}

/// A request of an end that has no final answer.
struct Sent {
    cseq: u32,
    packet: Packet,
    repeat_at: Timestamp,
    pause: Duration,
    until: Timestamp,
}

/// How a user behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manners {
    /// In percent, how often no offer or answer can be made.
    pub(super) is_stubborn: u64,
    /// How long an offer or an answer takes at most.
    pub(super) slowness_ms: u64,
}

pub(super) struct Party {
    pub(super) session: Session,
    next_cseq: u32,
    sent: BTreeMap<Verb, Sent>,
    got: BTreeMap<u32, Option<(Verb, Response)>>,
    acks: BTreeMap<u32, Option<Bytes>>,
    invite: u32,
    offers: u32,
    open_offer: String,
    /// The offer that both ends go by, as this end sees it.
    pub(super) agreed: Option<String>,
    pub(super) ended: Option<End>,
    /// What the owner was told, and what went out, in words.
    pub(super) log: Vec<String>,
}

/// Two ends.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) ends: [Party; 2],
    pub(super) random: Random,
    pub(super) manners: Manners,
    /// In percent.
    pub(super) loss: u64,
    /// The longest way.
    pub(super) delay_ms: u64,
    /// Requests of a status that were refused, for the record.
    pub(super) refusals: BTreeMap<u16, u32>,
    link: Vec<(Timestamp, usize, Packet)>,
    answers: VecDeque<(Timestamp, usize, Option<Bytes>)>,
}

impl World {
    /// Two ends on a link that takes 10 ms and loses nothing.
    pub(super) fn new(seed: u64, caller: Settings, callee: Settings) -> Self {
        let mut random = Random::new(Seed::from_number(seed));
        let now = Timestamp::from_millis(1_000_000);
        let ends = [Party::new(Role::Caller, caller, &mut random), Party::new(Role::Callee, callee, &mut random)];
        let (manners, refusals) = (Manners::default(), BTreeMap::new());
        Self { now, ends, random, manners, loss: 0, delay_ms: 0, refusals, link: Vec::new(), answers: VecDeque::new() }
    }

    /// A call that both ends are in.
    pub(super) fn talking(seed: u64, caller: Settings, callee: Settings) -> Self {
        let mut world = Self::new(seed, caller, callee);
        world.tell(CALLER, Input::Invite { sdp: Some("first".into()) });
        world.run(100);
        world.tell(CALLEE, Input::Accept { sdp: Some("answer to first".into()) });
        world.run(100);
        world.ends.iter_mut().for_each(|end| end.log.clear());
        world
    }

    pub(super) fn tell(&mut self, end: usize, input: Input) {
        match &input {
            Input::Invite { sdp: Some(sdp) } => self.ends[end].open_offer = text(sdp),
            Input::Accept { sdp: Some(sdp) } | Input::Progress { sdp: Some(sdp), .. } => self.note_own(end, sdp),
            _ => {}
        }
        self.ends[end].session.handle(self.now, input);
        self.drain(end);
    }

    /// Lets time go on, for so long.
    pub(super) fn run(&mut self, ms: i64) {
        let until = Timestamp::from_millis(self.now.as_millis() + ms);
        while let Some(at) = self.next_event().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.step();
        }
        self.now = until;
    }

    /// What an end said and was told since it was last asked.
    pub(super) fn log(&mut self, end: usize) -> Vec<String> {
        std::mem::take(&mut self.ends[end].log)
    }

    fn next_event(&self) -> Option<Timestamp> {
        let link = self.link.iter().map(|(at, ..)| *at);
        let answers = self.answers.iter().map(|(at, ..)| *at);
        let sessions = self.ends.iter().filter_map(|end| end.session.poll_timeout()).map(|(at, _)| at);
        let sent = self.ends.iter().flat_map(|end| end.sent.values()).map(|sent| sent.repeat_at.min(sent.until));
        link.chain(answers).chain(sessions).chain(sent).min()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(place) = self.link.iter().position(|(at, ..)| *at <= now) {
            let (_, to, packet) = self.link.remove(place);
            self.receive(to, packet);
        }
        while let Some(place) = self.answers.iter().position(|(at, ..)| *at <= now) {
            let Some((_, end, sdp)) = self.answers.remove(place) else { return };
            if let Some(sdp) = &sdp {
                self.note_own(end, sdp);
            }
            self.ends[end].session.handle(now, Input::Sdp(sdp));
            self.drain(end);
        }
        for end in [CALLER, CALLEE] {
            self.repeat_requests(end);
            self.ends[end].session.handle_timeout(now);
            self.drain(end);
        }
    }

    fn repeat_requests(&mut self, end: usize) {
        let now = self.now;
        let lost: Vec<Verb> =
            self.ends[end].sent.iter().filter(|(_, sent)| sent.until <= now).map(|(verb, _)| *verb).collect();
        for verb in lost {
            self.ends[end].sent.remove(&verb);
            self.ends[end].session.handle(now, Input::Unanswered { verb });
            self.drain(end);
        }
        let mut again = Vec::new();
        for sent in self.ends[end].sent.values_mut().filter(|sent| sent.repeat_at <= now) {
            sent.pause = (sent.pause * 2).min(T2);
            sent.repeat_at = now + sent.pause;
            again.push(sent.packet.clone());
        }
        again.into_iter().for_each(|packet| self.send(end, packet));
    }

    fn send(&mut self, from: usize, packet: Packet) {
        if !self.random.chance(self.loss) {
            let delay = Duration::from_millis(10 + self.random.below(self.delay_ms + 1));
            self.link.push((self.now + delay, 1 - from, packet));
        }
    }

    fn receive(&mut self, to: usize, packet: Packet) {
        let end = &mut self.ends[to];
        match packet {
            Packet::Request(cseq, request) => {
                if let Some(known) = end.got.get(&cseq) {
                    if let Some((verb, response)) = known.clone() {
                        self.send(to, Packet::Response(cseq, verb, response));
                    }
                    return;
                }
                assert!(end.got.keys().next_back().is_none_or(|last| *last < cseq), "requests keep their order");
                end.got.insert(cseq, None);
                end.log.push(format!("got {:?}{}", request.verb, with(request.sdp.as_ref())));
                // What the dialog remembers of a request, to answer it by.
                end.got.insert(cseq, Some((request.verb, Response::new(100))));
                end.session.handle(self.now, Input::Requested { cseq, request });
            }
            Packet::Response(cseq, verb, response) => self.take_response(to, cseq, verb, response),
            Packet::Ack(cseq, sdp) => end.session.handle(self.now, Input::Acknowledged { cseq, sdp }),
        }
        self.drain(to);
    }

    fn take_response(&mut self, to: usize, cseq: u32, verb: Verb, response: Response) {
        let end = &mut self.ends[to];
        if response.status == 100 {
            return;
        }
        let is_open = end.sent.get(&verb).is_some_and(|sent| sent.cseq == cseq);
        if let Some(sdp) = end.acks.get(&cseq).filter(|_| verb == Verb::Invite && !is_open).cloned() {
            return self.send(to, Packet::Ack(cseq, sdp));
        }
        if !is_open {
            return;
        }
        if response.status >= 200 {
            end.sent.remove(&verb);
        } else if let Some(sent) = end.sent.get_mut(&verb) {
            sent.until = self.now + GIVE_UP * 4;
        }
        if response.status >= 300 {
            *self.refusals.entry(response.status).or_default() += 1;
        }
        end.log.push(format!("got {}{}", response.status, with(response.sdp.as_ref())));
        end.session.handle(self.now, Input::Answered { verb, response });
    }

    fn drain(&mut self, end: usize) {
        while let Some(output) = self.ends[end].session.poll_output() {
            self.perform(end, output);
        }
    }

    fn perform(&mut self, end: usize, output: Output) {
        let now = self.now;
        match output {
            Output::Request(request) => {
                let packet = self.ends[end].number(request, now);
                self.send(end, packet);
            }
            Output::Respond { cseq, response } => {
                let verb = self.ends[end].got.get(&cseq).and_then(Option::as_ref).map(|(verb, _)| *verb);
                let verb = verb.expect("an answer needs a request");
                self.ends[end].got.insert(cseq, Some((verb, response.clone())));
                self.send(end, Packet::Response(cseq, verb, response));
            }
            Output::Acknowledge { sdp } => {
                let cseq = self.ends[end].invite;
                self.ends[end].acks.insert(cseq, sdp.clone());
                self.send(end, Packet::Ack(cseq, sdp));
            }
            Output::OfferWanted => {
                self.ends[end].offers += 1;
                let offer = format!("offer {} of {end}", self.ends[end].offers);
                self.make(end, offer);
            }
            Output::AnswerWanted { offer } => self.make(end, format!("answer to {}", text(&offer))),
            Output::Agreed { answer } => {
                let offer = self.ends[end].open_offer.clone();
                assert_eq!(text(&answer), format!("answer to {offer}"), "an answer is to the last offer");
                self.ends[end].log.push(format!("agreed {offer}"));
                self.ends[end].agreed = Some(offer);
            }
            Output::Ended(why) => {
                self.ends[end].log.push(format!("ended {why:?}"));
                self.ends[end].ended = Some(why);
            }
            Output::Invited { .. } => {}
            other
            @ (Output::Progressed { .. } | Output::Established | Output::Refused { .. } | Output::Kept { .. }) => {
                self.ends[end].log.push(format!("{other:?}"));
            }
        }
    }

    /// The user makes an offer or an answer, later.
    fn make(&mut self, end: usize, sdp: String) {
        let sdp = if self.random.chance(self.manners.is_stubborn) { None } else { Some(Bytes::from(sdp)) };
        let at = self.now + Duration::from_millis(self.random.below(self.manners.slowness_ms + 1));
        self.answers.push_back((at, end, sdp));
    }

    /// An answer is believed as soon as it is made, an offer only when it is answered.
    fn note_own(&mut self, end: usize, sdp: &Bytes) {
        match text(sdp).strip_prefix("answer to ") {
            Some(offer) => self.ends[end].agreed = Some(offer.to_owned()),
            None => self.ends[end].open_offer = text(sdp),
        }
    }
}

impl Party {
    fn new(role: Role, settings: Settings, random: &mut Random) -> Self {
        Self {
            session: Session::new(role, settings, random.seed(), Timestamp::ZERO),
            next_cseq: 1,
            sent: BTreeMap::new(),
            got: BTreeMap::new(),
            acks: BTreeMap::new(),
            invite: 0,
            offers: 0,
            open_offer: String::new(),
            agreed: None,
            ended: None,
            log: Vec::new(),
        }
    }

    fn number(&mut self, mut request: Request, now: Timestamp) -> Packet {
        let (cseq, verb) = (self.next_cseq, request.verb);
        self.next_cseq += 1;
        if verb == Verb::Invite {
            self.invite = cseq;
        }
        if let Some(rack) = &mut request.rack {
            rack.invite = Some(self.invite);
        }
        let packet = Packet::Request(cseq, request);
        let sent = Sent { cseq, packet: packet.clone(), repeat_at: now + T1, pause: T1, until: now + GIVE_UP };
        assert!(self.sent.insert(verb, sent).is_none() || verb == Verb::Prack, "one request of a kind at a time");
        packet
    }
}

fn text(sdp: &Bytes) -> String {
    String::from_utf8_lossy(sdp).into_owned()
}

fn with(sdp: Option<&Bytes>) -> String {
    sdp.map(|sdp| format!(" with {}", text(sdp))).unwrap_or_default()
}
