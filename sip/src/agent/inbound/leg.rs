//! The SIP of one call to the phone: its INVITE, the answers given, its dialog.

use bytes::Bytes;
use callfield_domain::Random;

use crate::agent::registration::Address;
use crate::dialog::Dialog;
use crate::message::{Message, Method};

/// The phone's leg of a call.
#[derive(Debug)]
pub(in crate::agent) struct Leg {
    invite: Message,
    tag: String,
    dialog: Option<Dialog>,
    answer: Option<Message>,
    bye: Option<(String, Bytes)>,
}

impl Leg {
    /// The leg that an INVITE begins.
    pub(in crate::agent) fn new(invite: &Message, random: &mut Random) -> Self {
        let tag = random.token(12);
        let dialog = Dialog::of_callee(invite, &tag);
        Self { invite: invite.detached(), tag, dialog, answer: None, bye: None }
    }

    pub(in crate::agent) fn invite(&self) -> &Message {
        &self.invite
    }

    /// Whether a request names the transaction of the INVITE: the INVITE again, its CANCEL, or the ACK of a refusal.
    pub(in crate::agent) fn is_same_transaction(&self, request: &Message) -> bool {
        let branch = |message: &Message| message.top_via().and_then(|via| via.branch().map(str::to_owned));
        request.call_id() == self.invite.call_id()
            && request.cseq().number == self.invite.cseq().number
            && branch(request) == branch(&self.invite)
    }

    /// Whether the last answer was a refusal.
    pub(in crate::agent) fn is_refused(&self) -> bool {
        self.answer.as_ref().and_then(Message::status).is_some_and(|status| status >= 300)
    }

    pub(in crate::agent) fn dialog(&mut self) -> Option<&mut Dialog> {
        self.dialog.as_mut()
    }

    /// Answers the INVITE.
    pub(in crate::agent) fn respond(&mut self, status: u16, address: &Address, sdp: Option<Bytes>) -> Bytes {
        let start = self.invite.response(status, reason(status)).to_tag(&self.tag).copy("Record-Route");
        let start = if status < 300 { start.header("Contact", &address.contact) } else { start };
        let start = match sdp {
            Some(sdp) => start.body("application/sdp", sdp),
            None => start,
        };
        let response = start.build();
        let bytes = response.as_bytes().clone();
        self.answer = Some(response);
        bytes
    }

    /// The BYE of this end.
    pub(in crate::agent) fn bye(&mut self, address: &Address, random: &mut Random) -> Option<Bytes> {
        let (via, branch) = address.via(random);
        let bye = self.dialog.as_mut()?.request(Method::Bye).header("Via", via).build();
        let bytes = bye.as_bytes().clone();
        self.bye = Some((branch, bytes.clone()));
        Some(bytes)
    }

    /// What the edge has not answered: the BYE, or else the last answer to the INVITE.
    pub(in crate::agent) fn unanswered(&self) -> Option<Bytes> {
        let bye = self.bye.as_ref().map(|(_, bytes)| bytes.clone());
        bye.or_else(|| self.answer.as_ref().map(|answer| answer.as_bytes().clone()))
    }

    /// Whether a final response is that of the BYE.
    pub(in crate::agent) fn is_answer_to_bye(&self, response: &Message) -> bool {
        let via = response.top_via();
        let branch = via.as_ref().and_then(|via| via.branch());
        response.status().is_some_and(|status| status >= 200)
            && self.bye.as_ref().is_some_and(|(own, _)| branch == Some(own))
    }
}

/// The reason phrase of the statuses a phone sends.
pub(in crate::agent) const fn reason(status: u16) -> &'static str {
    match status {
        180 => "Ringing",
        200 => "OK",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        487 => "Request Terminated",
        422 => "Session Interval Too Small",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        603 => "Decline",
        _ => "Error",
    }
}
