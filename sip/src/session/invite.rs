//! INVITE: the first one and those that change the session, both ways, and their ACK.

use bytes::Bytes;
use callfield_domain::Timestamp;

use super::offer::{Carrier, Offer};
use super::{End, Invited, Output, Request, Response, Session, Stage, TimerWords, Unacknowledged, Verb};

impl Session {
    /// Begins the call.
    pub(super) fn invite(&mut self, sdp: Option<Bytes>) {
        if self.stage != Stage::Fresh {
            return;
        }
        self.stage = Stage::Early;
        self.offer = if sdp.is_some() { Offer::Sent(Carrier::Invite) } else { Offer::None };
        self.first_offer.clone_from(&sdp);
        self.send_first(sdp);
    }

    fn send_first(&mut self, sdp: Option<Bytes>) {
        self.is_inviting = true;
        self.outputs.push_back(Output::Request(Request::new(Verb::Invite, sdp, self.timer.ask())));
    }

    /// Takes in an INVITE of the other end.
    pub(super) fn take_invite(&mut self, cseq: u32, request: Request) {
        if let Some(status) = self.crossing_of_invite() {
            return self.refuse_crossing(cseq, status);
        }
        if let Err(min_s) = self.timer.judge(&request.timer) {
            let timer = TimerWords { min_s: Some(min_s), is_supported: true, expires: None };
            return self.respond(cseq, Response { timer, ..Response::new(422) });
        }
        // Who sends the next INVITE has heard the answer to the last one.
        self.answer = None;
        self.invited = Some(Invited { cseq, takes_reliable: request.is_reliable, timer: request.timer });
        if self.stage == Stage::Fresh {
            self.stage = Stage::Early;
            self.offer = if request.sdp.is_some() { Offer::Received(Carrier::Invite) } else { Offer::None };
            return self.outputs.push_back(Output::Invited { offer: request.sdp });
        }
        match request.sdp {
            Some(offer) => self.ask_for_answer(Carrier::Invite, offer),
            None => {
                self.offer = Offer::Making(Carrier::Success);
                self.outputs.push_back(Output::OfferWanted);
            }
        }
    }

    /// The status for an INVITE that comes while another exchange is under way (RFC 3261 §14.2, RFC 6337 §4.3).
    const fn crossing_of_invite(&self) -> Option<u16> {
        if self.is_inviting || self.offer.is_own() {
            Some(491)
        } else if self.invited.is_some() || !self.offer.is_none() {
            Some(500)
        } else {
            None
        }
    }

    /// Answers a re-INVITE with what the owner made.
    pub(super) fn answer_change(&mut self, now: Timestamp, next: Offer, sdp: Option<Bytes>) {
        let Some(invited) = self.invited.take() else { return };
        self.settle(sdp.is_some());
        if sdp.is_none() {
            return self.respond(invited.cseq, Response::new(488));
        }
        self.offer = next;
        self.succeed(now, &invited, sdp);
    }

    /// Answers the first INVITE with 200.
    pub(super) fn accept(&mut self, now: Timestamp, sdp: Option<Bytes>) {
        if self.stage != Stage::Early || self.invited.is_none() {
            return;
        }
        if self.reliable.is_busy() || self.offer.cseq_owed().is_some() {
            return self.reliable.hold(sdp);
        }
        let Some(invited) = self.invited.take() else { return };
        let sdp = sdp.filter(|_| self.offer == Offer::Received(Carrier::Invite) || !self.has_agreed);
        self.offer = match (self.offer, &sdp) {
            (Offer::None, Some(_)) => Offer::Sent(Carrier::Success),
            _ => Offer::None,
        };
        self.has_agreed |= self.offer.is_none();
        self.succeed(now, &invited, sdp);
        self.establish();
    }

    /// Refuses the first INVITE.
    pub(super) fn refuse(&mut self, status: u16) {
        if self.stage == Stage::Early
            && let Some(invited) = self.invited.take()
        {
            self.respond(invited.cseq, Response::new(status));
            self.finish();
        }
    }

    /// Takes in an ACK.
    pub(super) fn take_ack(&mut self, cseq: u32, sdp: Option<Bytes>) {
        if self.answer.take_if(|answer| answer.cseq == cseq).is_none() || self.offer != Offer::Sent(Carrier::Success) {
            return;
        }
        match sdp {
            Some(answer) => self.agree(answer),
            None => self.end(End::Unanswerable),
        }
    }

    /// Takes in a response to an INVITE of this end.
    pub(super) fn take_invite_response(&mut self, now: Timestamp, response: Response) {
        match response.status {
            status if !self.is_inviting => self.take_success_again(status),
            ..200 => self.take_progress(response),
            200..300 => self.take_success(now, response),
            _ if self.stage == Stage::Early => self.take_first_refusal(&response),
            _ => {
                self.is_inviting = false;
                self.take_change_refusal(now, Verb::Invite, &response);
            }
        }
    }

    fn take_success(&mut self, now: Timestamp, response: Response) {
        self.is_inviting = false;
        self.timer.accept(now, &response.timer);
        match (self.offer, response.sdp) {
            (Offer::Sent(Carrier::Invite), Some(answer)) => self.agree(answer),
            (Offer::None, Some(offer)) if !self.has_agreed => {
                return self.ask_for_answer(Carrier::Success, offer);
            }
            _ => {}
        }
        self.acknowledge(None);
        if self.offer == Offer::Sent(Carrier::Invite) || !self.has_agreed {
            return self.end(End::Unanswerable);
        }
        self.establish();
    }

    fn take_success_again(&mut self, status: u16) {
        if let Some(sdp) = self.acknowledged.clone().filter(|_| (200..300).contains(&status)) {
            self.outputs.push_back(Output::Acknowledge { sdp });
        }
    }

    fn take_first_refusal(&mut self, response: &Response) {
        self.is_inviting = false;
        if response.status == 422 && self.timer.raise(&response.timer) {
            return self.send_first(self.first_offer.clone());
        }
        self.finish();
        self.outputs.push_back(Output::Refused { status: response.status });
    }

    pub(super) fn acknowledge(&mut self, sdp: Option<Bytes>) {
        self.acknowledged = Some(sdp.clone());
        self.outputs.push_back(Output::Acknowledge { sdp });
    }

    pub(super) fn establish(&mut self) {
        if self.stage == Stage::Early {
            self.stage = Stage::Talking;
            self.outputs.push_back(Output::Established);
        }
    }

    /// Says 200 until it is acknowledged.
    fn succeed(&mut self, now: Timestamp, invited: &Invited, sdp: Option<Bytes>) {
        let timer = self.timer.answer(now, &invited.timer);
        let response = Response { sdp, timer, allows_update: Some(true), ..Response::new(200) };
        self.answer = Some(Unacknowledged::new(now, invited.cseq, response.clone()));
        self.respond(invited.cseq, response);
    }
}
