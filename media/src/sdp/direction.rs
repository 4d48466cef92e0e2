//! Which way media flows (RFC 3264 §5.1, RFC 8866 §6.7).

/// Which way media flows, seen from the side that states it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendReceive,
    /// From this side only: it holds the other one.
    SendOnly,
    /// To this side only: it is held.
    ReceiveOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The direction that sends and receives as told.
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendReceive,
            (true, false) => Self::SendOnly,
            (false, true) => Self::ReceiveOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// True when the side that states it may send.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendReceive | Self::SendOnly)
    }

    /// True when the side that states it wants to receive.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendReceive | Self::ReceiveOnly)
    }

    /// The same flow seen from the other side.
    pub const fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// What both allow.
    pub const fn and(self, other: Self) -> Self {
        Self::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendReceive => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::ReceiveOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::SendReceive, Self::SendOnly, Self::ReceiveOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversing_swaps_the_one_way_directions() {
        assert_eq!(Direction::SendOnly.reversed(), Direction::ReceiveOnly);
        assert_eq!(Direction::SendReceive.reversed(), Direction::SendReceive);
        assert_eq!(Direction::SendOnly.and(Direction::ReceiveOnly), Direction::Inactive);
    }
}
