//! The phone's one connection: wanted or not, opening, open, or waiting for the next try.

use std::time::Duration;

use callfield_domain::{Random, Timestamp};

use super::Why;

/// How long opening a connection may take: a lost SYN would hang for two minutes.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long an open connection may be silent before a keep-alive is sent (RFC 5626 §4.4.1).
const SILENCE_LIMIT: Duration = Duration::from_secs(25);
/// How long the edge may take for any answer before the connection counts as dead.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The first pause before another try; each failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What the line wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Open a connection in place of any other.
    Connect,
    /// Send a keep-alive.
    Ping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Opening { until: Timestamp },
    Open { ping_at: Timestamp, answer_by: Option<Timestamp> },
    Pausing { until: Timestamp },
}

/// The phone's one connection.
#[derive(Debug)]
pub(super) struct Line {
    state: State,
    failures: u32,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { state: State::Closed, failures: 0 }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Opens the line if it is closed; ends a pause, since somebody waits.
    pub(super) fn want(&mut self, now: Timestamp) -> Option<Wish> {
        match self.state {
            State::Closed | State::Pausing { .. } => Some(self.open(now)),
            State::Opening { .. } | State::Open { .. } => None,
        }
    }

    /// Opens a new connection whatever there is: the network is another.
    pub(super) fn restart(&mut self, now: Timestamp) -> Wish {
        self.failures = 0;
        self.open(now)
    }

    pub(super) fn note_connected(&mut self, now: Timestamp) -> bool {
        let was_opening = matches!(self.state, State::Opening { .. });
        if was_opening {
            self.state = State::Open { ping_at: now + SILENCE_LIMIT, answer_by: None };
        }
        was_opening
    }

    /// Notes that the edge spoke: the connection lives.
    pub(super) fn note_heard(&mut self, now: Timestamp) {
        if let State::Open { ping_at, answer_by } = &mut self.state {
            *ping_at = now + SILENCE_LIMIT;
            *answer_by = None;
        }
    }

    /// Notes that something was sent that the edge must answer.
    pub(super) fn note_asked(&mut self, now: Timestamp) {
        if let State::Open { answer_by, .. } = &mut self.state {
            answer_by.get_or_insert(now + ANSWER_LIMIT);
        }
    }

    /// Notes that all is well: the next failure starts with the shortest pause.
    pub(super) const fn note_success(&mut self) {
        self.failures = 0;
    }

    /// Ends the connection for now and pauses; returns when it is tried again.
    pub(super) fn fail(&mut self, now: Timestamp, random: &mut Random) -> Timestamp {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Half of the pause is jitter, so that ten thousand phones do not come back at once.
        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(0);
        let until = now + Duration::from_millis(half + random.below(half + 1));
        self.state = State::Pausing { until };
        until
    }

    pub(super) const fn close(&mut self) {
        self.state = State::Closed;
        self.failures = 0;
    }

    /// Does what is due; `None` when nothing is.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) -> Option<Due> {
        match &mut self.state {
            State::Opening { until } if *until <= now => Some(Due::Failed),
            State::Open { answer_by: Some(by), .. } if *by <= now => Some(Due::Failed),
            State::Open { ping_at, answer_by } if *ping_at <= now => {
                *ping_at = now + SILENCE_LIMIT;
                answer_by.get_or_insert(now + ANSWER_LIMIT);
                Some(Due::Wish(Wish::Ping))
            }
            State::Pausing { until } if *until <= now => Some(Due::Wish(self.open(now))),
            State::Closed | State::Opening { .. } | State::Open { .. } | State::Pausing { .. } => None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        match self.state {
            State::Closed => None,
            State::Opening { until } => Some((until, Why::ConnectLimit)),
            State::Open { answer_by: Some(by), ping_at } if by <= ping_at => Some((by, Why::Unanswered)),
            State::Open { ping_at, .. } => Some((ping_at, Why::KeepAlive)),
            State::Pausing { until } => Some((until, Why::Retry)),
        }
    }

    fn open(&mut self, now: Timestamp) -> Wish {
        self.state = State::Opening { until: now + CONNECT_LIMIT };
        Wish::Connect
    }
}

/// What a deadline of the line brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Something to do.
    Wish(Wish),
    /// The connection is dead or was never opened.
    Failed,
}

#[cfg(test)]
mod tests {
    use callfield_domain::Seed;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_connection_that_does_not_open_in_five_seconds_failed() {
        let mut line = Line::new();
        assert_eq!(line.want(at(0)), Some(Wish::Connect));
        assert_eq!(line.want(at(1)), None);
        assert_eq!(line.poll_timeout(), Some((at(5_000), Why::ConnectLimit)));
        assert_eq!(line.handle_timeout(at(5_000)), Some(Due::Failed));
    }

    #[test]
    fn a_connection_that_leaves_a_keep_alive_unanswered_failed() {
        let mut line = Line::new();
        line.want(at(0));
        assert!(line.note_connected(at(100)));
        assert_eq!(line.handle_timeout(at(25_100)), Some(Due::Wish(Wish::Ping)));
        assert_eq!(line.poll_timeout(), Some((at(30_100), Why::Unanswered)));
        line.note_heard(at(25_200));
        assert_eq!(line.poll_timeout(), Some((at(50_200), Why::KeepAlive)));
    }

    #[test]
    fn pauses_grow_to_a_minute_and_never_beyond() {
        let (mut line, mut random) = (Line::new(), Random::new(Seed::from_number(1)));
        let pauses: Vec<i64> = (0..12).map(|_| line.fail(at(0), &mut random).as_millis()).collect();
        assert!((250..=500).contains(&pauses[0]));
        assert!((500..=1_000).contains(&pauses[1]));
        assert!(pauses[11] >= 30_000 && pauses.iter().all(|pause| *pause <= 60_000));
    }

    #[test]
    fn who_is_wanted_does_not_wait_out_the_pause() {
        let (mut line, mut random) = (Line::new(), Random::new(Seed::from_number(1)));
        line.fail(at(0), &mut random);
        assert_eq!(line.want(at(1)), Some(Wish::Connect));
    }
}
