//! Reliable provisional answers and their PRACK (RFC 3262).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{Random, Timestamp};

use super::offer::{Carrier, Offer};
use super::{Acknowledged, Output, Request, Response, Session, Stage, TimerWords, Unacknowledged, Verb};

/// The reliable 1xx of this end: one at a time, the next ones in a queue.
#[derive(Debug)]
pub(super) struct Reliable {
    next_rseq: u32,
    waits: Option<Unacknowledged>,
    queue: VecDeque<(u16, Option<Bytes>)>,
    /// The 200 that waits for the last PRACK.
    held: Option<Option<Bytes>>,
}

impl Reliable {
    /// The first number is a random one below 2^31 (§3).
    pub(super) fn new(random: &mut Random) -> Self {
        let next_rseq = u32::try_from(1 + random.below((1 << 31) - 1)).unwrap_or(1);
        Self { next_rseq, waits: None, queue: VecDeque::new(), held: None }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.waits.is_some() || !self.queue.is_empty()
    }

    pub(super) fn hold(&mut self, sdp: Option<Bytes>) {
        self.held = Some(sdp);
    }

    pub(super) fn is_lost(&self, now: Timestamp) -> bool {
        self.waits.as_ref().is_some_and(|waits| waits.is_lost(now))
    }

    pub(super) fn repeat(&mut self, now: Timestamp) -> Option<Output> {
        self.waits.as_mut()?.repeat(now, Duration::MAX)
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.waits.as_ref().map(Unacknowledged::deadline)
    }

    fn is_acknowledged_by(&self, rack: Option<Acknowledged>) -> bool {
        let own = self.waits.as_ref().map(|waits| (waits.response.rseq, Some(waits.cseq)));
        own.is_some() && own == rack.map(|rack| (Some(rack.rseq), rack.invite))
    }
}

/// The reliable 1xx of the other end: they are taken in order (§4).
#[derive(Debug, Default)]
pub(super) struct Heard {
    last: Option<u32>,
}

impl Heard {
    /// Whether this one is new and in order; another comes again when the one before was acknowledged.
    fn admits(&mut self, rseq: u32) -> bool {
        let is_next = self.last.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if is_next {
            self.last = Some(rseq);
        }
        is_next
    }
}

impl Session {
    /// Tells the caller how far its first INVITE is.
    pub(super) fn progress(&mut self, now: Timestamp, status: u16, sdp: Option<Bytes>, is_reliable: bool) {
        let Some(invited) = self.invited.filter(|_| self.stage == Stage::Early) else { return };
        if is_reliable && invited.takes_reliable {
            self.reliable.queue.push_back((status, sdp));
            return self.send_progress(now);
        }
        let sdp = sdp.filter(|_| self.offer == Offer::Received(Carrier::Invite));
        self.respond(invited.cseq, Response { sdp, ..Response::new(status) });
    }

    /// Sends the next reliable 1xx, once the one before was acknowledged.
    fn send_progress(&mut self, now: Timestamp) {
        let Some(invited) = self.invited.filter(|_| self.reliable.waits.is_none()) else { return };
        let Some((status, sdp)) = self.reliable.queue.pop_front() else { return };
        let rseq = self.reliable.next_rseq;
        self.reliable.next_rseq = rseq.saturating_add(1);
        let sdp = match (self.offer, sdp) {
            (Offer::Received(Carrier::Invite), Some(sdp)) => {
                self.settle(true);
                Some(sdp)
            }
            (Offer::None, Some(sdp)) if !self.has_agreed => {
                self.offer = Offer::Sent(Carrier::Progress(rseq));
                Some(sdp)
            }
            _ => None,
        };
        let response = Response { sdp, rseq: Some(rseq), allows_update: Some(true), ..Response::new(status) };
        self.reliable.waits = Some(Unacknowledged::new(now, invited.cseq, response.clone()));
        self.respond(invited.cseq, response);
    }

    /// Takes in a PRACK of the other end.
    pub(super) fn take_prack(&mut self, now: Timestamp, cseq: u32, request: Request) {
        if !self.reliable.is_acknowledged_by(request.rack) {
            return self.respond(cseq, Response::new(481));
        }
        let has_offered = matches!(self.offer, Offer::Sent(Carrier::Progress(_)));
        if has_offered && request.sdp.is_none() {
            // The 1xx goes on being repeated: without an answer there is no session.
            return self.respond(cseq, Response::new(400));
        }
        self.reliable.waits = None;
        match request.sdp {
            Some(answer) if has_offered => {
                self.agree(answer);
                self.respond(cseq, Response::new(200));
            }
            Some(offer) => {
                if self.admits_offer(cseq) {
                    self.ask_for_answer(Carrier::Prack(cseq), offer);
                }
            }
            None => self.respond(cseq, Response::new(200)),
        }
        self.send_progress(now);
        self.release(now);
    }

    /// Answers the offer of a PRACK with what the owner made.
    pub(super) fn answer_prack(&mut self, now: Timestamp, cseq: u32, sdp: Option<Bytes>) {
        self.settle(sdp.is_some());
        let status = if sdp.is_some() { 200 } else { 488 };
        self.respond(cseq, Response { sdp, ..Response::new(status) });
        self.release(now);
    }

    /// Lets the 200 go that waited.
    pub(super) fn release(&mut self, now: Timestamp) {
        if let Some(sdp) = self.reliable.held.take() {
            self.accept(now, sdp);
        }
    }

    /// Takes in a 1xx to an INVITE of this end.
    pub(super) fn take_progress(&mut self, response: Response) {
        let Some(rseq) = response.rseq else {
            let (status, preview) = (response.status, response.sdp);
            return self.outputs.push_back(Output::Progressed { status, preview });
        };
        if !self.heard.admits(rseq) {
            return;
        }
        self.outputs.push_back(Output::Progressed { status: response.status, preview: None });
        match (self.offer, response.sdp) {
            (Offer::Sent(Carrier::Invite), Some(answer)) => self.agree(answer),
            (Offer::None, Some(offer)) if !self.has_agreed => {
                return self.ask_for_answer(Carrier::Progress(rseq), offer);
            }
            _ => {}
        }
        self.send_prack(rseq, None);
    }

    pub(super) fn send_prack(&mut self, rseq: u32, sdp: Option<Bytes>) {
        let rack = Some(Acknowledged { rseq, invite: None });
        let request = Request { rack, ..Request::new(Verb::Prack, sdp, TimerWords::default()) };
        self.outputs.push_back(Output::Request(request));
    }
}
