//! The PBX's side of the world: people who call, wait, and hang up.

use bytes::Bytes;
use callfield_sip::message::{Verdict, parse};
use callfield_sip::switchboard::{Flow, Input};

use super::edge::{COMPANY, summary};
use super::{Event, World};
use crate::pbx::{News, PBX};

impl World {
    pub(super) fn dial(&mut self, caller: usize) {
        let to = if self.random.chance(5) { "0350009999" } else { COMPANY };
        let is_late_offer = self.random.chance(15);
        self.trace.add(self.now, "pbx", &format!("caller {caller} dials"));
        self.pbx.dial(self.now, caller, to, is_late_offer);
        // Some wait longer than any ring limit.
        let patience = if self.random.chance(40) { self.soon(500, 40_000) } else { self.soon(60_000, 300_000) };
        self.schedule.at(patience, Event::CallerGivesUp(caller));
        self.drain_pbx();
    }

    pub(super) fn caller_gives_up(&mut self, caller: usize) {
        self.pbx.give_up(self.now, caller);
        self.drain_pbx();
    }

    pub(super) fn caller_holds(&mut self, caller: usize) {
        self.trace.add(self.now, "pbx", &format!("caller {caller} holds or resumes"));
        self.pbx.caller_holds(self.now, caller);
        self.drain_pbx();
    }

    pub(super) fn caller_hangs_up(&mut self, caller: usize) {
        self.pbx.hang_up(self.now, caller);
        self.drain_pbx();
    }

    pub(super) fn tell_pbx(&mut self, bytes: Bytes) {
        self.pbx.receive(self.now, bytes);
        self.drain_pbx();
    }

    pub(super) fn drain_pbx(&mut self) {
        while let Some(news) = self.pbx.poll_output() {
            match news {
                News::Transmit(bytes) => self.send_to_edge(&bytes),
                News::Answered(caller) => {
                    self.trace.add(self.now, "pbx", &format!("caller {caller} is answered"));
                    let at = self.soon(500, 90_000);
                    self.schedule.at(at, Event::CallerHangsUp(caller));
                    for _ in 0..self.random.below(4) {
                        let at = self.soon(100, 60_000);
                        self.schedule.at(at, Event::CallerHolds(caller));
                    }
                }
                News::Called(callee) => self.callee_is_rung(callee),
                News::Ended(caller, status) => {
                    self.trace.add(self.now, "pbx", &format!("caller {caller} is done {status:?}"));
                }
            }
        }
    }

    fn send_to_edge(&mut self, bytes: &Bytes) {
        if let Verdict::Ok(message) = parse(bytes.clone()) {
            self.trace.add(self.now, "pbx>edge", &summary(&message));
        }
        self.trace.add_bytes(bytes);
        for at in self.weather.datagram(self.now, &mut self.random) {
            let input = Input::Received { flow: Flow::Udp(PBX), bytes: bytes.clone() };
            self.schedule.at(at, Event::Edge(input));
        }
    }
}
