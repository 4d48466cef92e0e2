//! What may be called, whoever asks: the one check of every number that a call could go out to.

use callfield_domain::PhoneNumber;
use callfield_domain::phone_number::{Kind, is_emergency};

use crate::app::App;

/// What was dialled, and may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// A public number: E.164.
    Public(String),
    /// Digits that are dialled inside a company: a colleague's extension, or one of its telephone system.
    Internal(String),
}

/// Why something may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is for the phone's own dialler, and never goes through SIP.
    Emergency,
    /// It is no number.
    NoNumber,
    /// Nobody may call it (T2).
    Blocked,
}

/// What a number means as it was dialled in `region`, if it may be called.
///
/// # Errors
/// Why it may not.
pub(super) fn check_destination(app: &App, dialled: &str, region: &str) -> Result<Destination, Refusal> {
    match read_destination(dialled, region)? {
        Destination::Public(e164) if is_blocked(app, &e164) => Err(Refusal::Blocked),
        destination @ (Destination::Public(_) | Destination::Internal(_)) => Ok(destination),
    }
}

/// What a number means as it was dialled in `region`, whether it is blocked or not: a number of the company itself is not
/// called through anybody.
///
/// # Errors
/// An emergency number, or none at all.
pub(super) fn read_destination(dialled: &str, region: &str) -> Result<Destination, Refusal> {
    // First of all: what else the number might be does not matter then.
    if is_emergency(dialled, region) {
        return Err(Refusal::Emergency);
    }
    let number = PhoneNumber::parse(dialled, region);
    match (number.kind(region), number.e164, number.extension) {
        (Kind::Valid, Some(e164), _) => Ok(Destination::Public(e164)),
        // The company's own telephone system might dial it as what it looks like.
        (Kind::Internal, _, Some(extension)) if is_emergency(&extension, region) => Err(Refusal::Emergency),
        (Kind::Internal, _, Some(extension)) => Ok(Destination::Internal(extension)),
        _ => Err(Refusal::NoNumber),
    }
}

/// features.md A13, T2, and what costs a premium.
fn is_blocked(app: &App, e164: &str) -> bool {
    let telephony = &app.config.telephony;
    let mut prefixes = telephony.blocked_destinations.iter().chain(&telephony.premium_destinations);
    prefixes.any(|prefix| prefix.holds(e164))
}
