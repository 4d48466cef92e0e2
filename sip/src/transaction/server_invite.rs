//! The server's side of an INVITE (RFC 3261 §17.2.1, RFC 6026 §8.7).

use std::time::Duration;

use super::step::{Send, ServerEvent, Step};
use super::{Ended, GIVE_UP, T1, T2, T4, Why};

/// How long the user may take before 100 is sent for it.
const TRYING_AFTER: Duration = Duration::from_millis(200);
/// How long the user may take for a final answer: more than any ring limit.
const USER_LIMIT: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServerInvite {
    state: State,
    is_reliable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was sent, not even 100.
    Silent,
    Proceeding,
    /// Refused; repeated after the interval until ACK.
    Completed {
        interval: Duration,
    },
    Confirmed,
    /// Answered with 2xx.
    Accepted,
}

impl ServerInvite {
    pub(super) fn new(is_reliable: bool) -> Self {
        Self { state: State::Silent, is_reliable }
    }

    pub(super) fn handle(&mut self, event: ServerEvent) -> Step {
        match self.state {
            State::Silent | State::Proceeding => self.handle_pending(event),
            State::Completed { interval } => self.handle_completed(event, interval),
            State::Confirmed if event == ServerEvent::Due(Why::AbsorbAcks) => Step::ended(Ended::Done),
            State::Accepted if event == ServerEvent::Success => Step::NOTHING.send(Send::Stored),
            State::Accepted if event == ServerEvent::Ack => Step::NOTHING.deliver(),
            State::Accepted if event == ServerEvent::Due(Why::AbsorbInvites) => Step::ended(Ended::Done),
            State::Confirmed | State::Accepted => Step::NOTHING,
        }
    }

    fn handle_pending(&mut self, event: ServerEvent) -> Step {
        match event {
            ServerEvent::Start => {
                let step = Step::NOTHING.deliver().repeat_in(TRYING_AFTER, Why::SendTrying);
                step.end_in(USER_LIMIT, Why::UserTimeout)
            }
            ServerEvent::Due(Why::UserTimeout) => Step::ended(Ended::Timeout),
            ServerEvent::Again if self.state == State::Proceeding => Step::NOTHING.send(Send::Stored),
            ServerEvent::Again | ServerEvent::Due(Why::SendTrying) if self.state == State::Silent => {
                self.state = State::Proceeding;
                Step::NOTHING.send(Send::Trying).stop_repeating()
            }
            ServerEvent::Provisional => {
                self.state = State::Proceeding;
                Step::NOTHING.send(Send::Stored).stop_repeating()
            }
            ServerEvent::Success => {
                self.state = State::Accepted;
                Step::NOTHING.send(Send::Stored).stop_repeating().end_in(GIVE_UP, Why::AbsorbInvites)
            }
            ServerEvent::Failure => {
                self.state = State::Completed { interval: T1 };
                let step = Step::NOTHING.send(Send::Stored).end_in(GIVE_UP, Why::AckTimeout);
                if self.is_reliable { step.stop_repeating() } else { step.repeat_in(T1, Why::RepeatRefusal) }
            }
            ServerEvent::Again | ServerEvent::Ack | ServerEvent::Due(_) => Step::NOTHING,
        }
    }

    fn handle_completed(&mut self, event: ServerEvent, interval: Duration) -> Step {
        match event {
            ServerEvent::Again => Step::NOTHING.send(Send::Stored),
            ServerEvent::Due(Why::RepeatRefusal) => {
                let interval = T2.min(interval * 2);
                self.state = State::Completed { interval };
                Step::NOTHING.send(Send::Stored).repeat_in(interval, Why::RepeatRefusal)
            }
            ServerEvent::Due(Why::AckTimeout) => Step::ended(Ended::NoAck),
            ServerEvent::Ack => {
                self.state = State::Confirmed;
                Step::NOTHING.stop_repeating().linger(self.is_reliable, T4, Why::AbsorbAcks)
            }
            ServerEvent::Start
            | ServerEvent::Provisional
            | ServerEvent::Success
            | ServerEvent::Failure
            | ServerEvent::Due(_) => Step::NOTHING,
        }
    }

    /// Whether the user has not given a final answer yet.
    pub(super) fn is_pending(self) -> bool {
        matches!(self.state, State::Silent | State::Proceeding)
    }

    /// Whether an answer of the user in this class would be sent.
    pub(super) fn takes(self, event: ServerEvent) -> bool {
        self.is_pending() || (self.state == State::Accepted && event == ServerEvent::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trying_is_sent_when_the_user_is_slow_or_the_caller_asks_again() {
        let mut machine = ServerInvite::new(false);
        machine.handle(ServerEvent::Start);
        assert_eq!(machine.handle(ServerEvent::Again).send, Send::Trying);
        assert_eq!(machine.handle(ServerEvent::Again).send, Send::Stored);
        let mut machine = ServerInvite::new(false);
        machine.handle(ServerEvent::Start);
        assert_eq!(machine.handle(ServerEvent::Due(Why::SendTrying)).send, Send::Trying);
    }

    #[test]
    fn a_refusal_is_repeated_until_ack() {
        let mut machine = ServerInvite::new(false);
        machine.handle(ServerEvent::Start);
        assert_eq!(machine.handle(ServerEvent::Failure).send, Send::Stored);
        let step = machine.handle(ServerEvent::Due(Why::RepeatRefusal));
        assert_eq!(step, Step::NOTHING.send(Send::Stored).repeat_in(T1 * 2, Why::RepeatRefusal));
        let step = machine.handle(ServerEvent::Ack);
        assert_eq!(step, Step::NOTHING.stop_repeating().end_in(T4, Why::AbsorbAcks));
        assert_eq!(machine.handle(ServerEvent::Ack), Step::NOTHING);
        assert_eq!(machine.handle(ServerEvent::Due(Why::AbsorbAcks)).ended, Some(Ended::Done));
    }

    #[test]
    fn a_refusal_without_ack_ends_as_such() {
        let mut machine = ServerInvite::new(true);
        machine.handle(ServerEvent::Start);
        machine.handle(ServerEvent::Failure);
        assert_eq!(machine.handle(ServerEvent::Due(Why::AckTimeout)).ended, Some(Ended::NoAck));
    }

    #[test]
    fn behind_a_2xx_invites_are_absorbed_and_acks_delivered() {
        let mut machine = ServerInvite::new(false);
        machine.handle(ServerEvent::Start);
        machine.handle(ServerEvent::Success);
        assert_eq!(machine.handle(ServerEvent::Again), Step::NOTHING);
        assert!(machine.handle(ServerEvent::Ack).deliver);
        assert_eq!(machine.handle(ServerEvent::Success).send, Send::Stored);
        assert!(!machine.takes(ServerEvent::Failure));
    }
}
