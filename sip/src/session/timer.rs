//! Session timers (RFC 4028): how long a session lives, who refreshes it, when it is given up.

use std::time::Duration;

use callfield_domain::Timestamp;

use super::{TimerWords, Why};
use crate::message::{Refresher, SessionExpires};

/// The shortest session that anybody may ask for (§4).
pub const MIN_S: u32 = 90;

/// What this end wants of session timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerSettings {
    /// The interval this end asks for; `None` if it only takes part in what the other end asks for.
    pub interval_s: Option<u32>,
    /// The shortest interval it takes; never under 90 s.
    pub min_s: u32,
}

impl Default for TimerSettings {
    fn default() -> Self {
        Self { interval_s: None, min_s: MIN_S }
    }
}

/// The timer of one session.
#[derive(Debug, Clone)]
pub struct SessionTimer {
    settings: TimerSettings,
    /// The longest Min-SE that was heard of or is our own.
    min_s: u32,
    agreed: Option<Agreed>,
}

#[derive(Debug, Clone, Copy)]
struct Agreed {
    interval_s: u32,
    is_refresher: bool,
    since: Timestamp,
    is_refreshing: bool,
    /// Whether the other end takes no part: that it answers at all proves that it is there.
    is_own: bool,
}

impl Agreed {
    fn refresh_at(&self) -> Timestamp {
        self.since + Duration::from_secs(u64::from(self.interval_s / 2))
    }

    /// A little before the end, so that the BYE of this end is not taken for the other's fault (§10).
    fn ends_at(&self) -> Timestamp {
        let margin_s = (self.interval_s / 3).min(32);
        self.since + Duration::from_secs(u64::from(self.interval_s - margin_s))
    }
}

impl SessionTimer {
    /// A timer that nobody has asked for yet.
    pub fn new(settings: TimerSettings) -> Self {
        Self { settings, min_s: settings.min_s.max(MIN_S), agreed: None }
    }

    /// What the next INVITE or UPDATE of this end says (§7.1, §7.4): the roles stay as they are.
    pub fn ask(&self) -> TimerWords {
        let refresher = self.agreed.map(|agreed| if agreed.is_refresher { Refresher::Uac } else { Refresher::Uas });
        let wanted = self.agreed.map(|agreed| agreed.interval_s).or(self.settings.interval_s);
        let expires = wanted.map(|seconds| SessionExpires { seconds: seconds.max(self.min_s), refresher });
        let min_s = Some(self.min_s).filter(|min_s| *min_s > MIN_S && expires.is_some());
        TimerWords { expires, min_s, is_supported: true }
    }

    /// Whether a request of the other end asks for a session that is long enough.
    ///
    /// # Errors
    /// The Min-SE of the 422 that it gets (§9); who does not know what 422 means gets none.
    pub fn judge(&self, words: &TimerWords) -> Result<(), u32> {
        let is_short = words.expires.is_some_and(|expires| expires.seconds < self.min_s);
        if is_short && words.is_supported { Err(self.min_s) } else { Ok(()) }
    }

    /// Takes in a request that gets a 2xx; what the 2xx says (§9, table 2).
    pub fn answer(&mut self, now: Timestamp, words: &TimerWords) -> TimerWords {
        let floor_s = words.min_s.unwrap_or(MIN_S).max(self.min_s);
        let seconds = match (words.expires, self.settings.interval_s) {
            (Some(asked), Some(wanted)) => asked.seconds.min(wanted.max(floor_s)).max(MIN_S),
            (Some(asked), None) => asked.seconds.max(MIN_S),
            (None, Some(wanted)) => wanted.max(floor_s),
            (None, None) => {
                self.agreed = None;
                return TimerWords { is_supported: true, ..TimerWords::default() };
            }
        };
        let named = words.expires.and_then(|expires| expires.refresher);
        let refresher = if words.is_supported { named.unwrap_or(Refresher::Uac) } else { Refresher::Uas };
        self.agree(now, seconds, refresher == Refresher::Uas, !words.is_supported);
        TimerWords {
            expires: Some(SessionExpires { seconds, refresher: Some(refresher) }),
            min_s: None,
            is_supported: true,
        }
    }

    /// Takes in a 2xx to a request of this end (§7.2).
    pub fn accept(&mut self, now: Timestamp, words: &TimerWords) {
        match (words.expires, self.settings.interval_s) {
            (Some(expires), _) => {
                self.agree(now, expires.seconds.max(MIN_S), expires.refresher != Some(Refresher::Uas), false);
            }
            // The other end takes no part; this one refreshes by itself (§4).
            (None, Some(wanted)) => self.agree(now, wanted.max(self.min_s), true, true),
            (None, None) => self.agreed = None,
        }
    }

    /// Takes in a 422; whether asking again makes sense.
    pub fn raise(&mut self, words: &TimerWords) -> bool {
        let Some(min_s) = words.min_s.filter(|min_s| *min_s > self.min_s) else { return false };
        self.min_s = min_s;
        if let Some(agreed) = &mut self.agreed {
            agreed.interval_s = agreed.interval_s.max(min_s);
        }
        true
    }

    /// Notes that a refresh of this end was refused: who takes no part in timers has answered, so it is there.
    pub fn note_refused(&mut self, now: Timestamp) {
        if let Some(agreed) = self.agreed.as_mut().filter(|agreed| agreed.is_own) {
            (agreed.since, agreed.is_refreshing) = (now, false);
        }
    }

    /// Whether a refresh by this end is due; true once.
    pub fn take_refresh(&mut self, now: Timestamp) -> bool {
        let due = self.agreed.as_mut().filter(|agreed| agreed.is_refresher && agreed.refresh_at() <= now);
        due.is_some_and(|agreed| !std::mem::replace(&mut agreed.is_refreshing, true))
    }

    /// Whether the session has run out.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.agreed.is_some_and(|agreed| agreed.ends_at() <= now)
    }

    /// The earliest deadline, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        let agreed = self.agreed?;
        if agreed.is_refresher && !agreed.is_refreshing {
            return Some((agreed.refresh_at(), Why::Refresh));
        }
        Some((agreed.ends_at(), Why::Expiry))
    }

    fn agree(&mut self, now: Timestamp, interval_s: u32, is_refresher: bool, is_own: bool) {
        self.agreed = Some(Agreed { interval_s, is_refresher, since: now, is_refreshing: false, is_own });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::ZERO;

    fn timer(interval_s: Option<u32>, min_s: u32) -> SessionTimer {
        SessionTimer::new(TimerSettings { interval_s, min_s })
    }

    fn words(seconds: u32, refresher: Option<Refresher>, is_supported: bool) -> TimerWords {
        TimerWords { expires: Some(SessionExpires { seconds, refresher }), min_s: None, is_supported }
    }

    fn said(words: TimerWords) -> String {
        words.expires.map(|expires| expires.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_second_table_of_rfc_4028_decides_who_refreshes() {
        let answer =
            |refresher, is_supported| said(timer(None, 90).answer(NOW, &words(1_800, refresher, is_supported)));
        assert_eq!(answer(None, false), "1800;refresher=uas");
        assert_eq!(answer(None, true), "1800;refresher=uac");
        assert_eq!(answer(Some(Refresher::Uac), true), "1800;refresher=uac");
        assert_eq!(answer(Some(Refresher::Uas), true), "1800;refresher=uas");
        assert_eq!(said(timer(Some(600), 90).answer(NOW, &TimerWords::default())), "600;refresher=uas");
        assert_eq!(said(timer(None, 90).answer(NOW, &TimerWords::default())), "");
    }

    #[test]
    fn an_interval_is_lowered_but_never_below_what_either_end_takes() {
        let asked = TimerWords { min_s: Some(500), ..words(1_800, None, true) };
        assert_eq!(said(timer(Some(600), 90).answer(NOW, &asked)), "600;refresher=uac");
        assert_eq!(said(timer(Some(300), 90).answer(NOW, &asked)), "500;refresher=uac");
        assert_eq!(said(timer(Some(3_600), 90).answer(NOW, &asked)), "1800;refresher=uac");
    }

    #[test]
    fn who_asks_for_too_little_is_told_and_asks_for_more() {
        let strict = timer(None, 300);
        assert_eq!(strict.judge(&words(120, None, true)), Err(300));
        assert_eq!(strict.judge(&words(120, None, false)), Ok(()));
        assert_eq!(strict.judge(&words(300, None, true)), Ok(()));
        let mut eager = timer(Some(120), 90);
        let refusal = TimerWords { min_s: Some(300), ..TimerWords::default() };
        assert!(eager.raise(&refusal));
        assert_eq!((said(eager.ask()).as_str(), eager.ask().min_s), ("300", Some(300)));
        assert!(!eager.raise(&refusal), "the same 422 again would go on for ever");
    }

    #[test]
    fn a_refresher_refreshes_at_half_time_and_both_give_up_a_little_early() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let mut own = timer(None, 90);
        own.accept(NOW, &words(1_800, Some(Refresher::Uac), true));
        assert_eq!(own.poll_timeout(), Some((at(900), Why::Refresh)));
        assert!(!own.take_refresh(at(899)) && own.take_refresh(at(900)) && !own.take_refresh(at(901)));
        assert_eq!(own.poll_timeout(), Some((at(1_768), Why::Expiry)));
        assert_eq!(said(own.ask()), "1800;refresher=uac");
        let mut other = timer(None, 90);
        other.accept(NOW, &words(90, Some(Refresher::Uas), true));
        assert_eq!(other.poll_timeout(), Some((at(60), Why::Expiry)));
        assert!(!other.has_expired(at(59)) && other.has_expired(at(60)));
        other.accept(at(30), &TimerWords::default());
        assert_eq!(other.poll_timeout(), None);
    }

    #[test]
    fn who_takes_no_part_is_asked_by_this_end_and_any_answer_will_do() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let mut own = timer(Some(1_800), 90);
        own.accept(NOW, &TimerWords::default());
        assert_eq!(own.poll_timeout(), Some((at(900), Why::Refresh)));
        assert!(own.take_refresh(at(900)));
        own.note_refused(at(901));
        assert_eq!(own.poll_timeout(), Some((at(1_801), Why::Refresh)));
        let mut shared = timer(Some(1_800), 90);
        shared.accept(NOW, &words(1_800, Some(Refresher::Uac), true));
        assert!(shared.take_refresh(at(900)));
        shared.note_refused(at(901));
        assert_eq!(shared.poll_timeout(), Some((at(1_768), Why::Expiry)), "who takes part has to agree");
    }
}
