//! How a call ended, in the app's words and in the journal's.

use callfield_domain::{CallId, Direction, Outcome};
use callfield_sip::agent::{EndReason as SipEnd, TransferStep};

use crate::events::{EndReason, Event};

impl From<SipEnd> for EndReason {
    fn from(reason: SipEnd) -> Self {
        match reason {
            SipEnd::AnsweredElsewhere => Self::AnsweredElsewhere,
            SipEnd::Cancelled => Self::Cancelled,
            SipEnd::Over => Self::Over,
            SipEnd::Declined => Self::Declined,
            SipEnd::HungUp => Self::HungUp,
            SipEnd::RemoteHungUp => Self::RemoteHungUp,
            SipEnd::Busy => Self::Busy,
            SipEnd::NoAnswer => Self::NoAnswer,
            SipEnd::Rejected => Self::Rejected,
            SipEnd::Emergency => Self::Emergency,
            SipEnd::Unreachable => Self::Unreachable,
            SipEnd::Failed => Self::Failed,
        }
    }
}

/// What the app hears of a transfer.
pub(super) fn transfer(call: CallId, step: TransferStep) -> Event {
    match step {
        TransferStep::Ringing => Event::TransferRinging { call },
        TransferStep::Done => Event::Transferred { call },
        TransferStep::Failed(reason) => Event::TransferFailed { call, reason: reason.into() },
    }
}

/// The outcome of a call in the journal; the server's word outranks it.
pub(super) const fn outcome(reason: EndReason, direction: Direction, was_established: bool) -> Outcome {
    match direction {
        Direction::Inbound | Direction::Internal => of_inbound(reason, was_established),
        Direction::Outbound if was_established => Outcome::Completed,
        Direction::Outbound => of_unanswered(reason),
    }
}

const fn of_inbound(reason: EndReason, was_established: bool) -> Outcome {
    match reason {
        EndReason::AnsweredElsewhere => Outcome::AnsweredElsewhere,
        EndReason::Cancelled => Outcome::Canceled,
        EndReason::Over => Outcome::NoAnswer,
        EndReason::Declined => Outcome::Rejected,
        EndReason::Unreachable => Outcome::MissedDeviceUnreachable,
        _ if was_established => Outcome::Completed,
        EndReason::HungUp => Outcome::Rejected,
        EndReason::RemoteHungUp => Outcome::Canceled,
        EndReason::Busy => Outcome::Busy,
        EndReason::NoAnswer | EndReason::Rejected | EndReason::Emergency | EndReason::Failed => Outcome::Failed,
    }
}

/// An outbound call that nobody talked on.
const fn of_unanswered(reason: EndReason) -> Outcome {
    match reason {
        EndReason::Declined | EndReason::HungUp => Outcome::Canceled,
        EndReason::Busy => Outcome::Busy,
        EndReason::NoAnswer => Outcome::NoAnswer,
        EndReason::Rejected => Outcome::Rejected,
        EndReason::Emergency => Outcome::Blocked,
        EndReason::AnsweredElsewhere
        | EndReason::Cancelled
        | EndReason::Over
        | EndReason::RemoteHungUp
        | EndReason::Unreachable
        | EndReason::Failed => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_up_decides_whether_a_call_was_cancelled_or_rejected() {
        assert_eq!(outcome(EndReason::HungUp, Direction::Inbound, false), Outcome::Rejected);
        assert_eq!(outcome(EndReason::HungUp, Direction::Outbound, false), Outcome::Canceled);
    }

    #[test]
    fn a_call_that_two_talked_on_is_completed_however_it_ends() {
        for reason in [EndReason::HungUp, EndReason::RemoteHungUp, EndReason::Failed] {
            assert_eq!(outcome(reason, Direction::Inbound, true), Outcome::Completed);
            assert_eq!(outcome(reason, Direction::Outbound, true), Outcome::Completed);
        }
    }

    #[test]
    fn an_outbound_call_says_why_nobody_talked() {
        for (reason, expected) in [
            (EndReason::Busy, Outcome::Busy),
            (EndReason::NoAnswer, Outcome::NoAnswer),
            (EndReason::Rejected, Outcome::Rejected),
            (EndReason::Emergency, Outcome::Blocked),
            (EndReason::Unreachable, Outcome::Failed),
        ] {
            assert_eq!(outcome(reason, Direction::Outbound, false), expected);
        }
    }
}
