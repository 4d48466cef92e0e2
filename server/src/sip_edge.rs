//! Sockets around the pure switchboard: UDP, TCP and TLS for trunks, WebSockets for devices, and the shell's answers.
//!
//! Everything meets in one event loop on a thread of its own, so the switchboard needs no lock. What takes long (routes,
//! rows) is done by tasks whose answers come back as inputs.

mod callback;
mod destination;
mod event_loop;
mod journal;
mod known_calls;
mod latency;
mod logins;
mod outbound;
mod parked;
mod registering;
mod resolver;
mod route;
mod sockets;
mod softphones;
mod strangers;
mod streams;
mod thread;
pub mod websocket;

pub use resolver::{Carrier, Hop, ResolveError, Resolver};
pub use sockets::{BindError, Sockets};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callfield_domain::Random;
use callfield_sip::digest::Algorithm;
use callfield_sip::switchboard::{OutboundCaps, Settings, Switchboard};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::edge_port::EdgeCommand;
use crate::app::reachable::reachable;
use crate::config::{Digest, Telephony};
use crate::media_relay::MediaRelays;
use callback::Waiting as Callbacks;
use event_loop::{EventLoop, Inboxes};
use journal::Journal;
use known_calls::KnownCalls;
use latency::Latencies;
use parked::Parked;
use strangers::{Strangers, TrunkSources};
use streams::{Limits, Streams};

/// Answers that may wait for the loop.
const INBOX_MAX: usize = 4_096;
/// Stretches and frames that may wait for it, 64 kB each at most.
const STREAMS_INBOX_MAX: usize = 512;
/// Connections that may wait for it.
const ARRIVALS_MAX: usize = 64;

/// Serves SIP on `sockets` until `stop`, then writes what is still to be written.
pub async fn run(app: App, sockets: Sockets, commands: mpsc::Receiver<EdgeCommand>, stop: CancellationToken) {
    sockets.log_receive_buffer();
    journal::repair(&app).await;
    let (answers, answers_inbox) = mpsc::channel(INBOX_MAX);
    let (stream_events, streams_inbox) = mpsc::channel(STREAMS_INBOX_MAX);
    let (arrivals, arrivals_inbox) = mpsc::channel(ARRIVALS_MAX);
    let (trunks_known, trunks) = watch::channel(TrunkSources::new());
    tokio::spawn(strangers::keep_trunks_known(app.clone(), trunks_known, stop.clone()));
    let (journal, writing) = Journal::start(&app, answers.clone());
    let writing = tokio::spawn(writing);
    tokio::spawn(registering::keep_registering(app.clone(), answers.clone(), stop.clone()));
    let switchboard = Switchboard::new(settings(&app, &sockets), app.random().seed(), app.now());
    let random = Random::new(app.random().seed());
    let media = MediaRelays::new(&app.config.media, app.clock.clone(), random);
    let over = app.over();
    let Sockets { udp, listeners } = sockets;
    tokio::spawn(listeners.hand_over(arrivals, stop.clone()));
    let streams = Streams::new(stream_events, Limits::of(&app.config.sip));
    let udp = udp.map(UdpSocket::into_std).transpose();
    let inboxes = Inboxes { commands, answers: answers_inbox, streams: streams_inbox, arrivals: arrivals_inbox };
    let parts = move || -> std::io::Result<EventLoop> {
        Ok(EventLoop {
            media,
            switchboard,
            udp: udp?.map(UdpSocket::from_std).transpose()?.map(Arc::new),
            streams,
            strangers: Strangers::new(trunks),
            journal,
            answers,
            latencies: Latencies::default(),
            parked: Parked::default(),
            known: KnownCalls::default(),
            callbacks: Callbacks::default(),
            ending: None,
            app,
        })
    };
    let work = move || -> thread::Work {
        Box::pin(async move {
            match parts() {
                Ok(event_loop) => event_loop.run(inboxes, stop).await,
                Err(error) => tracing::error!(%error, "the edge's socket cannot be used on its thread"),
            }
        })
    };
    thread::run(work, over).await;
    if writing.await.is_err() {
        tracing::error!("the journal of calls broke off");
    }
}

fn settings(app: &App, sockets: &Sockets) -> Settings {
    let config = &app.config.sip;
    Settings {
        udp_address: reached_at(&config.public_address, sockets.udp_address()),
        tcp_address: reached_at(&config.public_address, sockets.tcp_address()),
        tls_address: reached_at(&config.public_address, sockets.tls_address()),
        ring_limit: Duration::from_millis(config.ring_ms),
        push_providers: app.push_support.providers(),
        digest: config.digest.iter().map(|digest| algorithm(*digest)).collect(),
        outbound_caps: caps(&app.config.telephony),
        ..Settings::new(&config.domain, "")
    }
}

const fn algorithm(digest: Digest) -> Algorithm {
    match digest {
        Digest::Md5 => Algorithm::Md5,
        Digest::Sha256 => Algorithm::Sha256,
    }
}

fn caps(config: &Telephony) -> OutboundCaps {
    OutboundCaps {
        user_calls: config.user_calls,
        user_calls_a_minute: config.user_calls_a_minute,
        company_calls: config.company_calls,
        company_calls_a_minute: config.company_calls_a_minute,
    }
}

/// `host:port` under which trunks reach a socket: the configured host, or the address it is bound to, or that of the
/// interface with the default route if that is all of them.
fn reached_at(public_address: &str, bound: Option<SocketAddr>) -> String {
    match bound {
        None => public_address.to_owned(),
        Some(bound) if public_address.is_empty() => SocketAddr::new(reachable(bound.ip()), bound.port()).to_string(),
        Some(bound) => format!("{public_address}:{}", bound.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_is_told_the_configured_host_or_an_address_that_it_can_reach() {
        let bound = |text: &str| Some(text.parse().unwrap());
        assert_eq!(reached_at("sip.example", bound("0.0.0.0:5060")), "sip.example:5060");
        assert_eq!(reached_at("", bound("127.0.0.1:5080")), "127.0.0.1:5080");
        let found: SocketAddr = reached_at("", bound("0.0.0.0:5060")).parse().unwrap();
        assert_eq!((found.port(), found.ip()), (5060, reachable([0, 0, 0, 0].into())));
    }
}
