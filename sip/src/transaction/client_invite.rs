//! The client's side of an INVITE (RFC 3261 §17.1.1, RFC 6026 §8.4).

use std::time::Duration;

use super::step::{ClientEvent, Send, Step};
use super::{Ended, GIVE_UP, T1, Why};

/// Timer C, longer than three minutes (RFC 3261 §16.6).
const RINGING_LIMIT: Duration = Duration::from_secs(181);
/// Timer D on datagrams, at least 32 s.
const ABSORB: Duration = Duration::from_secs(32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientInvite {
    state: State,
    is_reliable: bool,
    is_cancelled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Sent; repeated after the interval.
    Calling {
        interval: Duration,
    },
    Proceeding,
    /// Refused, ACK sent.
    Completed,
    /// Answered with 2xx.
    Accepted,
}

impl ClientInvite {
    pub(super) fn new(is_reliable: bool) -> Self {
        Self { state: State::Calling { interval: T1 }, is_reliable, is_cancelled: false }
    }

    pub(super) fn handle(&mut self, event: ClientEvent) -> Step {
        match self.state {
            State::Calling { interval } => self.handle_calling(event, interval),
            State::Proceeding => self.handle_proceeding(event),
            State::Completed if event == ClientEvent::Failure => Step::NOTHING.send(Send::Stored),
            State::Completed if event == ClientEvent::Due(Why::AbsorbRefusals) => Step::ended(Ended::Done),
            State::Accepted if event == ClientEvent::Success => Step::NOTHING.deliver(),
            State::Accepted if event == ClientEvent::Due(Why::DeliverRepeats) => Step::ended(Ended::Done),
            State::Completed | State::Accepted => Step::NOTHING,
        }
    }

    fn handle_calling(&mut self, event: ClientEvent, interval: Duration) -> Step {
        match event {
            ClientEvent::Start => {
                let step = Step::NOTHING.send(Send::Stored).end_in(GIVE_UP, Why::InviteTimeout);
                if self.is_reliable { step } else { step.repeat_in(interval, Why::RepeatInvite) }
            }
            ClientEvent::Due(Why::RepeatInvite) => {
                let interval = interval * 2;
                self.state = State::Calling { interval };
                Step::NOTHING.send(Send::Stored).repeat_in(interval, Why::RepeatInvite)
            }
            ClientEvent::Due(Why::InviteTimeout) => Step::ended(Ended::Timeout),
            ClientEvent::Cancelled => {
                self.is_cancelled = true;
                Step::NOTHING
            }
            ClientEvent::Provisional => {
                self.state = State::Proceeding;
                let step = Step::NOTHING.deliver().stop_repeating();
                if self.is_cancelled { cancel(step) } else { step.end_in(RINGING_LIMIT, Why::RingingTimeout) }
            }
            ClientEvent::Success | ClientEvent::Failure => self.finish(event),
            ClientEvent::Due(_) => Step::NOTHING,
        }
    }

    fn handle_proceeding(&mut self, event: ClientEvent) -> Step {
        match event {
            ClientEvent::Provisional if self.is_cancelled => Step::NOTHING.deliver(),
            ClientEvent::Provisional => Step::NOTHING.deliver().end_in(RINGING_LIMIT, Why::RingingTimeout),
            ClientEvent::Cancelled | ClientEvent::Due(Why::RingingTimeout) if !self.is_cancelled => {
                self.is_cancelled = true;
                cancel(Step::NOTHING)
            }
            ClientEvent::Due(Why::CancelTimeout) => Step::ended(Ended::Timeout),
            ClientEvent::Success | ClientEvent::Failure => self.finish(event),
            ClientEvent::Start | ClientEvent::Cancelled | ClientEvent::Due(_) => Step::NOTHING,
        }
    }

    fn finish(&mut self, event: ClientEvent) -> Step {
        let step = Step::NOTHING.deliver().stop_repeating();
        if event == ClientEvent::Success {
            self.state = State::Accepted;
            return step.end_in(GIVE_UP, Why::DeliverRepeats);
        }
        self.state = State::Completed;
        step.send(Send::Ack).linger(self.is_reliable, ABSORB, Why::AbsorbRefusals)
    }

    /// Whether the answer was a 2xx, so that nothing is left to send.
    pub(super) fn is_accepted(self) -> bool {
        self.state == State::Accepted
    }

    /// Whether no final answer came yet.
    pub(super) fn is_pending(self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding)
    }
}

/// CANCEL goes out; the final answer must come within 64·T1.
fn cancel(step: Step) -> Step {
    step.send(Send::Cancel).end_in(GIVE_UP, Why::CancelTimeout)
}

#[cfg(test)]
mod tests {
    use super::super::step::Clock;
    use super::*;

    fn seconds(step: Step) -> f64 {
        let Clock::In(delay, Why::RepeatInvite) = step.repeat else { panic!("{step:?}") };
        delay.as_secs_f64()
    }

    #[test]
    fn a_repeated_invite_doubles_its_interval() {
        let mut machine = ClientInvite::new(false);
        assert!((seconds(machine.handle(ClientEvent::Start)) - 0.5).abs() < 1e-9);
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0] {
            let step = machine.handle(ClientEvent::Due(Why::RepeatInvite));
            assert!((seconds(step) - expected).abs() < 1e-9);
            assert_eq!(step.send, Send::Stored);
        }
        assert_eq!(machine.handle(ClientEvent::Due(Why::InviteTimeout)).ended, Some(Ended::Timeout));
    }

    #[test]
    fn cancel_waits_for_a_provisional_answer() {
        let mut machine = ClientInvite::new(false);
        machine.handle(ClientEvent::Start);
        assert_eq!(machine.handle(ClientEvent::Cancelled), Step::NOTHING);
        let step = machine.handle(ClientEvent::Provisional);
        assert_eq!(step.send, Send::Cancel);
        assert_eq!(machine.handle(ClientEvent::Cancelled), Step::NOTHING);
        assert_eq!(machine.handle(ClientEvent::Failure).send, Send::Ack);
        assert_eq!(machine.handle(ClientEvent::Failure), Step::NOTHING.send(Send::Stored));
    }

    #[test]
    fn three_minutes_of_ringing_cancel_themselves() {
        let mut machine = ClientInvite::new(true);
        machine.handle(ClientEvent::Start);
        machine.handle(ClientEvent::Provisional);
        assert_eq!(machine.handle(ClientEvent::Due(Why::RingingTimeout)).send, Send::Cancel);
        assert_eq!(machine.handle(ClientEvent::Due(Why::CancelTimeout)).ended, Some(Ended::Timeout));
    }

    #[test]
    fn each_repeated_2xx_is_delivered() {
        let mut machine = ClientInvite::new(true);
        machine.handle(ClientEvent::Start);
        assert!(machine.handle(ClientEvent::Success).deliver);
        assert!(machine.handle(ClientEvent::Success).deliver);
        assert!(!machine.handle(ClientEvent::Failure).deliver);
        assert_eq!(machine.handle(ClientEvent::Due(Why::DeliverRepeats)).ended, Some(Ended::Done));
    }

    #[test]
    fn a_refusal_ends_at_once_on_a_connection() {
        let mut machine = ClientInvite::new(true);
        machine.handle(ClientEvent::Start);
        let step = machine.handle(ClientEvent::Failure);
        assert_eq!((step.send, step.ended), (Send::Ack, Some(Ended::Done)));
    }
}
