//! Planted bugs: saboteurs between the world and the machines, one for each invariant, which must be found.

use bytes::Bytes;
use callfield_sip::agent::Output as AgentOutput;
use callfield_sip::switchboard::{Flow, Output, Why};

use crate::ledger::Invariant;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// None: the world is sound.
    None,
    /// A device that lost is not told so.
    SwallowCancel,
    /// A released branch is released again.
    RepeatInvite,
    /// A push goes out after the end.
    WakeAfterEnd,
    /// The ring limit is forgotten.
    LoseRingLimit,
    /// A call gets two rows.
    TwoRows,
    /// The edge is told that a row is durable before it is.
    LieAboutRow,
    /// A phone that answered too late is connected.
    ConnectLoser,
    /// A phone rings twice for a call.
    RingTwice,
    /// A due deadline is not handled.
    SkipTimeout,
    /// A device that talked is not told of the end.
    SwallowBye,
    /// The edge never learns that a row is durable, and does not mind.
    ForgetNothing,
    /// Who was called is not told of the end.
    SwallowFarBye,
}

impl Mutant {
    /// Every planted bug.
    pub const ALL: [Self; 12] = [
        Self::SwallowCancel,
        Self::RepeatInvite,
        Self::WakeAfterEnd,
        Self::LoseRingLimit,
        Self::TwoRows,
        Self::LieAboutRow,
        Self::ConnectLoser,
        Self::RingTwice,
        Self::SkipTimeout,
        Self::SwallowBye,
        Self::ForgetNothing,
        Self::SwallowFarBye,
    ];

    /// The invariant that finds it.
    pub const fn breaks(self) -> Option<Invariant> {
        match self {
            Self::None => None,
            Self::SwallowCancel => Some(Invariant::NoRingAfterEnd),
            Self::RepeatInvite => Some(Invariant::ReleasedOnce),
            Self::WakeAfterEnd => Some(Invariant::NoWakeAfterEnd),
            Self::LoseRingLimit => Some(Invariant::RingLimit),
            Self::SwallowBye | Self::SwallowFarBye => Some(Invariant::NoTalkAfterEnd),
            Self::ForgetNothing => Some(Invariant::ComesToRest),
            Self::TwoRows => Some(Invariant::OneRow),
            Self::LieAboutRow => Some(Invariant::DurableFirst),
            Self::ConnectLoser => Some(Invariant::OneDevice),
            Self::RingTwice => Some(Invariant::RingsOnce),
            Self::SkipTimeout => Some(Invariant::NoPastDeadline),
        }
    }

    /// What becomes of an output of the edge; `wakes` are the pushes so far.
    pub fn edge_output(self, output: Output, wakes: &[Output]) -> Vec<Output> {
        match (self, &output) {
            (Self::SwallowCancel, Output::Transmit { flow: Flow::Stream(_), bytes })
                if bytes.starts_with(b"CANCEL") =>
            {
                Vec::new()
            }
            (Self::SwallowBye, Output::Transmit { flow: Flow::Stream(_), bytes }) if bytes.starts_with(b"BYE") => {
                Vec::new()
            }
            (Self::SwallowFarBye, Output::Transmit { flow: Flow::Udp(_), bytes }) if bytes.starts_with(b"BYE") => {
                Vec::new()
            }
            (Self::RepeatInvite, Output::Transmit { flow, bytes }) if is_invite_to_device(*flow, bytes) => {
                let text = String::from_utf8_lossy(bytes);
                let again = text.replace("branch=z9hG4bK", "branch=z9hG4bKx").replace("Call-ID: ", "Call-ID: x");
                let again = Output::Transmit { flow: *flow, bytes: again.into() };
                vec![output, again]
            }
            (Self::WakeAfterEnd, Output::Persist(facts)) => {
                let call = facts.id;
                let wake = wakes.iter().find(|wake| matches!(wake, Output::Wake(wake) if wake.call == call)).cloned();
                std::iter::once(output).chain(wake).collect()
            }
            (Self::TwoRows, Output::Persist(_)) => vec![output.clone(), output],
            (Self::ConnectLoser, Output::Transmit { flow: flow @ Flow::Stream(_), bytes })
                if bytes.starts_with(b"ACK") =>
            {
                let text = String::from_utf8_lossy(bytes).replace("Reason: ", "X-Reason: ");
                vec![Output::Transmit { flow: *flow, bytes: text.into() }]
            }
            _ => vec![output],
        }
    }

    /// What becomes of an output of an agent.
    pub fn agent_output(self, output: AgentOutput) -> Vec<AgentOutput> {
        match (self, &output) {
            (Self::RingTwice, AgentOutput::Incoming { .. }) => vec![output.clone(), output],
            _ => vec![output],
        }
    }

    /// Whether the edge is left alone with this deadline.
    pub fn hides(self, why: Why) -> bool {
        (self == Self::LoseRingLimit && matches!(why, Why::RingLimit(_)))
            || (self == Self::ForgetNothing && matches!(why, Why::PersistLimit(_)))
    }

    /// Whether there are deadlines that the edge is left alone with.
    pub const fn hides_some(self) -> bool {
        matches!(self, Self::LoseRingLimit | Self::ForgetNothing)
    }
}

fn is_invite_to_device(flow: Flow, bytes: &Bytes) -> bool {
    matches!(flow, Flow::Stream(_)) && bytes.starts_with(b"INVITE")
}
