//! The rules beyond framing: strict where a fault could harm, lenient where the field is.

use super::names::Kind;
use super::parse::Refusal;
use super::scan::Line;
use super::{Message, NameAddr, Via};
use crate::uri::Scheme;

/// The first rule that a well-framed message breaks.
pub(super) fn first_refusal(message: &Message) -> Option<Refusal> {
    check(message).err()
}

/// Whether an answer can be made: the five headers it copies are there and the top Via can be read.
pub(super) fn is_answerable(message: &Message) -> bool {
    has_the_five(message) && message.top_via().is_some()
}

/// Whether the headers that an answer copies are there and safe to copy (RFC 3261 §8.2.6.2).
pub(super) fn has_the_five(message: &Message) -> bool {
    let has_line_end = |line: &Line| line.value.is_rewritten && message.text_of(line.value).contains(['\r', '\n']);
    let is_clean = |line: &Line| !line.value.is_empty() && !has_line_end(line);
    let is_there = |kind| {
        let mut lines = message.lines_of(kind);
        lines.next().is_some_and(is_clean) && lines.all(is_clean)
    };
    [Kind::Via, Kind::From, Kind::To, Kind::CallId, Kind::CSeq].into_iter().all(is_there)
}

fn check(message: &Message) -> Result<(), Refusal> {
    check_single(message)?;
    check_cseq(message)?;
    check_vias(message)?;
    check_addresses(message)?;
    check_numbers(message)?;
    if message.is_request() {
        check_request_uri(message)?;
    }
    Ok(())
}

/// Two values of one of these would let two readers see two different messages.
fn check_single(message: &Message) -> Result<(), Refusal> {
    const SINGLE: [Kind; 6] = [Kind::From, Kind::To, Kind::CallId, Kind::CSeq, Kind::MaxForwards, Kind::ContentType];
    if SINGLE.iter().any(|kind| message.has_several(*kind)) { Err(Refusal::bad("Doubled Header")) } else { Ok(()) }
}

fn check_cseq(message: &Message) -> Result<(), Refusal> {
    if !message.head.has_good_cseq {
        return Err(Refusal::bad("Bad CSeq"));
    }
    if message.is_request() && &message.cseq().method != message.method() {
        return Err(Refusal::bad("CSeq Method Does Not Match"));
    }
    Ok(())
}

fn check_vias(message: &Message) -> Result<(), Refusal> {
    if message.values_of(Kind::Via).all(Via::is_well_formed) { Ok(()) } else { Err(Refusal::bad("Bad Via")) }
}

fn check_addresses(message: &Message) -> Result<(), Refusal> {
    for (kind, refusal) in [(Kind::From, Refusal::bad("Bad From")), (Kind::To, Refusal::bad("Bad To"))] {
        if message.places_of(kind).is_none() {
            return Err(refusal);
        }
    }
    // A bad Contact in a response is left out by its readers; to drop the response would lose the call.
    if !message.is_request() {
        return Ok(());
    }
    let is_contact = |text: &str| text == "*" || NameAddr::is_well_formed(text);
    if !message.values_of(Kind::Contact).all(is_contact) {
        return Err(Refusal::bad("Bad Contact"));
    }
    let mut routes = message.values_of(Kind::Route).chain(message.values_of(Kind::RecordRoute));
    if routes.all(NameAddr::is_well_formed) { Ok(()) } else { Err(Refusal::bad("Bad Route")) }
}

fn check_numbers(message: &Message) -> Result<(), Refusal> {
    if message.line_of(Kind::MaxForwards).is_some() && message.max_forwards().is_none() {
        return Err(Refusal::bad("Bad Max-Forwards"));
    }
    Ok(())
}

fn check_request_uri(message: &Message) -> Result<(), Refusal> {
    let parts = message.target_parts().ok_or(Refusal::bad("Bad Request URI"))?;
    if parts.scheme == Scheme::Other {
        return Err(Refusal::SCHEME);
    }
    if !parts.headers.is_empty() { Err(Refusal::bad("Request URI With Headers")) } else { Ok(()) }
}
