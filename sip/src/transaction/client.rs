//! The client's side of any request but INVITE (RFC 3261 §17.1.2).

use std::time::Duration;

use super::step::{ClientEvent, Send, Step};
use super::{Ended, GIVE_UP, T1, T2, T4, Why};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    state: State,
    is_reliable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Sent; repeated after the interval.
    Trying {
        interval: Duration,
    },
    /// A provisional answer came; repeated every T2.
    Proceeding,
    Completed,
}

impl Client {
    pub(super) fn new(is_reliable: bool) -> Self {
        Self { state: State::Trying { interval: T1 }, is_reliable }
    }

    pub(super) fn handle(&mut self, event: ClientEvent) -> Step {
        match self.state {
            State::Completed if event == ClientEvent::Due(Why::AbsorbAnswers) => Step::ended(Ended::Done),
            State::Completed => Step::NOTHING,
            State::Trying { .. } | State::Proceeding => self.handle_pending(event),
        }
    }

    fn handle_pending(&mut self, event: ClientEvent) -> Step {
        match event {
            ClientEvent::Start => {
                let step = Step::NOTHING.send(Send::Stored).end_in(GIVE_UP, Why::RequestTimeout);
                if self.is_reliable { step } else { step.repeat_in(T1, Why::RepeatRequest) }
            }
            ClientEvent::Due(Why::RepeatRequest) => {
                Step::NOTHING.send(Send::Stored).repeat_in(self.next_interval(), Why::RepeatRequest)
            }
            ClientEvent::Due(Why::RequestTimeout) => Step::ended(Ended::Timeout),
            ClientEvent::Provisional => {
                self.state = State::Proceeding;
                Step::NOTHING.deliver()
            }
            ClientEvent::Success | ClientEvent::Failure => {
                self.state = State::Completed;
                Step::NOTHING.deliver().stop_repeating().linger(self.is_reliable, T4, Why::AbsorbAnswers)
            }
            ClientEvent::Cancelled | ClientEvent::Due(_) => Step::NOTHING,
        }
    }

    /// Whether no final answer came yet.
    pub(super) fn is_pending(self) -> bool {
        self.state != State::Completed
    }

    fn next_interval(&mut self) -> Duration {
        let State::Trying { interval } = self.state else { return T2 };
        let interval = T2.min(interval * 2);
        self.state = State::Trying { interval };
        interval
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::Clock;
    use super::*;

    #[test]
    fn a_repeated_request_slows_down_to_t2() {
        let mut machine = Client::new(false);
        machine.handle(ClientEvent::Start);
        let mut intervals = Vec::new();
        for _ in 0..5 {
            let step = machine.handle(ClientEvent::Due(Why::RepeatRequest));
            let Clock::In(delay, Why::RepeatRequest) = step.repeat else { panic!("{step:?}") };
            intervals.push(delay.as_millis());
        }
        assert_eq!(intervals, [1000, 2000, 4000, 4000, 4000]);
        assert_eq!(machine.handle(ClientEvent::Due(Why::RequestTimeout)).ended, Some(Ended::Timeout));
    }

    #[test]
    fn after_a_provisional_answer_it_repeats_every_t2() {
        let mut machine = Client::new(false);
        machine.handle(ClientEvent::Start);
        assert!(machine.handle(ClientEvent::Provisional).deliver);
        assert_eq!(
            machine.handle(ClientEvent::Due(Why::RepeatRequest)),
            Step::NOTHING.send(Send::Stored).repeat_in(T2, Why::RepeatRequest)
        );
    }

    #[test]
    fn a_repeated_answer_is_not_delivered_twice() {
        let mut machine = Client::new(false);
        machine.handle(ClientEvent::Start);
        assert!(machine.handle(ClientEvent::Failure).deliver);
        assert_eq!(machine.handle(ClientEvent::Failure), Step::NOTHING);
        assert_eq!(machine.handle(ClientEvent::Due(Why::AbsorbAnswers)).ended, Some(Ended::Done));
    }
}
