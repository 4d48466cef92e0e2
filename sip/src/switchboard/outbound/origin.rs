//! The leg of the device that calls: a dialog by what carries messages to the device.
//!
//! As with the legs of devices that are rung, nothing is repeated to a phone on a timer: what it has not confirmed goes out
//! again on its next connection. A desk phone has transactions.

use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{Random, Timestamp};

use super::desk::DeskSide;
use crate::dialog::Dialog;
use crate::message::{Message, Method};
use crate::session::{Terms, TimerSettings};
use crate::switchboard::DeviceKind;
use crate::switchboard::inner::Edge;
use crate::switchboard::outer::{DEVICE_ALLOW, name_of, reason};
use crate::switchboard::repetition::Repetition;

/// 64·T1: how long a device may take to confirm the end.
const PATIENCE: Duration = Duration::from_secs(32);

/// The leg of the device that calls.
#[derive(Debug)]
pub(super) struct Origin {
    /// A desk phone's side; `None` for a phone on a connection of its own.
    pub(super) desk: Option<DeskSide>,
    invite: Message,
    tag: String,
    dialog: Dialog,
    terms: Terms,
    /// The last answer to the INVITE.
    answer: Option<Message>,
    is_confirmed: bool,
    bye: Option<Message>,
    /// The device's BYE, to be answered when the row is durable.
    pub(super) bye_received: Option<Message>,
    /// Whether the device has ended its dialog while the call went on.
    has_left: bool,
    gone_at: Option<Timestamp>,
}

impl Origin {
    /// The leg that an INVITE begins; `None` if it has no Contact.
    pub(super) fn new(invite: &Message, tag: String, desk: Option<DeskSide>) -> Option<Self> {
        let dialog = Dialog::of_callee(invite, &tag)?;
        let (invite, answer) = (invite.detached(), None);
        Some(Self {
            desk,
            invite,
            tag,
            dialog,
            terms: Terms::new(TimerSettings::default()),
            answer,
            is_confirmed: false,
            bye: None,
            bye_received: None,
            has_left: false,
            gone_at: None,
        })
    }

    /// The device's SDP offer.
    pub(super) fn sdp(&self) -> Bytes {
        self.invite.body()
    }

    /// What was agreed on by the 200.
    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What the device is.
    pub(super) const fn kind(&self) -> DeviceKind {
        if self.desk.is_some() { DeviceKind::Desk } else { DeviceKind::Phone }
    }

    /// The Call-ID that the device chose.
    pub(super) fn call_id(&self) -> &str {
        self.invite.call_id()
    }

    /// What names the dialog from outside.
    pub(super) fn name(&self) -> (String, String) {
        name_of(&self.invite)
    }

    /// Whether a request names the transaction of the INVITE: the INVITE again, its CANCEL, or the ACK of a refusal.
    pub(super) fn is_same_transaction(&self, request: &Message) -> bool {
        let branch = |message: &Message| message.top_via().and_then(|via| via.branch().map(str::to_owned));
        request.cseq().number == self.invite.cseq().number && branch(request) == branch(&self.invite)
    }

    pub(super) const fn dialog(&mut self) -> &mut Dialog {
        &mut self.dialog
    }

    /// Answers the INVITE; `None` after a final answer.
    pub(super) fn respond(&mut self, now: Timestamp, edge: &Edge, status: u16, sdp: Option<Bytes>) -> Option<Message> {
        if self.answer.as_ref().and_then(Message::status).is_some_and(|status| status >= 200) {
            return None;
        }
        let start = self.invite.response(status, reason(status));
        let start = if status == 100 { start } else { start.to_tag(&self.tag).copy("Record-Route") };
        let contact = match &self.desk {
            Some(desk) => format!("<{}>", desk.contact),
            None => format!("<sip:edge@{};transport=ws>", edge.domain),
        };
        let start = if status < 300 { start.header("Contact", contact).header("Allow", DEVICE_ALLOW) } else { start };
        let start = if let Some(sdp) = sdp { start.body("application/sdp", sdp) } else { start };
        let start = if (200..300).contains(&status) { self.terms.answer(now, &self.invite, start) } else { start };
        if status >= 300 {
            self.gone_at = Some(now + PATIENCE);
        }
        let answer = start.build();
        self.answer = Some(answer.clone());
        match &mut self.desk {
            // Transactions repeat a refusal until its ACK, and leave a 2xx to this end.
            Some(_) if status >= 300 => self.is_confirmed = true,
            Some(desk) if status >= 200 => desk.repetition = Some(Repetition::new(now, desk.server, answer.clone())),
            Some(_) | None => {}
        }
        Some(answer)
    }

    /// The last answer to the INVITE.
    pub(super) fn last_answer(&self) -> Option<Bytes> {
        self.answer.as_ref().map(|answer| answer.as_bytes().clone())
    }

    /// Takes in the ACK of the final answer, or anything else that proves that it arrived.
    pub(super) fn confirm(&mut self) {
        self.is_confirmed = true;
        if let Some(desk) = &mut self.desk {
            desk.repetition = None;
        }
    }

    /// Whether the device has the final answer.
    pub(super) const fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// The BYE of this end; `None` if the device hung up itself.
    pub(super) fn bye(&mut self, now: Timestamp, edge: &Edge, random: &mut Random) -> Option<Message> {
        if self.bye.is_some() || self.bye_received.is_some() || self.has_left {
            return None;
        }
        if let Some(desk) = &mut self.desk
            && desk.repetition.is_some()
        {
            // It must wait for the ACK (RFC 3261 §15).
            desk.wants_bye = true;
            return None;
        }
        let start = self.dialog.request(Method::Bye);
        let start = if self.desk.is_none() { start.header("Via", edge.via(random)) } else { start };
        self.gone_at = Some(now + PATIENCE);
        self.bye = Some(start.build());
        self.bye.clone()
    }

    /// The answer to the device's BYE, when the call goes on without it; `None` if it has not hung up.
    pub(super) fn release(&mut self) -> Option<Message> {
        let bye = self.bye_received.take()?;
        self.has_left = true;
        Some(bye.response(200, reason(200)).build())
    }

    /// Notes that the BYE of this end was answered.
    pub(super) const fn note_bye_done(&mut self, now: Timestamp) {
        self.is_confirmed = true;
        self.gone_at = Some(now);
    }

    /// What the device has not confirmed, in the order it must come.
    pub(super) fn unconfirmed(&self) -> Vec<Bytes> {
        let answer = self.last_answer().filter(|_| !self.is_confirmed);
        answer.into_iter().chain(self.bye.as_ref().map(|bye| bye.as_bytes().clone())).collect()
    }

    /// When the device need not be waited for any longer.
    pub(super) const fn gone_at(&self) -> Option<Timestamp> {
        self.gone_at
    }

    /// Whether the device has heard of the end, or never will.
    pub(super) fn is_done(&self, now: Timestamp) -> bool {
        let is_refused = self.answer.as_ref().and_then(Message::status).is_some_and(|status| status >= 300);
        let is_owed = self.bye.is_some() || is_refused && !self.is_confirmed;
        let is_repeated = self.desk.as_ref().is_some_and(|desk| desk.repetition.is_some());
        !is_repeated && self.bye_received.is_none() && (!is_owed || self.gone_at.is_some_and(|at| at <= now))
    }
}
