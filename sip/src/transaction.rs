//! Transactions: a request and its answers, made reliable (RFC 3261 §17, RFC 6026).
//!
//! [`Transactions`] sits between the transports and the *user of the layer* (dialogs, switchboard, agent). It owns the
//! Via header, branches, retransmissions, timers, the ACK to a refusal, CANCEL and the automatic 100; the user owns
//! everything else, the ACK to a 2xx and the repeating of a 2xx among it (RFC 3261 §13.2.2.4, §13.3.1.4).
//!
//! - A request to send is [`Input::Request`] with a [`ClientId`] that the user chose. Each answer comes back as
//!   [`Output::Response`] with that id, the end as [`Output::ClientEnded`].
//! - A request that came is [`Output::Request`] with a [`ServerId`]. It is answered with [`Input::Respond`].
//! - [`Input::Cancel`] withdraws an INVITE: CANCEL is held back until a provisional answer came (§9.1).
//!   A CANCEL that came is answered by this layer; the user sees [`Output::Cancelled`] and answers the INVITE with 487.
//!
//! The machines know events only (started, provisional, due…), no messages. A retransmission is the stored bytes,
//! and a finished transaction keeps nothing but its last bytes.

mod client;
mod client_invite;
mod incoming;
mod key;
mod outgoing;
mod requests;
mod server;
mod server_invite;
mod step;
mod store;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::message::{Message, Verdict};

pub use store::Transactions;

/// RFC 3261 T1: the estimate of a round trip.
pub const T1: Duration = Duration::from_millis(500);
/// RFC 3261 T2: the longest time between two retransmissions.
pub const T2: Duration = Duration::from_secs(4);
/// RFC 3261 T4: how long a message may stay in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64·T1: when a transaction without an answer has failed.
pub const GIVE_UP: Duration = Duration::from_secs(32);

/// Where a message came from or goes to; what a connection id means is known to the shell alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// A datagram peer.
    Udp(SocketAddr),
    /// A connection, named by the shell.
    Connection {
        /// The shell's name for it; never used twice.
        id: u64,
        /// What Via says of it.
        transport: Transport,
    },
}

/// The transports that are connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
}

impl Flow {
    /// Whether the transport repeats lost packets itself.
    pub fn is_reliable(self) -> bool {
        matches!(self, Self::Connection { .. })
    }

    /// The transport as Via writes it.
    pub fn via_transport(self) -> &'static str {
        match self {
            Self::Udp(_) => "UDP",
            Self::Connection { transport: Transport::Tcp, .. } => "TCP",
            Self::Connection { transport: Transport::Tls, .. } => "TLS",
            Self::Connection { transport: Transport::Ws, .. } => "WS",
            Self::Connection { transport: Transport::Wss, .. } => "WSS",
        }
    }
}

/// A request that the user sends, named by the user; a name is not used again while it is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// A request that came, named by the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(u64);

/// What a store of transactions is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host` or `host:port` for the Via of requests: where UDP answers come to.
    pub sent_by: String,
    /// The most live transactions. Requests beyond it are answered 503.
    pub limit: usize,
}

/// What happens to the layer.
#[derive(Debug, Clone)]
pub enum Input {
    /// A datagram, frame or framed message came in, with the verdict of the parser.
    Received {
        /// Where it came from.
        flow: Flow,
        /// What the parser made of it.
        verdict: Verdict,
    },
    /// The user sends a request other than ACK. The layer adds the top Via.
    Request {
        /// The user's name for it.
        id: ClientId,
        /// Where it goes.
        flow: Flow,
        /// The request without a Via of ours.
        request: Message,
    },
    /// The user sends something without a transaction: the ACK to a 2xx. The layer adds the top Via to a request.
    Send {
        /// Where it goes.
        flow: Flow,
        /// The message.
        message: Message,
    },
    /// The user withdraws an INVITE that has no final answer.
    Cancel {
        /// Which one.
        id: ClientId,
        /// The value of a Reason header (RFC 3326).
        reason: Option<String>,
    },
    /// The user answers a request. After a 2xx to INVITE the same 2xx may be given again to repeat it.
    Respond {
        /// Which request.
        id: ServerId,
        /// The answer.
        response: Message,
    },
    /// A connection is gone, or a peer is known to be unreachable.
    FlowFailed {
        /// Which one.
        flow: Flow,
    },
}

/// What the layer wants done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Write these bytes.
    Transmit {
        /// Where they go.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// A new request, Via completed with the source. It waits for [`Input::Respond`].
    Request {
        /// The layer's name for it.
        id: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Message,
    },
    /// An ACK to a 2xx, or one that belongs to nothing known.
    Ack {
        /// Where it came from.
        flow: Flow,
        /// The ACK.
        request: Message,
    },
    /// The caller withdrew an INVITE that has no final answer: answer it with 487. CANCEL itself is answered.
    Cancelled {
        /// The INVITE.
        id: ServerId,
        /// The CANCEL, for its Reason.
        cancel: Message,
    },
    /// An answer to the user's request; a 2xx to INVITE each time it comes.
    Response {
        /// The user's request.
        id: ClientId,
        /// Where it came from.
        flow: Flow,
        /// The answer.
        response: Message,
    },
    /// A 2xx to an INVITE that was given up: who answered talks to nobody until told (RFC 3261 §13.2.2.4).
    Stray {
        /// Where it came from.
        flow: Flow,
        /// The answer.
        response: Message,
    },
    /// The user's request is over; its name is free again.
    ClientEnded {
        /// The user's request.
        id: ClientId,
        /// How it ended.
        ended: Ended,
    },
    /// A request that came is over.
    ServerEnded {
        /// The request.
        id: ServerId,
        /// How it ended.
        ended: Ended,
    },
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As it should: after its final answer.
    Done,
    /// A request got no final answer in time.
    Timeout,
    /// No ACK came for a refusal.
    NoAck,
    /// Its connection is gone.
    FlowFailed,
    /// The store is full; nothing was sent.
    Full,
}

/// Why the layer wants to be woken, with the letter of RFC 3261 or 6026.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A: repeat an INVITE.
    RepeatInvite,
    /// B: an INVITE got no answer at all.
    InviteTimeout,
    /// C: an INVITE got provisional answers only, for three minutes.
    RingingTimeout,
    /// D: absorb repeated refusals of an INVITE.
    AbsorbRefusals,
    /// E: repeat a request.
    RepeatRequest,
    /// F: a request got no final answer.
    RequestTimeout,
    /// G: repeat the refusal of an INVITE.
    RepeatRefusal,
    /// H: no ACK came.
    AckTimeout,
    /// I: absorb repeated ACKs.
    AbsorbAcks,
    /// J: answer repeated requests.
    AnswerRepeats,
    /// K: absorb repeated answers.
    AbsorbAnswers,
    /// L: absorb repeated INVITEs behind a 2xx (RFC 6026).
    AbsorbInvites,
    /// M: deliver repeated 2xx answers (RFC 6026).
    DeliverRepeats,
    /// 200 ms without an answer of the user to an INVITE: send 100 (RFC 3261 §17.2.1).
    SendTrying,
    /// 64·T1 after CANCEL without a final answer (RFC 3261 §9.1).
    CancelTimeout,
    /// The user of the layer forgot a request: nothing lives for ever.
    UserTimeout,
}
