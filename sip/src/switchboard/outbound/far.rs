//! The leg to the far end of an outbound call: an INVITE to a trunk, and what follows.

use bytes::Bytes;
use callfield_domain::{Random, Timestamp};

use crate::dialog::Dialog;
use crate::message::{Message, Method, NameAddr, RequestBuilder};
use crate::session::Terms;
use crate::switchboard::outer::{ALLOW, next_hop_of};
use crate::switchboard::{DialPlan, Hop, Settings, TrunkAccount};
use crate::transaction::{ClientId, Flow, GIVE_UP, ServerId};
use crate::uri::{Uri, UriError};

/// The leg to the far end.
#[derive(Debug)]
pub(super) struct Far {
    /// The transaction of the INVITE, while it lives.
    pub(super) client: Option<ClientId>,
    flow: Flow,
    invite: Message,
    pub(super) account: Option<TrunkAccount>,
    /// Whether the INVITE, or the BYE, was sent again with a proof.
    has_proved: Proved,
    terms: Terms,
    dialog: Option<Dialog>,
    ack: Option<Message>,
    /// The SDP of the far end's 2xx.
    pub(super) sdp: Bytes,
    /// The transaction of the BYE, until it is over.
    pub(super) bye: Option<ClientId>,
    is_over: bool,
    /// Until when an answer may come though the INVITE was given up.
    lingers_until: Option<Timestamp>,
    /// BYEs of the far end that are answered when the row is durable.
    pub(super) unanswered: Vec<(ServerId, Message)>,
}

/// What was proved once: a second refusal is the last word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Proved {
    invite: bool,
    bye: bool,
    /// Whether the INVITE was sent again with a longer session.
    interval: bool,
}

/// What a 2xx was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Success {
    /// The first.
    Answered,
    /// The same again: its ACK was lost.
    Again,
    /// That of another branch of a fork: it is acknowledged and ended at once (RFC 3261 §13.2.2.4).
    Stray { ack: Message, bye: Message },
    /// It makes no dialog.
    Unusable,
}

impl Far {
    /// The leg that calls what `plan` says, over one of its trunks.
    ///
    /// # Errors
    /// When a number of the plan cannot stand in a URI.
    pub(super) fn new(
        plan: &DialPlan,
        hop: &Hop,
        settings: &Settings,
        sdp: Bytes,
        random: &mut Random,
    ) -> Result<Self, UriError> {
        let number =
            |number: &str, host: &str, port| Ok(Uri::sip(Some(number), host, port)?.with_param("user", Some("phone")));
        let host = match hop.address {
            std::net::SocketAddr::V4(address) => address.ip().to_string(),
            std::net::SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let target = number(&plan.called, &host, Some(hop.address.port()))?;
        let caller = number(&plan.caller, &settings.domain, None)?;
        let terms = Terms::new(settings.session_timer());
        let invite = RequestBuilder::new(Method::Invite, &target)
            .from(&NameAddr::new(None, &caller).with_tag(&random.token(16)))
            .to(&NameAddr::new(None, &target))
            .call_id(&random.token(32))
            .cseq(1)
            .header("Contact", format!("<sip:edge@{}>", settings.udp_address))
            .header("Allow", ALLOW);
        let invite = terms.ask(invite).body("application/sdp", sdp).build();
        Ok(Self {
            client: None,
            flow: Flow::Udp(hop.address),
            invite,
            account: hop.account.clone(),
            has_proved: Proved::default(),
            terms,
            dialog: None,
            ack: None,
            sdp: Bytes::new(),
            bye: None,
            is_over: false,
            lingers_until: None,
            unanswered: Vec::new(),
        })
    }

    /// The SDP that the INVITE offers.
    pub(super) fn offer(&self) -> Bytes {
        self.invite.body()
    }

    /// The INVITE, without a Via.
    pub(super) fn invite(&self) -> Message {
        self.invite.clone()
    }

    /// The INVITE again with what a 401 or 407 asks for (RFC 3261 §22.2); `None` if nothing is known that would help.
    pub(super) fn prove_invite(&mut self, refusal: &Message, random: &mut Random) -> Option<Message> {
        let account = self.account.as_ref().filter(|_| !std::mem::replace(&mut self.has_proved.invite, true))?;
        let number = self.invite.cseq().number + 1;
        let next = self.invite.edit().set("CSeq", format!("{number} {}", Method::Invite.as_str())).build();
        self.invite = account.prove(&next, refusal, random)?;
        Some(self.invite())
    }

    /// The INVITE again with the longer session that a 422 asks for, once; `None` if that makes no sense.
    pub(super) fn raise_invite(&mut self, refusal: &Message) -> Option<Message> {
        if std::mem::replace(&mut self.has_proved.interval, true) {
            return None;
        }
        let number = self.invite.cseq().number + 1;
        let next = self.terms.raise(&self.invite, refusal)?.edit();
        self.invite = next.set("CSeq", format!("{number} {}", Method::Invite.as_str())).build();
        Some(self.invite())
    }

    /// What was agreed on by the 2xx.
    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The BYE again with what a 401 or 407 asks for.
    pub(super) fn prove_bye(&mut self, refusal: &Message, random: &mut Random) -> Option<Message> {
        let account = self.account.as_ref().filter(|_| !std::mem::replace(&mut self.has_proved.bye, true))?;
        let bye = self.dialog.as_mut()?.request(Method::Bye).build();
        account.prove(&bye, refusal, random)
    }

    /// The Call-ID, chosen here.
    pub(super) fn call_id(&self) -> &str {
        self.invite.call_id()
    }

    /// The dialog with the far end, once it answered.
    pub(super) const fn dialog(&mut self) -> Option<&mut Dialog> {
        self.dialog.as_mut()
    }

    /// Takes in a 2xx to the INVITE.
    pub(super) fn take_success(&mut self, now: Timestamp, response: &Message) -> Success {
        match &self.dialog {
            Some(dialog) if response.to().tag() == Some(dialog.remote_tag()) => Success::Again,
            Some(_) => {
                let Some(mut stray) = Dialog::of_caller(&self.invite, response) else { return Success::Unusable };
                Success::Stray { ack: self.ack_in(&stray), bye: stray.request(Method::Bye).build() }
            }
            None => {
                let Some(dialog) = Dialog::of_caller(&self.invite, response) else { return Success::Unusable };
                self.terms.accept(now, response);
                self.ack = Some(self.ack_in(&dialog));
                self.dialog = Some(dialog);
                self.sdp = response.body();
                Success::Answered
            }
        }
    }

    /// An ACK carries the proof of its INVITE: it cannot be challenged itself (RFC 3261 §22.1).
    fn ack_in(&self, dialog: &Dialog) -> Message {
        let proofs = ["Authorization", "Proxy-Authorization"];
        let proofs = proofs.into_iter().filter_map(|name| Some((name, self.invite.header(name)?)));
        proofs.fold(dialog.ack(&self.invite), |ack, (name, proof)| ack.header(name, proof)).build()
    }

    /// The ACK of the 2xx.
    pub(super) fn ack(&self) -> Option<Message> {
        self.ack.clone()
    }

    /// Where requests in the dialog go.
    pub(super) fn reach(&self) -> Flow {
        self.dialog.as_ref().map_or(self.flow, |dialog| next_hop_of(self.flow, dialog))
    }

    /// Notes that the far end hung up.
    pub(super) const fn note_hang_up(&mut self) {
        self.is_over = true;
    }

    /// The BYE of this end; `None` if there is no dialog, or it is over.
    pub(super) fn bye(&mut self) -> Option<Message> {
        let dialog = self.dialog.as_mut()?;
        let is_first = !std::mem::replace(&mut self.is_over, true);
        is_first.then(|| dialog.request(Method::Bye).build())
    }

    /// Notes that a request is over; an INVITE that was given up may still be answered.
    pub(super) fn note_ended(&mut self, now: Timestamp, id: ClientId, is_given_up: bool) {
        let is_invite = self.client.take_if(|client| *client == id).is_some();
        self.bye.take_if(|client| *client == id);
        if is_given_up && is_invite {
            self.lingers_until = Some(now + GIVE_UP);
        }
    }

    /// When nothing more is expected of the far end; `None` if that does not depend on time.
    pub(super) const fn lingers_until(&self) -> Option<Timestamp> {
        self.lingers_until
    }

    /// Whether nothing is owed to the far end, or expected of it.
    pub(super) fn is_done(&self, now: Timestamp) -> bool {
        let is_expected = self.lingers_until.is_some_and(|until| until > now);
        !is_expected && self.client.is_none() && self.bye.is_none() && self.unanswered.is_empty()
    }
}
