//! `Retry-After` (RFC 9110 §10.2.3): how long a push service wants to be left alone.

use std::time::Duration;

use callfield_domain::Timestamp;
use http::HeaderMap;
use http::header::RETRY_AFTER;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The time to wait, said as seconds or as a date; `None` if the header is missing or cannot be read.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(http_date(text)?.since(now))
}

/// An IMF-fixdate, the only form that may be sent: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let day: i64 = parts.next()?.parse().ok()?;
    let month_name = parts.next()?;
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month_name)?).ok()? + 1;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let is_date = (1..=31).contains(&day) && (1970..=9999).contains(&year);
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    if parts.next() != Some("GMT") || parts.next().is_some() || !is_date || !is_time {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp::from_millis(seconds * 1_000))
}

/// Days of the Gregorian calendar, counted in years that begin in March so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, now_s: i64) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers, Timestamp::from_millis(now_s * 1_000))
    }

    #[test]
    fn seconds_are_taken_as_they_are() {
        assert_eq!(parse("120", 0), Some(Duration::from_secs(120)));
        assert_eq!(parse("0", 0), Some(Duration::ZERO));
    }

    #[test]
    fn a_date_is_counted_from_now_and_never_negative() {
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777 - 30), Some(Duration::from_secs(30)));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_778), Some(Duration::ZERO));
        assert_eq!(parse("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800 - 1), Some(Duration::from_secs(1)));
        assert_eq!(parse("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200 - 1), Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_neither_is_ignored() {
        for text in ["soon", "-1", "1.5", "Sun, 06 Nov 1994 08:49:37 JST", "Sun, 99 Nov 1994 08:49:37 GMT", ""] {
            assert_eq!(parse(text, 0), None, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::ZERO), None);
    }
}
