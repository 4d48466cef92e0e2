//! The leg to the far end of an outbound call: an INVITE to a trunk, and what follows.

use bytes::Bytes;
use callfield_domain::Random;

use crate::dialog::Dialog;
use crate::message::{Message, Method, NameAddr, RequestBuilder};
use crate::switchboard::outer::{ALLOW, next_hop_of};
use crate::switchboard::{DialPlan, Settings};
use crate::transaction::{ClientId, Flow, ServerId};
use crate::uri::{Uri, UriError};

/// The leg to the far end.
#[derive(Debug)]
pub(super) struct Far {
    /// The transaction of the INVITE, while it lives.
    pub(super) client: Option<ClientId>,
    flow: Flow,
    invite: Message,
    dialog: Option<Dialog>,
    ack: Option<Message>,
    /// The SDP of the far end's 2xx.
    pub(super) sdp: Bytes,
    /// The transaction of the BYE, until it is over.
    pub(super) bye: Option<ClientId>,
    is_over: bool,
    /// BYEs of the far end that are answered when the row is durable.
    pub(super) unanswered: Vec<(ServerId, Message)>,
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
    /// The leg that calls what `plan` says.
    ///
    /// # Errors
    /// When a number of the plan cannot stand in a URI.
    pub(super) fn new(plan: &DialPlan, settings: &Settings, sdp: Bytes, random: &mut Random) -> Result<Self, UriError> {
        let number =
            |number: &str, host: &str, port| Ok(Uri::sip(Some(number), host, port)?.with_param("user", Some("phone")));
        let host = match plan.trunk {
            std::net::SocketAddr::V4(trunk) => trunk.ip().to_string(),
            std::net::SocketAddr::V6(trunk) => format!("[{}]", trunk.ip()),
        };
        let target = number(&plan.called, &host, Some(plan.trunk.port()))?;
        let caller = number(&plan.caller, &settings.domain, None)?;
        let invite = RequestBuilder::new(Method::Invite, &target)
            .from(&NameAddr::new(None, &caller).with_tag(&random.token(16)))
            .to(&NameAddr::new(None, &target))
            .call_id(&random.token(32))
            .cseq(1)
            .header("Contact", format!("<sip:edge@{}>", settings.udp_address))
            .header("Allow", ALLOW)
            .body("application/sdp", sdp)
            .build();
        Ok(Self {
            client: None,
            flow: Flow::Udp(plan.trunk),
            invite,
            dialog: None,
            ack: None,
            sdp: Bytes::new(),
            bye: None,
            is_over: false,
            unanswered: Vec::new(),
        })
    }

    /// The INVITE, without a Via.
    pub(super) fn invite(&self) -> Message {
        self.invite.clone()
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
    pub(super) fn take_success(&mut self, response: &Message) -> Success {
        match &self.dialog {
            Some(dialog) if response.to().tag() == Some(dialog.remote_tag()) => Success::Again,
            Some(_) => {
                let Some(mut stray) = Dialog::of_caller(&self.invite, response) else { return Success::Unusable };
                Success::Stray { ack: stray.ack(&self.invite).build(), bye: stray.request(Method::Bye).build() }
            }
            None => {
                let Some(dialog) = Dialog::of_caller(&self.invite, response) else { return Success::Unusable };
                self.ack = Some(dialog.ack(&self.invite).build());
                self.dialog = Some(dialog);
                self.sdp = response.body();
                Success::Answered
            }
        }
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

    /// Whether nothing is owed to the far end, or expected of it.
    pub(super) fn is_done(&self) -> bool {
        self.client.is_none() && self.bye.is_none() && self.unanswered.is_empty()
    }
}
