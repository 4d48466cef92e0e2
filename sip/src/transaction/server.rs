//! The server's side of any request but INVITE (RFC 3261 §17.2.2).

use super::step::{Send, ServerEvent, Step};
use super::{Ended, GIVE_UP, Why};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    state: State,
    is_reliable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
}

impl Server {
    pub(super) fn new(is_reliable: bool) -> Self {
        Self { state: State::Trying, is_reliable }
    }

    pub(super) fn handle(&mut self, event: ServerEvent) -> Step {
        match event {
            ServerEvent::Start => Step::NOTHING.deliver().end_in(GIVE_UP * 2, Why::UserTimeout),
            ServerEvent::Again if self.state != State::Trying => Step::NOTHING.send(Send::Stored),
            ServerEvent::Provisional if self.is_pending() => {
                self.state = State::Proceeding;
                Step::NOTHING.send(Send::Stored)
            }
            ServerEvent::Success | ServerEvent::Failure if self.is_pending() => {
                self.state = State::Completed;
                Step::NOTHING.send(Send::Stored).linger(self.is_reliable, GIVE_UP, Why::AnswerRepeats)
            }
            ServerEvent::Due(Why::AnswerRepeats) => Step::ended(Ended::Done),
            ServerEvent::Due(Why::UserTimeout) if self.is_pending() => Step::ended(Ended::Timeout),
            ServerEvent::Again
            | ServerEvent::Provisional
            | ServerEvent::Success
            | ServerEvent::Failure
            | ServerEvent::Ack
            | ServerEvent::Due(_) => Step::NOTHING,
        }
    }

    /// Whether the user has not given a final answer yet.
    pub(super) fn is_pending(self) -> bool {
        self.state != State::Completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_request_gets_the_last_answer_again() {
        let mut machine = Server::new(false);
        assert!(machine.handle(ServerEvent::Start).deliver);
        assert_eq!(machine.handle(ServerEvent::Again), Step::NOTHING);
        machine.handle(ServerEvent::Provisional);
        assert_eq!(machine.handle(ServerEvent::Again).send, Send::Stored);
        machine.handle(ServerEvent::Success);
        assert_eq!(machine.handle(ServerEvent::Again).send, Send::Stored);
        assert_eq!(machine.handle(ServerEvent::Failure), Step::NOTHING);
        assert_eq!(machine.handle(ServerEvent::Due(Why::AnswerRepeats)).ended, Some(Ended::Done));
    }

    #[test]
    fn a_request_that_nobody_answers_does_not_live_for_ever() {
        let mut machine = Server::new(true);
        machine.handle(ServerEvent::Start);
        assert_eq!(machine.handle(ServerEvent::Due(Why::UserTimeout)).ended, Some(Ended::Timeout));
    }
}
