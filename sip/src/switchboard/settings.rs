//! What a shell may set of the switchboard.

use std::time::Duration;

use super::PushProvider;
use crate::digest::Algorithm;
use crate::session::TimerSettings;

/// The longest a call may ring, whatever the settings say.
pub const RING_CAP: Duration = Duration::from_secs(120);

/// How much a user and a company may call out: the loss that a stolen phone may cause. A call beyond it is refused with 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboundCaps {
    /// Calls of a user at once.
    pub user_calls: u32,
    /// Calls that a user begins in any minute.
    pub user_calls_a_minute: u32,
    /// Calls of a company at once.
    pub company_calls: u32,
    /// Calls that a company begins in any minute.
    pub company_calls_a_minute: u32,
}

impl Default for OutboundCaps {
    fn default() -> Self {
        Self { user_calls: 4, user_calls_a_minute: 20, company_calls: 100, company_calls_a_minute: 200 }
    }
}

/// Settings of a [`Switchboard`](super::Switchboard).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The SIP domain of the phones, as in `sip:<user id>@<domain>`.
    pub domain: String,
    /// `host:port` under which trunks reach the edge over UDP: goes into its Via and Contact.
    pub udp_address: String,
    /// `host:port` under which trunks reach the edge over TCP: goes into its Via and Contact.
    pub tcp_address: String,
    /// `host:port` under which trunks reach the edge over TLS: goes into its Via and Contact.
    pub tls_address: String,
    /// How long a call is parked or rings before it is given up; at most [`RING_CAP`].
    pub ring_limit: Duration,
    /// How long after the first push of a device each further one goes out, as long as the call still waits for it.
    pub push_retries: Vec<Duration>,
    /// How long a live connection may leave an INVITE without 1xx before its device is pushed too.
    pub silence_limit: Duration,
    /// How long a device stays registered at most.
    pub binding_lifetime: Duration,
    /// How long a desk phone stays registered at most: brief, because nothing tells when it is gone, and the way to it
    /// through a router stays open only as long as it speaks.
    pub desk_lifetime: Duration,
    /// The push services that softphones may name; another one is answered 555.
    pub push_providers: Vec<PushProvider>,
    /// The hashes that desk phones may prove their password with.
    pub digest: Vec<Algorithm>,
    /// How long a call's row may take to become durable before the far end is answered without it.
    pub persist_limit: Duration,
    /// How long an ended call is remembered for devices that ask late.
    pub memory: Duration,
    /// How many ended calls are remembered at most.
    pub memory_size: usize,
    /// After how many seconds a session with a trunk is over unless it is refreshed (RFC 4028): nobody else tells that the
    /// other end has vanished. `None`: only if the trunk asks for it.
    pub session_interval_s: Option<u32>,
    /// How much a user and a company may call out.
    pub outbound_caps: OutboundCaps,
    /// How many calls may live at once; one more is answered 503.
    pub max_calls: usize,
}

impl Settings {
    /// What is asked of session timers of trunks.
    pub(super) fn session_timer(&self) -> TimerSettings {
        TimerSettings { interval_s: self.session_interval_s, ..TimerSettings::default() }
    }

    /// The defaults for a domain, reached by trunks at `address` (`host:port`) over UDP, TCP and TLS.
    pub fn new(domain: &str, address: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            udp_address: address.to_owned(),
            tcp_address: address.to_owned(),
            tls_address: address.to_owned(),
            ring_limit: Duration::from_secs(45),
            push_retries: vec![Duration::from_secs(4), Duration::from_secs(12)],
            silence_limit: Duration::from_secs(2),
            binding_lifetime: Duration::from_secs(3_600),
            desk_lifetime: Duration::from_secs(300),
            push_providers: Vec::new(),
            digest: vec![Algorithm::Sha256, Algorithm::Md5],
            persist_limit: Duration::from_secs(20),
            memory: Duration::from_secs(600),
            memory_size: 10_000,
            session_interval_s: Some(1_800),
            outbound_caps: OutboundCaps::default(),
            max_calls: 20_000,
        }
    }
}
