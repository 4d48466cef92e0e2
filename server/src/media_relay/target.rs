//! The media of a transfer: somebody else is called with a socket of its own, and takes the device's place.
//!
//! The outside leg keeps its port. The target offers nothing: it gets the codecs of the outside leg, since the relay
//! translates nothing.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use callfield_domain::CallId;
use callfield_media::relay::Side;
use callfield_media::sdp::{Agreement, Negotiation, Security, Wish};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{CallMedia, MediaRelays, named, refused};
use crate::app::clock::Clock;

/// Somebody who is called to take the device's place.
pub(super) struct Target {
    socket: Arc<UdpSocket>,
    leg: Negotiation,
}

impl MediaRelays {
    /// The SDP offer for somebody to whom the outside end is to be passed on; `None` if no port is free.
    pub fn offer_target(&mut self, call: CallId) -> Option<Bytes> {
        let media = self.calls.get_mut(&call)?;
        let codecs = media.outside_leg.as_ref()?.agreement()?.codecs();
        let _sockets_of = self.tasks.enter();
        let Ok(socket) = self.ports.bind() else {
            tracing::error!(%call, "no port of media.port_min to media.port_max is free");
            return None;
        };
        let mut leg = Negotiation::new(named(self.address, &socket)?, &mut self.random);
        let sdp = leg.offer(&Wish::new(Security::Plain).codecs(&codecs));
        media.target = Some(Target { socket: Arc::new(socket), leg });
        Some(Bytes::from(sdp))
    }

    /// Gives the target that answered the place of the device; whether the two share a codec. The outside leg is to be
    /// renewed: it may have been held, and the target may take fewer codecs.
    pub fn join_target(&mut self, call: CallId, target_sdp: &[u8]) -> bool {
        let Some(media) = self.calls.get_mut(&call) else { return false };
        let Some(mut target) = media.target.take() else { return false };
        match target.leg.receive_answer(target_sdp) {
            Ok(agreed) => media.replace_device(&self.clock, &self.tasks, target, &agreed).is_some(),
            Err(error) => {
                refused(call, &error);
                false
            }
        }
    }

    /// Lets go of what was made for a target that is not joined.
    pub fn end_target(&mut self, call: CallId) {
        if let Some(media) = self.calls.get_mut(&call) {
            media.target = None;
        }
    }
}

impl CallMedia {
    /// The device's packets do not reach the relay any more: what it sends late must not be taken for the target's.
    fn replace_device(&mut self, clock: &Clock, tasks: &Handle, target: Target, agreed: &Agreement) -> Option<()> {
        self.stop.cancel();
        self.stop = CancellationToken::new();
        self.relay.lock().unwrap_or_else(PoisonError::into_inner).disconnect(Side::B);
        self.towards_devices = target.socket;
        self.connect(clock, Side::B, agreed)?;
        self.wills.set(Side::B, agreed.direction.reversed());
        self.device_leg = Some(target.leg);
        self.pump(clock, tasks);
        Some(())
    }
}
