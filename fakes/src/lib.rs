//! Stand-ins for APNs and FCM that are as strict as the real services.
//!
//! [`FakeApns`] and [`FakeFcm`] speak TLS and HTTP/2 only, verify every signature and refuse what the real services
//! refuse, with the same words. What they accept lies in a [`Delivery`]: the phones, what was pushed to them, the
//! ledger of every answer and the faults that were ordered. [`Control`] shows a `Delivery` over plain HTTP on
//! loopback, so that a headless phone can wait for its pushes. [`FakePush`] is all of it together.
//!
//! ```no_run
//! # async fn example() -> Result<(), callfield_fakes::FakeError> {
//! use callfield_fakes::{FakePush, Service};
//!
//! let fakes = FakePush::start().await?;
//! let token = fakes.delivery.install(Service::Apns, &fakes.apns.account().voip_topic());
//! // … let a sender push to `token` at `fakes.apns.url()`, trusting `fakes.authority.pem()` …
//! assert!(fakes.delivery.pushes(&token, None).is_empty());
//! # Ok(())
//! # }
//! ```

mod apns;
mod authority;
mod clock;
mod control;
mod delivery;
mod fake_push;
mod fcm;
mod h2_listener;

pub use apns::{ApnsAccount, FakeApns};
pub use authority::Authority;
pub use clock::Clock;
pub use control::Control;
pub use delivery::faults::{Fault, FaultOrder};
pub use delivery::ledger::LedgerEntry;
pub use delivery::{Delivery, Push, Service};
pub use fake_push::FakePush;
pub use fcm::{FakeFcm, FcmAccount};

/// Why a fake could not start.
#[derive(Debug, thiserror::Error)]
pub enum FakeError {
    /// A key or certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// An RSA key could not be made or written.
    #[error("cannot make an RSA key: {0}")]
    RsaKey(String),
    /// A public key that was just made could not be read back.
    #[error("cannot read a public key")]
    PublicKey(#[from] jsonwebtoken::errors::Error),
    /// A port could not be opened or a file not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
