//! Which of many numbers are the same subscriber, and how surely (features.md 4.5, match order).
//!
//! Numbers match on whole parts only. The short-number match of other libraries takes "5678" for the end of any
//! number and is deliberately absent.

use super::PhoneNumber;

/// How many of the last digits make two numbers alike when nothing better is known; a tenant may choose 7 to 10.
pub const TAIL_DIGITS: usize = 8;

/// How surely two numbers are the same subscriber, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// The same E.164 number and the same extension, or both without one.
    ExactWithExtension,
    /// The same E.164 number; one side has no extension.
    Exact,
    /// The same national number of the same region, where no E.164 form is known.
    National,
    /// The same last digits, and no other number ends like it.
    Tail,
    /// The same internal extension.
    Extension,
}

/// Every one of `candidates` that is the subscriber of `wanted`, best first, in the order given among equals.
///
/// `tail_digits` is the tenant's choice, [`TAIL_DIGITS`] by default.
pub fn find<'a, K>(
    wanted: &PhoneNumber,
    candidates: impl IntoIterator<Item = (K, &'a PhoneNumber)>,
    tail_digits: usize,
) -> Vec<(K, Quality)> {
    let tail = wanted.tail(tail_digits);
    let mut found = Vec::new();
    let mut alike = Vec::new();
    for (key, candidate) in candidates {
        if let Some(quality) = same(wanted, candidate) {
            found.push((key, quality));
        } else if tail.is_some() && tail == candidate.tail(tail_digits) && one_is_partial(wanted, candidate) {
            alike.push((key, candidate));
        }
    }
    // A tail that several numbers share, or that a surer match already explains, tells nothing.
    let unique = alike.windows(2).all(|pair| pair[0].1.national_significant() == pair[1].1.national_significant());
    if found.is_empty() && unique {
        found.extend(alike.into_iter().map(|(key, _)| (key, Quality::Tail)));
    }
    found.sort_by_key(|(_, quality)| *quality);
    found
}

/// How `one` and `other` are the same number, looking at nothing but the two.
fn same(one: &PhoneNumber, other: &PhoneNumber) -> Option<Quality> {
    let same_extension = one.extension == other.extension;
    let one_has_none = one.extension.is_none() || other.extension.is_none();
    match (&one.e164, &other.e164) {
        (Some(left), Some(right)) if left == right && same_extension => Some(Quality::ExactWithExtension),
        (Some(left), Some(right)) if left == right && one_has_none => Some(Quality::Exact),
        (None, None) => same_without_e164(one, other, same_extension || one_has_none),
        _ => None,
    }
}

fn same_without_e164(one: &PhoneNumber, other: &PhoneNumber, extensions_agree: bool) -> Option<Quality> {
    match (&one.digits, &other.digits) {
        (Some(left), Some(right)) => {
            (left == right && one.region == other.region && extensions_agree).then_some(Quality::National)
        }
        (None, None) => (one.extension.is_some() && one.extension == other.extension).then_some(Quality::Extension),
        _ => None,
    }
}

/// Two different E.164 numbers are two subscribers, however alike they end.
fn one_is_partial(one: &PhoneNumber, other: &PhoneNumber) -> bool {
    (one.e164.is_none() || other.e164.is_none())
        && (one.extension == other.extension || one.extension.is_none() || other.extension.is_none())
}
