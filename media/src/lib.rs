//! Media without sockets: SDP, RTP, SRTP, the relay and WAV files.
//!
//! Bytes and time come in, bytes and deadlines go out; a shell owns the sockets and the clock.
//!
//! A call through the server has two legs. Each leg has one [`sdp::Negotiation`], which turns offers and answers into an
//! [`sdp::Agreement`]. The server gives both agreements to a [`relay::Relay`], which passes packets on, protects and
//! unprotects them and follows a phone that changes its network. A phone (and the PBX of the demo) gives its agreement
//! to a [`session::MediaSession`], which turns PCM into packets and back.
//!
//! ```
//! use callfield_domain::{Random, Seed};
//! use callfield_media::sdp::{Negotiation, Offer, Security, Wish};
//!
//! let mut random = Random::new(Seed::from_number(1));
//! let from_caller = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n";
//!
//! // The server reads the caller's offer and offers SRTP to the phone.
//! let offer = Offer::parse(from_caller)?;
//! let mut phone_leg = Negotiation::new("192.0.2.9:5002".parse().unwrap(), &mut random);
//! let to_phone = phone_leg.offer(&Wish::like(&offer, Security::Required));
//!
//! // The phone answers.
//! let mut phone = Negotiation::new("198.51.100.7:6000".parse().unwrap(), &mut random);
//! let (answer, _) = phone.answer(&Offer::parse(&to_phone)?, &Wish::new(Security::Required))?;
//!
//! // The server reads the answer and answers the caller with the codec the phone has chosen.
//! let agreed = phone_leg.receive_answer(&answer)?;
//! let mut caller_leg = Negotiation::new("192.0.2.9:5000".parse().unwrap(), &mut random);
//! let (_to_caller, plain) = caller_leg.answer(&offer, &Wish::new(Security::Optional).codecs(&agreed.codecs()))?;
//! assert!(agreed.keys.is_some() && plain.keys.is_none());
//! # Ok::<(), callfield_media::sdp::SdpError>(())
//! ```
//!
//! Invariants: nothing here reads a clock, a random source, a file or a socket; bytes from the network never panic;
//! a packet that fails authentication changes nothing but a counter.

pub mod codec;
pub mod jitter;
mod leg;
pub mod relay;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod srtp;
pub mod tones;
pub mod wav;
