//! Outer legs: the caller's side of a call, over whatever trunk the INVITE came from.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{CallId, Timestamp};

use super::Why;
use super::registrar::SHORTEST_S;
use crate::dialog::Dialog;
use crate::message::{Message, Method, ResponseBuilder};
use crate::session::{MIN_S, Terms};
use crate::transaction::{Flow, GIVE_UP, ServerId, T1, T2};

/// The caller's leg of a call.
#[derive(Debug)]
pub(super) struct OuterLeg {
    flow: Flow,
    pub(super) server: ServerId,
    invite: Message,
    tag: String,
    contact: String,
    dialog: Dialog,
    terms: Terms,
    is_finished: bool,
    answer: Option<Answer>,
    /// BYEs (and their kind) that are answered when the row is durable.
    pub(super) unanswered: Vec<(ServerId, Message)>,
    has_hung_up: bool,
    bye: Bye,
}

/// A 200 that was not acknowledged.
#[derive(Debug)]
struct Answer {
    server: ServerId,
    response: Message,
    repeat_at: Timestamp,
    pause: Duration,
    until: Timestamp,
}

/// How far the BYE of this end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bye {
    None,
    /// It must wait for the ACK (RFC 3261 §15).
    Wanted,
    Sent,
    Done,
}

/// What an acknowledgement brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// The caller's SDP, if the INVITE had none.
    pub(super) sdp: Option<Bytes>,
    /// The BYE that waited for it.
    pub(super) bye: Option<Message>,
}

impl OuterLeg {
    /// The leg that an INVITE begins; `None` if it has no Contact to answer to.
    pub(super) fn new(
        flow: Flow,
        server: ServerId,
        invite: &Message,
        tag: String,
        contact: String,
        terms: Terms,
    ) -> Option<Self> {
        let dialog = Dialog::of_callee(invite, &tag)?;
        let invite = invite.detached();
        Some(Self {
            flow,
            server,
            invite,
            tag,
            contact,
            dialog,
            terms,
            is_finished: false,
            answer: None,
            unanswered: Vec::new(),
            has_hung_up: false,
            bye: Bye::None,
        })
    }

    /// What names the dialog from outside: Call-ID and the caller's tag.
    pub(super) fn name(&self) -> (String, String) {
        name_of(&self.invite)
    }

    pub(super) const fn dialog(&mut self) -> &mut Dialog {
        &mut self.dialog
    }

    /// The caller's SDP offer.
    pub(super) fn sdp(&self) -> Option<Bytes> {
        Some(self.invite.body()).filter(|body| !body.is_empty())
    }

    /// A provisional response, unless a final one went out.
    pub(super) fn progress(&self, status: u16) -> Option<Message> {
        if self.is_finished {
            return None;
        }
        let start = self.invite.response(status, reason(status));
        Some(if status == 100 { start.build() } else { self.with_dialog(start).build() })
    }

    /// The final refusal, once.
    pub(super) fn refuse(&mut self, status: u16) -> Option<Message> {
        let is_first = !std::mem::replace(&mut self.is_finished, true);
        is_first.then(|| self.invite.response(status, reason(status)).to_tag(&self.tag).build())
    }

    /// The 200, once; it is repeated until its ACK comes.
    pub(super) fn accept(&mut self, now: Timestamp, sdp: Bytes) -> Option<Message> {
        if std::mem::replace(&mut self.is_finished, true) {
            return None;
        }
        let start = self.with_dialog(self.invite.response(200, reason(200))).header("Allow", ALLOW);
        let response = self.terms.answer(now, &self.invite, start).body("application/sdp", sdp).build();
        let (server, repeat_at, until) = (self.server, now + T1, now + GIVE_UP);
        self.answer = Some(Answer { server, response: response.clone(), repeat_at, pause: T1, until });
        Some(response)
    }

    /// What was agreed on by the 200.
    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether the 200 went out and its ACK did not come.
    pub(super) const fn is_unacknowledged(&self) -> bool {
        self.answer.is_some()
    }

    /// The Contact of this end.
    pub(super) fn contact(&self) -> &str {
        &self.contact
    }

    /// Takes in an ACK; `None` if it is not that of the 200, or came before.
    pub(super) fn acknowledge(&mut self, ack: &Message) -> Option<Acknowledged> {
        let is_own = |answer: &mut Answer| answer.response.cseq().number == ack.cseq().number;
        if !self.dialog.holds(ack) || self.answer.take_if(is_own).is_none() {
            return None;
        }
        let is_late_offer = self.invite.body().is_empty() && self.invite.cseq().number == ack.cseq().number;
        let sdp = Some(ack.body()).filter(|body| is_late_offer && !body.is_empty());
        let bye = if self.bye == Bye::Wanted { self.send_bye() } else { None };
        Some(Acknowledged { sdp, bye })
    }

    /// Notes that the caller hung up.
    pub(super) fn note_hang_up(&mut self) {
        self.has_hung_up = true;
        // Who hangs up has surely heard the answer.
        self.answer = None;
    }

    /// The BYE; `None` if it has to wait, or the caller hung up first.
    pub(super) fn bye(&mut self) -> Option<Message> {
        if self.has_hung_up || self.bye != Bye::None {
            return None;
        }
        if self.answer.is_some() {
            self.bye = Bye::Wanted;
            return None;
        }
        self.send_bye()
    }

    /// Notes that the BYE was answered, or never will be.
    pub(super) const fn note_bye_done(&mut self) {
        self.bye = Bye::Done;
    }

    /// The 200 again, if it is due; `Err` with the BYE, if there is one to send, when no ACK will come any more.
    pub(super) fn repeat(&mut self, now: Timestamp) -> Result<Option<(ServerId, Message)>, Option<Message>> {
        let Some(answer) = &mut self.answer else { return Ok(None) };
        if answer.until <= now {
            self.answer = None;
            return Err(if self.bye == Bye::Wanted { self.send_bye() } else { None });
        }
        if answer.repeat_at > now {
            return Ok(None);
        }
        answer.pause = (answer.pause * 2).min(T2);
        answer.repeat_at = now + answer.pause;
        Ok(Some((answer.server, answer.response.clone())))
    }

    pub(super) fn poll_timeout(&self, call: CallId) -> Option<(Timestamp, Why)> {
        self.answer.as_ref().map(|answer| (answer.repeat_at.min(answer.until), Why::AnswerRetransmit(call)))
    }

    /// Whether the caller still has to be told or heard.
    pub(super) const fn is_busy(&self) -> bool {
        self.answer.is_some() || matches!(self.bye, Bye::Wanted | Bye::Sent)
    }

    /// Where requests to the caller go.
    pub(super) fn reach(&self) -> Flow {
        next_hop_of(self.flow, &self.dialog)
    }

    fn send_bye(&mut self) -> Option<Message> {
        self.bye = Bye::Sent;
        Some(self.dialog.request(Method::Bye).build())
    }

    fn with_dialog(&self, start: ResponseBuilder) -> ResponseBuilder {
        start.to_tag(&self.tag).copy("Record-Route").header("Contact", format!("<{}>", self.contact))
    }
}

/// Where requests in a dialog go: where its other end is known to be, at the port its next hop names.
///
/// Never to another address: a forged Contact must not make the edge talk to somebody else.
pub(super) fn next_hop_of(flow: Flow, dialog: &Dialog) -> Flow {
    let Flow::Udp(peer) = flow else { return flow };
    let hop = dialog.next_hop();
    let host = hop.host().trim_start_matches('[').trim_end_matches(']').parse();
    if host == Ok(peer.ip()) {
        return Flow::Udp(SocketAddr::new(peer.ip(), hop.port().unwrap_or(5060)));
    }
    flow
}

/// The option tags the edge understands in Require.
pub(super) const SUPPORTED: &[&str] = &["timer"];

/// A response with what helps its receiver to do better.
pub(super) fn with_hints(start: ResponseBuilder, request: &Message, status: u16) -> ResponseBuilder {
    match status {
        200 if request.method() == &Method::Options => {
            let start = start.header("Allow", ALLOW).header("Accept", "application/sdp");
            start.header("Supported", SUPPORTED.join(", "))
        }
        200 | 405 => start.header("Allow", ALLOW),
        415 => start.header("Accept", "application/sdp"),
        422 => start.header("Min-SE", MIN_S),
        423 => start.header("Min-Expires", SHORTEST_S),
        420 => start.header("Unsupported", request.unsupported(SUPPORTED).collect::<Vec<_>>().join(", ")),
        503 => start.header("Retry-After", 10),
        _ => start,
    }
}

/// The methods the edge understands.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REGISTER, UPDATE";

/// Those that it understands from devices.
pub(super) const DEVICE_ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REGISTER, UPDATE, REFER";

/// What names a caller's dialog from outside: Call-ID and the caller's tag.
pub(super) fn name_of(request: &Message) -> (String, String) {
    (request.call_id().to_owned(), request.from().tag().unwrap_or_default().to_owned())
}

/// The reason phrase of the statuses the edge sends.
pub(super) const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        182 => "Queued",
        200 => "OK",
        202 => "Accepted",
        380 => "Alternative Service",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        555 => "Push Notification Service Not Supported",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        _ => "Refused",
    }
}
