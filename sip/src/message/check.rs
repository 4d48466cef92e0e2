//! The rules beyond framing: strict where a fault could harm, lenient where the field is.

use super::parse::Refusal;
use super::{CSeq, Message, NameAddr, Via};
use crate::uri::Scheme;

/// The first rule that a well-framed message breaks.
pub(super) fn first_refusal(message: &Message) -> Option<Refusal> {
    check(message).err()
}

/// Whether the five headers an answer copies are there and safe to copy (RFC 3261 §8.2.6.2).
pub(super) fn is_answerable(message: &Message) -> bool {
    let is_clean = |name| message.headers(name).all(|value| !value.is_empty() && !value.contains(['\r', '\n']));
    let is_there = |name| message.header(name).is_some() && is_clean(name);
    message.top_via().is_some() && ["Via", "From", "To", "Call-ID", "CSeq"].into_iter().all(is_there)
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
    const SINGLE: [&str; 6] = ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type"];
    let is_doubled = |name: &&str| message.headers(name).nth(1).is_some();
    if SINGLE.iter().any(is_doubled) { Err(Refusal::bad("Doubled Header")) } else { Ok(()) }
}

fn check_cseq(message: &Message) -> Result<(), Refusal> {
    let cseq = message.header("CSeq").and_then(CSeq::read_strict).ok_or(Refusal::bad("Bad CSeq"))?;
    if message.is_request() && &cseq.method != message.method() {
        return Err(Refusal::bad("CSeq Method Does Not Match"));
    }
    Ok(())
}

fn check_vias(message: &Message) -> Result<(), Refusal> {
    let is_ok = |via: Option<Via>| via.is_some_and(|via| via.params().is_well_formed());
    if message.shared_values("Via").all(|value| is_ok(Via::read(value))) {
        return Ok(());
    }
    Err(Refusal::bad("Bad Via"))
}

fn check_addresses(message: &Message) -> Result<(), Refusal> {
    let is_address = |text| NameAddr::read(text).is_ok();
    for (name, refusal) in [("From", Refusal::bad("Bad From")), ("To", Refusal::bad("Bad To"))] {
        if !message.shared_header(name).is_some_and(is_address) {
            return Err(refusal);
        }
    }
    // A bad Contact in a response is left out by its readers; to drop the response would lose the call.
    if !message.is_request() {
        return Ok(());
    }
    let is_contact = |text: super::Text| text == "*" || is_address(text);
    if !message.shared_values("Contact").all(is_contact) {
        return Err(Refusal::bad("Bad Contact"));
    }
    let routes = message.shared_values("Route").chain(message.shared_values("Record-Route"));
    if { routes }.all(is_address) { Ok(()) } else { Err(Refusal::bad("Bad Route")) }
}

fn check_numbers(message: &Message) -> Result<(), Refusal> {
    if message.header("Max-Forwards").is_some() && message.max_forwards().is_none() {
        return Err(Refusal::bad("Bad Max-Forwards"));
    }
    Ok(())
}

fn check_request_uri(message: &Message) -> Result<(), Refusal> {
    let uri = message.request_uri().ok_or(Refusal::bad("Bad Request URI"))?;
    if uri.scheme() == Scheme::Other {
        return Err(Refusal::SCHEME);
    }
    if uri.headers().is_some() { Err(Refusal::bad("Request URI With Headers")) } else { Ok(()) }
}
