//! Sockets and tasks around the pure media relay: one relay a call, one socket a leg.
//!
//! A call has one socket towards the outside (the trunk) and one towards the devices, whoever began it. Each device that is
//! rung gets an offer of its own with a key of its own; the relay believes only packets made with the key of the device
//! that answered. A device that calls offers itself, with a key; a desk phone as it likes.

mod callback;
mod changes;
mod outbound;
mod ports;
mod pump;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Random};
use callfield_media::relay::{Relay, Settings, Side};
use callfield_media::sdp::{Agreement, Negotiation, Offer, Security, Wish};
use callfield_sip::switchboard::DeviceKind;
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::app::clock::Clock;
use crate::app::reachable::reachable;
use crate::config;
use changes::Wills;
use ports::Ports;
use target::Target;

pub use changes::Changed;

/// The media of every live call.
pub struct MediaRelays {
    clock: Clock,
    random: Random,
    ports: Ports,
    /// The address SDP names.
    address: IpAddr,
    calls: BTreeMap<CallId, CallMedia>,
    /// Where packets are relayed: not on the thread of the signalling.
    tasks: Handle,
}

/// The media of one call.
struct CallMedia {
    relay: Arc<Mutex<Relay>>,
    towards_outside: Arc<UdpSocket>,
    towards_devices: Arc<UdpSocket>,
    /// What the end that began the call offered; `None` if it wants to be offered to.
    first_offer: Option<Offer>,
    outside_leg: Option<Negotiation>,
    /// Of the devices that are rung.
    device_legs: BTreeMap<DeviceId, Negotiation>,
    /// Of the device that talks.
    device_leg: Option<Negotiation>,
    wills: Wills,
    /// Of somebody who is called to take the device's place.
    target: Option<Target>,
    stop: CancellationToken,
}

impl Drop for CallMedia {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl MediaRelays {
    /// No calls yet, relayed where this is called; `random` makes keys, so nobody may guess its seed.
    pub fn new(config: &config::Media, clock: Clock, random: Random) -> Self {
        let address = config.public_address.parse().unwrap_or_else(|_| reachable(config.bind));
        let ports = Ports::new(config.bind, config.port_min..=config.port_max);
        Self { clock, random, ports, address, calls: BTreeMap::new(), tasks: Handle::current() }
    }

    /// The SDP offer for a device; `None` if the caller's offer cannot be used (a phone that calls a colleague must offer
    /// a key) or no port is free.
    pub fn offer_device(
        &mut self,
        call: CallId,
        device: DeviceId,
        kind: DeviceKind,
        caller_sdp: Option<&[u8]>,
        caller_kind: Option<DeviceKind>,
    ) -> Option<Bytes> {
        if !self.calls.contains_key(&call) {
            let caller_offer = match caller_sdp {
                Some(sdp) => {
                    let offer = match caller_kind {
                        Some(kind) => outbound::usable(kind, sdp),
                        None => Offer::parse(sdp),
                    };
                    Some(offer.inspect_err(|error| refused(call, error)).ok()?)
                }
                None => None,
            };
            self.open(call, caller_offer)?;
        }
        let media = self.calls.get_mut(&call)?;
        let security = match kind {
            DeviceKind::Phone | DeviceKind::SecureDesk => Security::Required,
            DeviceKind::Desk => Security::Plain,
        };
        let wish = match &media.first_offer {
            Some(offer) => Wish::like(offer, security),
            None => Wish::new(security),
        };
        let local = named(self.address, &media.towards_devices)?;
        let mut leg = Negotiation::new(local, &mut self.random);
        let sdp = leg.offer(&wish);
        media.device_legs.insert(device, leg);
        Some(Bytes::from(sdp))
    }

    /// Joins the device that answered with the caller; the SDP for the caller, `None` if they share no codec.
    pub fn join(&mut self, call: CallId, device: DeviceId, device_sdp: &[u8]) -> Option<Bytes> {
        let agreed = self.take_device_answer(call, device, device_sdp)?;
        let media = self.calls.get_mut(&call)?;
        let local = named(self.address, &media.towards_outside)?;
        let mut caller_leg = Negotiation::new(local, &mut self.random);
        let wish = Wish::new(Security::Optional).codecs(&agreed.codecs());
        let sdp = match &media.first_offer {
            Some(offer) => {
                let (sdp, agreed) = caller_leg.answer(offer, &wish).inspect_err(|error| refused(call, error)).ok()?;
                media.connect(&self.clock, Side::A, &agreed)?;
                media.wills.set(Side::A, offer.direction());
                sdp
            }
            None => caller_leg.offer(&wish),
        };
        media.outside_leg = Some(caller_leg);
        Some(Bytes::from(sdp))
    }

    /// Connects the device that answered, of those that were rung.
    fn take_device_answer(&mut self, call: CallId, device: DeviceId, device_sdp: &[u8]) -> Option<Agreement> {
        let media = self.calls.get_mut(&call)?;
        let mut leg = media.device_legs.remove(&device)?;
        let agreed = leg.receive_answer(device_sdp).inspect_err(|error| refused(call, error)).ok()?;
        media.connect(&self.clock, Side::B, &agreed)?;
        media.device_legs.clear();
        media.device_leg = Some(leg);
        media.wills.set(Side::B, agreed.direction.reversed());
        Some(agreed)
    }

    /// The answer of a caller that was offered to came with its ACK.
    pub fn caller_accepted(&mut self, call: CallId, sdp: &[u8]) {
        let Some(media) = self.calls.get_mut(&call) else { return };
        let Some(leg) = &mut media.outside_leg else { return };
        match leg.receive_answer(sdp) {
            Ok(agreed) => drop(media.connect(&self.clock, Side::A, &agreed)),
            Err(error) => refused(call, &error),
        }
    }

    /// Ends the media of a call and gives its ports back.
    pub fn end(&mut self, call: CallId) {
        let Some(media) = self.calls.remove(&call) else { return };
        let relay = media.relay.lock().unwrap_or_else(PoisonError::into_inner);
        for (side, label) in [(Side::A, "outside"), (Side::B, "device")] {
            let statistics = relay.statistics(side);
            tracing::debug!(%call, side = label, ?statistics, "media ended");
        }
    }

    /// Binds the sockets of a call and starts its relay, with neither side connected.
    fn open(&mut self, call: CallId, first_offer: Option<Offer>) -> Option<()> {
        let _sockets_of = self.tasks.enter();
        let pair = self.ports.bind().and_then(|outside| Ok((outside, self.ports.bind()?)));
        let Ok((towards_outside, towards_devices)) = pair else {
            tracing::error!(%call, "no port of media.port_min to media.port_max is free");
            return None;
        };
        let relay = Arc::new(Mutex::new(Relay::new(Settings::default(), self.random.seed())));
        let (towards_outside, towards_devices) = (Arc::new(towards_outside), Arc::new(towards_devices));
        let media = CallMedia {
            relay,
            towards_outside,
            towards_devices,
            first_offer,
            outside_leg: None,
            device_legs: BTreeMap::new(),
            device_leg: None,
            wills: Wills::default(),
            target: None,
            stop: CancellationToken::new(),
        };
        media.pump(&self.clock, &self.tasks);
        self.calls.insert(call, media);
        Some(())
    }
}

impl CallMedia {
    /// Starts to relay between the two sockets.
    fn pump(&self, clock: &Clock, tasks: &Handle) {
        let sockets = pump::Sockets { a: self.towards_outside.clone(), b: self.towards_devices.clone() };
        tasks.spawn(pump::run(self.relay.clone(), sockets, clock.clone(), self.stop.clone()));
    }

    fn connect(&self, clock: &Clock, side: Side, agreed: &Agreement) -> Option<()> {
        let mut relay = self.relay.lock().unwrap_or_else(PoisonError::into_inner);
        relay
            .connect(clock.now(), side, agreed)
            .inspect_err(|error| tracing::warn!(%error, "a leg has no usable key"))
            .ok()
    }
}

fn refused(call: CallId, error: &callfield_media::sdp::SdpError) {
    tracing::info!(%call, %error, "an SDP body is of no use");
    metrics::counter!("callfield_sdp_refused_total").increment(1);
}

fn named(address: IpAddr, socket: &UdpSocket) -> Option<SocketAddr> {
    Some(SocketAddr::new(address, socket.local_addr().ok()?.port()))
}
