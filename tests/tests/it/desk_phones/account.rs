//! What is typed into a desk phone.

use std::net::SocketAddr;

use anyhow::Result;
use callfield_tests::deployment::text;
use serde_json::json;

use crate::office::Office;

/// How a desk phone reaches the server, and whether it encrypts its audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// UDP, plain RTP.
    Udp,
    /// TCP, plain RTP.
    Tcp,
    /// TLS, and only SRTP.
    Tls,
    /// TLS, though the phone knows no SRTP.
    TlsPlain,
}

impl Way {
    pub(crate) const fn transport(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls | Self::TlsPlain => "tls",
        }
    }

    pub(crate) const fn is_secure(self) -> bool {
        matches!(self, Self::Tls)
    }
}

/// An account of the seeded user, and where it registers.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) device: String,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) domain: String,
    pub(crate) server: SocketAddr,
    pub(crate) way: Way,
}

impl Account {
    /// Another desk phone of the seeded user.
    pub(crate) async fn create(office: &Office, name: &str, way: Way) -> Result<Self> {
        let body = json!({ "kind": "desk", "user": office.deployment.user(), "name": name });
        let login = office.deployment.admin().post("/v1/devices", &body).await?;
        let [udp, tcp, tls] = office.places();
        let server = match way {
            Way::Udp => udp,
            Way::Tcp => tcp,
            Way::Tls | Way::TlsPlain => tls,
        };
        Ok(Self {
            device: text(&login, "device_id")?.to_owned(),
            username: text(&login, "username")?.to_owned(),
            password: text(&login, "password")?.to_owned(),
            domain: text(&login, "domain")?.to_owned(),
            server,
            way,
        })
    }
}
