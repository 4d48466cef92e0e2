//! The SIP of one call that this phone began: its INVITE, what followed, its dialog.

use bytes::Bytes;
use callfield_domain::{CallId, Random};

use crate::agent::EndReason;
use crate::agent::registration::Address;
use crate::dialog::Dialog;
use crate::extension::CALL_HEADER;
use crate::message::{Message, Method, NameAddr, RequestBuilder};
use crate::uri::Uri;

/// The phone's leg of a call that it began.
#[derive(Debug)]
pub(in crate::agent) struct Leg {
    invite: Message,
    dialog: Option<Dialog>,
    ack: Option<Bytes>,
    cancel: Option<Bytes>,
    bye: Option<(String, Bytes)>,
}

impl Leg {
    /// The leg whose INVITE calls `to` with an SDP offer; `None` if `to` cannot stand in a URI.
    pub(in crate::agent) fn new(
        call: CallId,
        to: &str,
        sdp: Bytes,
        address: &Address,
        random: &mut Random,
    ) -> Option<Self> {
        let target = Uri::sip(Some(to), address.domain.host(), None).ok()?.with_param("user", Some("phone"));
        let invite = RequestBuilder::new(Method::Invite, &target)
            .header("Via", address.via(random).0)
            .from(&address.user.with_tag(&random.token(12)))
            .to(&NameAddr::new(None, &target))
            .call_id(&random.token(24))
            .cseq(1)
            .header("Contact", &address.contact)
            .header("Allow", crate::agent::receive::ALLOW)
            .header(CALL_HEADER, call)
            .body("application/sdp", sdp)
            .build();
        Some(Self { invite, dialog: None, ack: None, cancel: None, bye: None })
    }

    pub(in crate::agent) fn dialog(&mut self) -> Option<&mut Dialog> {
        self.dialog.as_mut()
    }

    /// Whether a response belongs to the INVITE or its CANCEL: they share their branch.
    pub(in crate::agent) fn is_answered_by(&self, response: &Message) -> bool {
        matches!(response.method(), Method::Invite | Method::Cancel) && branch_of(response) == branch_of(&self.invite)
    }

    /// Takes in the first 2xx; `false` if it makes no dialog, or made it before.
    pub(in crate::agent) fn accept(&mut self, response: &Message) -> bool {
        if self.dialog.is_some() {
            return false;
        }
        self.dialog = Dialog::of_caller(&self.invite, response);
        self.dialog.is_some()
    }

    /// The ACK of the 2xx, the same whenever it is sent.
    pub(in crate::agent) fn ack(&mut self, address: &Address, random: &mut Random) -> Option<Bytes> {
        if self.ack.is_none() {
            let ack = self.dialog.as_ref()?.ack(&self.invite).header("Via", address.via(random).0).build();
            self.ack = Some(ack.as_bytes().clone());
        }
        self.ack.clone()
    }

    /// The ACK of a refusal: it belongs to the transaction of the INVITE (RFC 3261 §17.1.1.3).
    pub(in crate::agent) fn ack_refusal(&self, refusal: &Message) -> Option<Bytes> {
        Some(self.follow_up(Method::Ack)?.to(&refusal.to()).build().as_bytes().clone())
    }

    /// Takes the INVITE back. At once: a connection keeps its order, so CANCEL cannot overtake it (RFC 3261 §9.1).
    pub(in crate::agent) fn cancel(&mut self) -> Option<Bytes> {
        let cancel = self.follow_up(Method::Cancel)?.to(&self.invite.to()).build();
        self.cancel = Some(cancel.as_bytes().clone());
        self.cancel.clone()
    }

    /// The BYE of this end.
    pub(in crate::agent) fn bye(&mut self, address: &Address, random: &mut Random) -> Option<Bytes> {
        let (via, branch) = address.via(random);
        let bye = self.dialog.as_mut()?.request(Method::Bye).header("Via", via).build();
        let bytes = bye.as_bytes().clone();
        self.bye = Some((branch, bytes.clone()));
        Some(bytes)
    }

    /// What the edge has not answered, in the order it must come.
    pub(in crate::agent) fn unanswered(&self) -> Vec<Bytes> {
        if let Some((_, bye)) = &self.bye {
            return self.ack.iter().chain([bye]).cloned().collect();
        }
        // The edge may have lost the INVITE with the old connection: then it answers the CANCEL with 481.
        vec![self.cancel.clone().unwrap_or_else(|| self.invite.as_bytes().clone())]
    }

    /// Whether a final response is that of the BYE.
    pub(in crate::agent) fn is_answer_to_bye(&self, response: &Message) -> bool {
        response.status().is_some_and(|status| status >= 200)
            && self.bye.as_ref().is_some_and(|(own, _)| branch_of(response).as_ref() == Some(own))
    }

    fn follow_up(&self, method: Method) -> Option<RequestBuilder> {
        let start = RequestBuilder::new(method, &self.invite.request_uri()?).via(&self.invite.top_via()?);
        Some(start.from(&self.invite.from()).call_id(self.invite.call_id()).cseq(self.invite.cseq().number))
    }
}

fn branch_of(message: &Message) -> Option<String> {
    message.top_via().and_then(|via| via.branch().map(str::to_owned))
}

/// Why a call is over that was refused with `status`.
pub(in crate::agent) const fn reason_of(status: u16) -> EndReason {
    match status {
        380 => EndReason::Emergency,
        486 | 600 => EndReason::Busy,
        408 | 480 | 487 => EndReason::NoAnswer,
        403 | 404 | 410 | 484 | 603 | 604 => EndReason::Rejected,
        _ => EndReason::Failed,
    }
}
