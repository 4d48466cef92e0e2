//! Inner legs: one SIP dialog with each device a call rings, by what carries messages to it.
//!
//! A phone's connection is reliable until it is replaced, so nothing is retransmitted on a timer: what a phone has not
//! answered goes out again, byte for byte, on its next connection. A phone that knows the INVITE takes it for a
//! retransmission, one that was killed meanwhile rings. A desk phone has transactions, as RFC 3261 has them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Random, Timestamp};

use super::DeviceKind;
use crate::dialog::Dialog;
use crate::extension::{ELSEWHERE, Ending, OVER};
use crate::message::{Message, Method, RequestBuilder, Via};
use crate::transaction::{ClientId, Flow as Hop, ServerId};

/// 64·T1: how long a device may take to answer a CANCEL or a BYE.
const PATIENCE: Duration = Duration::from_secs(32);

/// One device's leg of a call.
#[derive(Debug)]
pub(super) struct InnerLeg {
    pub(super) carrier: Carrier,
    kind: DeviceKind,
    /// Transactions in which the INVITE went to where a desk phone is no longer, or was asleep.
    earlier: Vec<ClientId>,
    has_progressed: bool,
    invite: Option<Message>,
    cancel: Option<Cancel>,
    dialog: Option<Dialog>,
    ack: Option<Message>,
    bye: Option<Message>,
    /// The SDP of the device's 2xx.
    pub(super) sdp: Bytes,
    /// The device's BYE, to be answered when the row is durable.
    pub(super) bye_received: Option<Message>,
    gone_at: Option<Timestamp>,
}

/// What carries the messages of a leg to its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// A phone's connection; the leg keeps what has to be repeated on the next one.
    Connection,
    /// Transactions with a desk phone, which add the Via, repeat, and give up.
    Transactions {
        /// Where the INVITE went.
        flow: Hop,
        /// That of the INVITE.
        invite: Option<ClientId>,
        /// That of the device's BYE, to be answered when the row is durable.
        bye: Option<ServerId>,
    },
}

#[derive(Debug, Clone)]
struct Cancel {
    elsewhere: bool,
    sent: Message,
}

/// What a response to an INVITE was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A 1xx.
    Progressed { rings: bool },
    /// The first 2xx, with its SDP.
    Answered(Bytes),
    /// A 2xx again.
    Repeated,
    /// A final refusal.
    Refused(u16),
}

impl InnerLeg {
    const fn new(carrier: Carrier, kind: DeviceKind) -> Self {
        Self {
            carrier,
            kind,
            earlier: Vec::new(),
            has_progressed: false,
            invite: None,
            cancel: None,
            dialog: None,
            ack: None,
            bye: None,
            sdp: Bytes::new(),
            bye_received: None,
            gone_at: None,
        }
    }

    /// Notes the INVITE that goes out.
    pub(super) fn invite(&mut self, invite: Message) {
        self.invite = Some(invite);
    }

    /// Whether an INVITE went out.
    pub(super) const fn is_invited(&self) -> bool {
        self.invite.is_some()
    }

    /// Whether a desk phone is offered nothing but encrypted media.
    pub(super) fn offers_keys(&self) -> bool {
        self.kind == DeviceKind::SecureDesk
    }

    /// Whether the INVITE was taken back.
    pub(super) const fn is_taken_back(&self) -> bool {
        self.cancel.is_some()
    }

    /// Whether the 2xx was acknowledged.
    pub(super) const fn is_acknowledged(&self) -> bool {
        self.ack.is_some()
    }

    /// Whether the device was told that another one answered.
    pub(super) fn was_elsewhere(&self) -> bool {
        self.cancel.as_ref().is_some_and(|cancel| cancel.elsewhere)
    }

    /// The dialog with a device that answered.
    pub(super) const fn dialog(&mut self) -> Option<&mut Dialog> {
        self.dialog.as_mut()
    }

    /// When the leg is given up.
    pub(super) const fn gone_at(&self) -> Option<Timestamp> {
        self.gone_at
    }

    /// Whether a response belongs to the INVITE of this leg.
    pub(super) fn is_answer_to_invite(&self, response: &Message) -> bool {
        let branch = |message: &Message| message.top_via().and_then(|via| via.branch().map(str::to_owned));
        response.method() == &Method::Invite
            && self.invite.as_ref().is_some_and(|invite| branch(invite) == branch(response))
    }

    /// Takes in a response to the INVITE; `None` if it tells nothing.
    pub(super) fn take_answer(&mut self, response: &Message) -> Option<Answer> {
        self.has_progressed = true;
        match response.status()? {
            // It got the INVITE twice (RFC 3261 §8.2.2.2); the one that came first counts.
            482 if !self.earlier.is_empty() => None,
            100 => Some(Answer::Progressed { rings: false }),
            status @ 101..200 => Some(Answer::Progressed { rings: status == 180 }),
            200..300 if self.dialog.is_some() => Some(Answer::Repeated),
            200..300 => {
                self.dialog = Dialog::of_caller(self.invite.as_ref()?, response);
                self.dialog.is_some().then(|| Answer::Answered(response.body()))
            }
            status => Some(Answer::Refused(status)),
        }
    }

    /// The INVITE to be sent once more to a desk phone that gave no sign of having got it.
    pub(super) fn invite_again(&mut self) -> Option<Message> {
        let Carrier::Transactions { invite: Some(id), .. } = self.carrier else { return None };
        if self.has_progressed || self.cancel.is_some() {
            return None;
        }
        self.earlier.push(id);
        self.invite.clone()
    }

    /// Whether the INVITE went out more than once.
    pub(super) const fn was_repeated(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// The transactions of the INVITE; more than one if it went out more than once.
    pub(super) fn invitations(&self) -> Vec<ClientId> {
        let Carrier::Transactions { invite, .. } = self.carrier else { return Vec::new() };
        self.earlier.iter().copied().chain(invite).collect()
    }

    /// Whether a transaction is one of the INVITE, but no longer the one that counts.
    pub(super) fn is_outdated(&self, id: ClientId) -> bool {
        self.earlier.contains(&id)
    }

    /// The ACK of the 2xx; it says so if the answer came too late, lest the device starts to talk.
    pub(super) fn ack(&mut self, edge: &Edge, too_late: Option<Ending>, random: &mut Random) -> Option<Message> {
        if self.ack.is_none() {
            let start = self.dialog.as_ref()?.ack(self.invite.as_ref()?);
            let start = self.carrier.with_via(start, edge, random);
            self.ack = Some(with_reason(start, too_late).build());
        }
        self.ack.clone()
    }

    /// The ACK of a refusal: it belongs to the transaction of the INVITE (RFC 3261 §17.1.1.3), which sends it itself if
    /// there is one.
    pub(super) fn ack_refusal(&self, response: &Message) -> Option<Message> {
        let invite = self.invite.as_ref()?;
        let ack = RequestBuilder::new(Method::Ack, &invite.request_uri()?)
            .via(&invite.top_via()?)
            .from(&invite.from())
            .to(&response.to())
            .call_id(invite.call_id())
            .cseq(invite.cseq().number);
        Some(ack.build())
    }

    /// Takes the INVITE back.
    ///
    /// At once, though RFC 3261 §9.1 waits for a 1xx lest CANCEL overtakes the INVITE: a connection keeps its order, and a
    /// phone that was suspended all the while would begin to ring for a call that nobody remembers. Transactions wait.
    pub(super) fn cancel(&mut self, now: Timestamp, elsewhere: bool) -> Option<Message> {
        if self.cancel.is_some() {
            return None;
        }
        let invite = self.invite.as_ref()?;
        let start = RequestBuilder::new(Method::Cancel, &invite.request_uri()?);
        let start = invite.top_via().into_iter().fold(start, |start, via| start.via(&via));
        let start = start.from(&invite.from()).to(&invite.to()).call_id(invite.call_id()).cseq(invite.cseq().number);
        let sent = with_reason(start, elsewhere.then_some(Ending::Elsewhere)).build();
        self.gone_at = Some(now + PATIENCE);
        self.cancel = Some(Cancel { elsewhere, sent: sent.clone() });
        Some(sent)
    }

    /// The BYE to a device that answered; `None` if there is no dialog or the device ended it itself.
    pub(super) fn bye(
        &mut self,
        now: Timestamp,
        edge: &Edge,
        ending: Option<Ending>,
        random: &mut Random,
    ) -> Option<Message> {
        if self.bye.is_some() || self.bye_received.is_some() {
            return None;
        }
        let start = self.dialog.as_mut()?.request(Method::Bye);
        let start = self.carrier.with_via(start, edge, random);
        self.gone_at = Some(now + PATIENCE);
        self.bye = Some(with_reason(start, ending).build());
        self.bye.clone()
    }

    /// What the device has not answered, in the order it must come. Not the INVITE once it was taken back: a device that
    /// never got it must not ring.
    pub(super) fn unanswered(&self) -> Vec<Bytes> {
        if let Some(bye) = &self.bye {
            return self.ack.iter().chain([bye]).map(|message| message.as_bytes().clone()).collect();
        }
        if self.dialog.is_some() {
            return Vec::new();
        }
        if let Some(cancel) = &self.cancel {
            return vec![cancel.sent.as_bytes().clone()];
        }
        self.invite.iter().map(|invite| invite.as_bytes().clone()).collect()
    }
}

impl Carrier {
    /// Where the INVITE to a desk phone went.
    pub(super) const fn flow(self) -> Option<Hop> {
        match self {
            Self::Connection => None,
            Self::Transactions { flow, .. } => Some(flow),
        }
    }

    /// A request with its Via, unless that is left to transactions.
    pub(super) fn with_via(self, start: RequestBuilder, edge: &Edge, random: &mut Random) -> RequestBuilder {
        match self {
            Self::Connection => start.header("Via", edge.via(random)),
            Self::Transactions { .. } => start,
        }
    }
}

fn with_reason(request: RequestBuilder, ending: Option<Ending>) -> RequestBuilder {
    match ending {
        Some(Ending::Elsewhere) => request.header("Reason", ELSEWHERE),
        Some(Ending::Over) => request.header("Reason", OVER),
        None => request,
    }
}

/// How the edge names itself to devices.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) domain: String,
}

impl Edge {
    /// A new Via.
    pub(super) fn via(&self, random: &mut Random) -> String {
        format!("SIP/2.0/WSS {};branch={}{};rport", self.domain, Via::MAGIC_COOKIE, random.token(16))
    }
}

/// The inner legs of all calls; a leg outlives its call until the device has confirmed the end.
#[derive(Debug, Default)]
pub(super) struct InnerLegs {
    legs: BTreeMap<DeviceId, BTreeMap<CallId, InnerLeg>>,
    by_call_id: BTreeMap<String, (DeviceId, CallId)>,
    /// The requests to desk phones.
    pub(super) by_client: BTreeMap<ClientId, (DeviceId, CallId)>,
}

impl InnerLegs {
    /// A leg whose offer is being made.
    pub(super) fn begin(&mut self, device: DeviceId, call: CallId, carrier: Carrier, kind: DeviceKind) {
        self.legs.entry(device).or_default().insert(call, InnerLeg::new(carrier, kind));
    }

    pub(super) fn leg(&mut self, device: DeviceId, call: CallId) -> Option<&mut InnerLeg> {
        self.legs.get_mut(&device)?.get_mut(&call)
    }

    /// Notes the Call-ID under which the device's messages will come.
    pub(super) fn name(&mut self, call_id: &str, device: DeviceId, call: CallId) {
        self.by_call_id.insert(call_id.to_owned(), (device, call));
    }

    /// The call of a message from a device: the Call-ID must be one that this very device was given.
    pub(super) fn owner(&self, call_id: &str, device: DeviceId) -> Option<CallId> {
        let (owner, call) = self.by_call_id.get(call_id)?;
        (*owner == device).then_some(*call)
    }

    /// The desk phone and the call of a message that came over no phone's connection.
    pub(super) fn desk_owner(&self, call_id: &str) -> Option<(DeviceId, CallId)> {
        let (device, call) = *self.by_call_id.get(call_id)?;
        let leg = self.legs.get(&device)?.get(&call)?;
        matches!(leg.carrier, Carrier::Transactions { .. }).then_some((device, call))
    }

    /// The calls that a device has legs of.
    pub(super) fn calls_of(&self, device: DeviceId) -> Vec<CallId> {
        self.legs.get(&device).into_iter().flat_map(BTreeMap::keys).copied().collect()
    }

    pub(super) fn remove(&mut self, device: DeviceId, call: CallId) {
        let Some(legs) = self.legs.get_mut(&device) else { return };
        let leg = legs.remove(&call);
        if legs.is_empty() {
            self.legs.remove(&device);
        }
        if let Some(invite) = leg.and_then(|leg| leg.invite) {
            self.by_call_id.remove(invite.call_id());
        }
    }
}
