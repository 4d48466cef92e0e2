//! Transfers that the user asks for: a REFER in the dialog of the call, and what the edge says of it (RFC 3515).

use bytes::Bytes;
use callfield_domain::{CallId, Timestamp};

use super::outbound::leg::reason_of;
use super::{Agent, Output, TransferStep};
use crate::message::{Message, Method};
use crate::uri::Uri;

/// A transfer that is under way.
#[derive(Debug)]
pub(super) struct Transfer {
    refer: Message,
    /// Whether the edge took the REFER.
    is_accepted: bool,
    /// The number of the last NOTIFY: one that comes again over another connection tells nothing new.
    last_notify: u32,
}

impl Agent {
    /// The user passes the far end of a call that talks on to `to`.
    pub(super) fn transfer(&mut self, now: Timestamp, call: CallId, to: &str) {
        if !self.is_talking(call) || self.transfers.contains_key(&call) {
            return;
        }
        let target = Uri::sip(Some(to), self.address.domain.host(), None);
        let Ok(target) = target.map(|target| target.with_param("user", Some("phone"))) else {
            return self.tell_transfer(call, TransferStep::Failed(super::EndReason::Rejected));
        };
        let (via, contact) = (self.address.via(&mut self.random).0, self.address.contact.to_string());
        let referrer = format!("<{}>", self.address.user.uri_text());
        let Some(dialog) = self.dialog_of(call) else { return };
        let start = dialog.request(Method::Refer).header("Via", via).header("Contact", contact);
        let refer = start.header("Refer-To", format!("<{target}>")).header("Referred-By", referrer).build();
        let bytes = refer.as_bytes().clone();
        self.transfers.insert(call, Transfer { refer, is_accepted: false, last_notify: 0 });
        self.line.note_asked(now);
        self.transmit(bytes);
    }

    /// Takes in the answer to a REFER; `false` if it is none.
    pub(super) fn take_transfer_response(&mut self, response: &Message) -> bool {
        if response.method() != &Method::Refer {
            return false;
        }
        let is_own = |transfer: &Transfer| {
            transfer.refer.call_id() == response.call_id() && transfer.refer.cseq() == response.cseq()
        };
        let found = self.transfers.iter().find(|(_, transfer)| is_own(transfer)).map(|(call, _)| *call);
        let (Some(call), Some(status)) = (found, response.status()) else { return true };
        match status {
            100..200 => {}
            200..300 => {
                if let Some(transfer) = self.transfers.get_mut(&call) {
                    transfer.is_accepted = true;
                }
            }
            _ => self.end_transfer(call, status),
        }
        true
    }

    /// Takes in a NOTIFY: only transfers are notified of.
    pub(super) fn take_notify(&mut self, notify: &Message) {
        let call = self.call_in_dialog(notify).or_else(|| self.dial_in_dialog(notify));
        let Some(call) = call else { return self.respond(notify, 481) };
        let event = notify.header("Event").and_then(|event| event.split(';').next()).map(str::trim);
        if event != Some("refer") {
            let refusal = notify.response(489, "Bad Event").to_tag(&self.random.token(12));
            return self.transmit(refusal.header("Allow-Events", "refer").build().as_bytes().clone());
        }
        self.respond(notify, 200);
        let number = notify.cseq().number;
        let Some(transfer) = self.transfers.get_mut(&call) else { return };
        if std::mem::replace(&mut transfer.last_notify, number) >= number {
            return;
        }
        // It may overtake the answer to the REFER.
        transfer.is_accepted = true;
        let is_last = notify.header("Subscription-State").is_some_and(|state| state.starts_with("terminated"));
        match status_of(&notify.body()) {
            Some(status @ 200..) => self.end_transfer(call, status),
            // It is over, and nobody says how.
            _ if is_last => self.end_transfer(call, 408),
            Some(180..200) => self.tell_transfer(call, TransferStep::Ringing),
            Some(_) | None => {}
        }
    }

    /// Sends again what the edge has not answered.
    pub(super) fn repeat_transfers(&mut self, now: Timestamp) {
        let open = self.transfers.values().filter(|transfer| !transfer.is_accepted);
        let unanswered: Vec<Bytes> = open.map(|transfer| transfer.refer.as_bytes().clone()).collect();
        for bytes in unanswered {
            self.line.note_asked(now);
            self.transmit(bytes);
        }
    }

    /// Calls that talk no more are not transferred any more.
    pub(super) fn settle_transfers(&mut self) {
        let over: Vec<CallId> = self.transfers.keys().copied().filter(|call| !self.is_talking(*call)).collect();
        for call in over {
            self.transfers.remove(&call);
        }
    }

    fn end_transfer(&mut self, call: CallId, status: u16) {
        self.transfers.remove(&call);
        let step = if status < 300 { TransferStep::Done } else { TransferStep::Failed(reason_of(status)) };
        self.tell_transfer(call, step);
    }

    fn tell_transfer(&mut self, call: CallId, step: TransferStep) {
        self.outputs.push_back(Output::TransferChanged { call, step });
    }
}

/// The status in a fragment of a response (RFC 3420).
fn status_of(fragment: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(fragment).ok()?.lines().next()?;
    line.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}
