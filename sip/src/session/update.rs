//! UPDATE (RFC 3311), with an offer or only to keep the session alive.

use bytes::Bytes;
use callfield_domain::Timestamp;

use super::offer::{Carrier, Offer};
use super::{Request, Response, Session, Stage, TimerWords, Verb};

impl Session {
    /// Takes in an UPDATE of the other end.
    pub(super) fn take_update(&mut self, now: Timestamp, cseq: u32, request: Request) {
        if self.stage == Stage::Fresh {
            return self.respond(cseq, Response::new(481));
        }
        if let Offer::Received(Carrier::Update(_)) = self.offer {
            return self.refuse_crossing(cseq, 500);
        }
        if let Err(min_s) = self.timer.judge(&request.timer) {
            let timer = TimerWords { min_s: Some(min_s), is_supported: true, expires: None };
            return self.respond(cseq, Response { timer, ..Response::new(422) });
        }
        match request.sdp {
            None => {
                let timer = self.timer.answer(now, &request.timer);
                self.respond(cseq, Response { timer, ..Response::new(200) });
            }
            Some(offer) => {
                if self.admits_offer(cseq) {
                    self.update_timer = request.timer;
                    self.ask_for_answer(Carrier::Update(cseq), offer);
                }
            }
        }
    }

    /// Answers an UPDATE with what the owner made.
    pub(super) fn answer_update(&mut self, now: Timestamp, cseq: u32, sdp: Option<Bytes>) {
        self.settle(sdp.is_some());
        if sdp.is_none() {
            self.respond(cseq, Response::new(488));
        } else {
            let timer = self.timer.answer(now, &self.update_timer.clone());
            self.respond(cseq, Response { sdp, timer, ..Response::new(200) });
        }
        self.release(now);
    }

    /// Takes in a response to an UPDATE of this end.
    pub(super) fn take_update_response(&mut self, now: Timestamp, response: Response) {
        if !self.is_updating || response.status < 200 {
            return;
        }
        self.is_updating = false;
        if response.status >= 300 {
            return self.take_change_refusal(now, Verb::Update, &response);
        }
        self.timer.accept(now, &response.timer);
        if self.offer == Offer::Sent(Carrier::Update(0)) {
            match response.sdp {
                Some(answer) => self.agree(answer),
                None => self.keep(response.status),
            }
        }
    }
}
