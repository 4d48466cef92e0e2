//! Headers of sessions and transfers: timers (RFC 4028), reliable answers (RFC 3262), Refer-To (RFC 3515), Replaces (RFC 3891).

use super::super::{Message, Method, NameAddr, Params};
use super::CSeq;

/// Which end of a request keeps a session alive (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// The end that sends the request.
    Uac,
    /// The end that answers it.
    Uas,
}

impl Refresher {
    /// The word in the parameter `refresher`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// The value of Session-Expires (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionExpires {
    /// How long the session lives without a refresh.
    pub seconds: u32,
    /// Who refreshes it, if that was said.
    pub refresher: Option<Refresher>,
}

impl std::fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.seconds)?;
        self.refresher.map_or(Ok(()), |refresher| write!(f, ";refresher={}", refresher.word()))
    }
}

/// The value of RAck (RFC 3262 §7.2): which reliable answer is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RAck {
    /// The RSeq of the answer.
    pub rseq: u32,
    /// The CSeq of the answer.
    pub cseq: CSeq,
}

impl std::fmt::Display for RAck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

/// The value of Replaces (RFC 3891 §6.1): the dialog in whose place a call comes, seen from its receiver.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replaces {
    /// The Call-ID of the dialog.
    pub call_id: String,
    /// The tag of the receiver.
    pub to_tag: String,
    /// The tag of the other end.
    pub from_tag: String,
    /// Whether only a dialog without an answer may be replaced.
    pub is_early_only: bool,
}

impl Message {
    /// Session-Expires; `None` too if its number is none. An unknown refresher is left out.
    pub fn session_expires(&self) -> Option<SessionExpires> {
        let value = self.header("Session-Expires")?;
        let (seconds, params) = value.split_once(';').unwrap_or((value, ""));
        let named = Params::new(params).get("refresher").map(str::to_ascii_lowercase);
        let refresher = match named.as_deref() {
            Some("uac") => Some(Refresher::Uac),
            Some("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Some(SessionExpires { seconds: number(seconds)?, refresher })
    }

    /// Min-SE in seconds.
    pub fn min_se(&self) -> Option<u32> {
        number(self.header("Min-SE")?.split(';').next()?)
    }

    /// RSeq; `None` too if it is 0 or does not fit (RFC 3262 §7.1).
    pub fn rseq(&self) -> Option<u32> {
        exact(self.header("RSeq")?).filter(|rseq| *rseq != 0)
    }

    /// RAck; `None` too if it is not two numbers and a method.
    pub fn rack(&self) -> Option<RAck> {
        let mut words = self.header("RAck")?.split_ascii_whitespace();
        let (rseq, cseq, method) = (exact(words.next()?)?, exact(words.next()?)?, words.next()?);
        words.next().is_none().then(|| RAck { rseq, cseq: CSeq { number: cseq, method: Method::of(method) } })
    }

    /// Retry-After in seconds.
    pub fn retry_after(&self) -> Option<u32> {
        number(self.header("Retry-After")?.split([';', '(']).next()?)
    }

    /// Replaces; `None` too if there are several (RFC 3891 §3: such a request is answered 400) or a tag is missing.
    pub fn replaces(&self) -> Option<Replaces> {
        let mut values = self.headers("Replaces");
        let (value, None) = (values.next()?, values.next()) else { return None };
        let (call_id, params) = value.split_once(';')?;
        let params = Params::new(params);
        let tag = |name| params.get(name).filter(|tag| !tag.is_empty()).map(str::to_owned);
        let call_id = call_id.trim().to_owned();
        let (to_tag, from_tag) = (tag("to-tag")?, tag("from-tag")?);
        Some(Replaces { call_id, to_tag, from_tag, is_early_only: params.has("early-only") })
    }

    /// Refer-To; `None` too if there are several (RFC 3515 §2.4.2: such a request is answered 400).
    pub fn refer_to(&self) -> Option<NameAddr> {
        let mut values = self.addresses("Refer-To");
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }
}

/// A number of seconds; one that does not fit is the longest time.
fn number(text: &str) -> Option<u32> {
    let digits = text.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

/// A number that names something: one that does not fit names nothing.
fn exact(text: &str) -> Option<u32> {
    let digits = text.trim();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Verdict, parse};

    fn with(lines: &str) -> Message {
        let text = format!(
            "INVITE sip:a@b SIP/2.0\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\nMax-Forwards: 70\nFrom: <sip:d@e>;tag=1\n\
             To: <sip:a@b>\nCall-ID: x\nCSeq: 1 INVITE\n{lines}Content-Length: 0\n\n"
        );
        let Verdict::Ok(message) = parse(text.replace('\n', "\r\n").into()) else { panic!("{lines}") };
        message
    }

    #[test]
    fn timers_are_read_in_every_form() {
        let read = |lines| with(lines).session_expires().map(|timer| timer.to_string());
        assert_eq!(read("Session-Expires: 1800;refresher=uac\n").as_deref(), Some("1800;refresher=uac"));
        assert_eq!(read("x: 90 ; Refresher = UAS ; a=b\n").as_deref(), Some("90;refresher=uas"));
        assert_eq!(read("Session-Expires:\n 4000\n").as_deref(), Some("4000"));
        assert_eq!(read("Session-Expires: 99999999999;refresher=me\n").as_deref(), Some("4294967295"));
        for hostile in ["", "Session-Expires:\n", "Session-Expires: -1\n", "Session-Expires: uac\n"] {
            assert_eq!(read(hostile), None, "{hostile}");
        }
        assert_eq!(with("min-se: 120;x=y\n").min_se(), Some(120));
        assert_eq!(with("Min-SE: 9 0\n").min_se(), None);
        assert_eq!(with("Retry-After: 5 (busy);duration=3\n").retry_after(), Some(5));
    }

    #[test]
    fn reliable_answers_are_named_exactly_or_not_at_all() {
        assert_eq!(with("RSeq: 4294967295\n").rseq(), Some(u32::MAX));
        for hostile in ["RSeq: 0\n", "RSeq: 4294967296\n", "RSeq: 1 2\n", "RSeq: +1\n", "RSeq:\n"] {
            assert_eq!(with(hostile).rseq(), None, "{hostile}");
        }
        let rack = with("RAck: 776656  1 \n INVITE\n").rack().unwrap();
        assert_eq!((rack.to_string().as_str(), rack.rseq), ("776656 1 INVITE", 776_656));
        for hostile in ["RAck: 1 INVITE\n", "RAck: 1 2 INVITE x\n", "RAck: 1 4294967296 INVITE\n", "RAck:\n"] {
            assert_eq!(with(hostile).rack(), None, "{hostile}");
        }
    }

    #[test]
    fn the_dialog_to_replace_has_both_tags_and_is_only_one() {
        let replaces = with("Replaces: 98732@x; from-tag=r33t ;to-tag=ff87ff;early-only\n").replaces().unwrap();
        assert_eq!((replaces.call_id.as_str(), replaces.to_tag.as_str()), ("98732@x", "ff87ff"));
        assert_eq!((replaces.from_tag.as_str(), replaces.is_early_only), ("r33t", true));
        let one = "Replaces: a;to-tag=b;from-tag=c\n";
        for hostile in [&one.repeat(2), "Replaces: a;to-tag=b\n", "Replaces: a\n", "Replaces: a;to-tag=;from-tag=c\n"] {
            assert_eq!(with(hostile).replaces(), None, "{hostile}");
        }
    }

    #[test]
    fn a_transfer_has_one_target() {
        let target = with("r: \"Bob, jr\" <sip:bob@c?Replaces=a%3Bto-tag%3Db>;x=y\n").refer_to().unwrap();
        assert_eq!(target.uri_text(), "sip:bob@c?Replaces=a%3Bto-tag%3Db");
        assert_eq!(with("Refer-To: <sip:a@b>, <sip:c@d>\n").refer_to(), None);
        assert_eq!(with("Refer-To: <sip:a@b>\nRefer-To: <sip:c@d>\n").refer_to(), None);
        assert_eq!(with("").refer_to(), None);
    }
}
