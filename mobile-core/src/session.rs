//! Everything an app can ask of the phone.
//!
//! A [`Session`] is one installation: its store, its account, its calls. Commands return at once or when the work is
//! done; what happens by itself comes as [`Event`](crate::events::Event)s. Every command is accepted in every state: an
//! answer before the INVITE waits for it, an end of a call that is over does nothing.

mod calls;
mod dialling;
mod enrolment;
mod records;
pub(crate) mod shared;
mod sync;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;

use callfield_domain::wake::PublicKey;
use callfield_domain::{CallId, Random, RecordId, Timestamp, UserId};
use serde::Serialize;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::audio::AudioPort;
use crate::clock::Clock;
use crate::event_loop::{self, Command};
use crate::events::Stamped;
use crate::journal::{self, JournalError};
use crate::platform::{self, NoRandomness, Platform};
use crate::push::Known;
use crate::store::{Store, StoreError};
use crate::transport::{ApiError, TransportError};
use crate::writer::WriteError;

pub use callfield_sync::protocol::Reason as SyncReason;
pub use enrolment::EnrolWith;
pub use records::{RecordConflict, RecordDetail};
pub use sync::Synced;

use shared::Shared;

/// One phone; clones are the same phone, and it stops with the last of them.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    syncing: Arc<tokio::sync::Mutex<()>>,
    _until_dropped: Arc<DropGuard>,
}

/// Why the phone could not do as asked.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The installation belongs to no account yet.
    #[error("this phone is not enrolled")]
    NotEnrolled,
    /// An emergency number is for the phone's own dialler.
    #[error("emergency numbers are called with the phone's own dialler")]
    Emergency,
    /// The text is no number.
    #[error("this is no phone number")]
    NoNumber,
    /// The server cannot be reached, or refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The connection's settings are wrong.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The journal refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sync was cancelled or took too long; the next goes on where it stopped.
    #[error("the sync was stopped")]
    Stopped,
    /// The operating system gave no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl SessionError {
    /// The whole chain of causes in one line.
    pub fn reason(&self) -> String {
        let mut reason = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        reason
    }
}

/// How the phone stands.
#[derive(Debug, Clone, Serialize)]
pub struct State {
    /// The account, if there is one.
    pub account: Option<AccountState>,
    /// Whether connections can be made.
    pub is_online: bool,
    /// The calls that ring or are being talked on.
    pub live_calls: Vec<CallId>,
    /// Changes that wait to be sent.
    pub unsent: u32,
}

/// Whose phone it is.
#[derive(Debug, Clone, Serialize)]
pub struct AccountState {
    /// The server's URL.
    pub server_url: String,
    /// The company's name.
    pub tenant_name: String,
    /// The person.
    pub user: UserId,
    /// The person's name.
    pub user_name: String,
    /// When the last sync was complete.
    pub synced_at: Option<Timestamp>,
}

impl Session {
    /// Opens the phone whose store is in the platform's folder. Must be called inside a tokio runtime, which then
    /// carries the phone's calls.
    ///
    /// # Errors
    /// [`SessionError::Store`] or [`SessionError::NoRandomness`].
    pub fn open(platform: Platform, clock: Clock, audio: Arc<dyn AudioPort>) -> Result<Self, SessionError> {
        let mut random = Random::new(platform::seed()?);
        let store = Store::open(&platform.data_dir)?;
        let now = clock.now();
        let (install, calls) = store.write::<_, StoreError>(|tx| {
            journal::end_calls_of_a_killed_process(tx, now)?;
            Ok((tx.install(now, &mut random)?, tx.known_calls()?))
        })?;
        let shared = Arc::new(Shared::new((platform, clock, audio), store, install.secret, over(calls), random));
        let stop = CancellationToken::new();
        let commands = event_loop::start(Arc::clone(&shared), stop.clone());
        Ok(Self { shared, commands, syncing: Arc::default(), _until_dropped: Arc::new(stop.drop_guard()) })
    }

    /// Everything that happens from here on.
    pub fn subscribe(&self) -> broadcast::Receiver<Stamped> {
        self.shared.events.subscribe()
    }

    /// How the phone stands.
    ///
    /// # Errors
    /// The store's failure.
    pub fn state(&self) -> Result<State, SessionError> {
        let (account, unsent) =
            self.shared.store.read::<_, StoreError>(|tx| Ok((tx.account()?, tx.outgoing_count()?)))?;
        let live = |known: &Known| *known == Known::Live;
        let calls = self.shared.calls();
        Ok(State {
            account: account.map(|account| AccountState {
                server_url: account.server_url,
                tenant_name: account.tenant_name,
                user: account.user,
                user_name: account.user_name,
                synced_at: account.synced_at,
            }),
            is_online: self.shared.network.is_on(),
            live_calls: calls.iter().filter(|(_, known)| live(known)).map(|(call, _)| *call).collect(),
            unsent,
        })
    }

    /// The key that wakes for this installation are sealed to.
    pub fn public_key(&self) -> PublicKey {
        self.shared.secret.public_key()
    }

    /// The clock that events are stamped with.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The way out, for what the app itself fetches.
    pub fn network(&self) -> &crate::transport::Network {
        &self.shared.network
    }

    pub(crate) fn country(&self) -> String {
        self.shared.country()
    }

    fn tell_record_changed(&self, record: RecordId) {
        self.shared.tell(crate::events::Event::RecordChanged { record });
    }
}

/// The calls that are over; one that was live when the process died may ring again.
fn over(calls: BTreeMap<CallId, Known>) -> BTreeMap<CallId, Known> {
    calls.into_iter().filter(|(_, known)| *known != Known::Live).collect()
}
