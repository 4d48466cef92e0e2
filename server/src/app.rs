//! Where the parts meet: what they share, and the messages they send each other.

pub mod auth;
pub mod clock;
pub mod edge_port;
pub mod error;
pub mod metrics;
pub mod reachable;
pub mod records;
pub mod route;
pub mod softphones;
pub mod token;
pub mod trunk_login;
pub mod trunk_registrations;
pub mod vault;
pub mod wake_port;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callfield_domain::{Random, Seed, Timestamp};
use callfield_sync::Actor;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::Config;
use crate::db::Db;
use clock::Clock;
use edge_port::EdgeCommand;
use softphones::PushSupport;
use trunk_registrations::TrunkRegistrations;
use vault::Vault;
use wake_port::PushRequest;

/// What every part of the server shares; a clone is the same one.
#[derive(Clone)]
pub struct App {
    /// What the server was told.
    pub config: Arc<Config>,
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The SIP edge.
    pub edge: mpsc::Sender<EdgeCommand>,
    /// Push.
    pub wakes: mpsc::Sender<PushRequest>,
    /// Who writes the server's own changes: another one in each run, because an actor is never used again.
    pub server_actor: Actor,
    /// How the registrations at trunks stand.
    pub registrations: Arc<TrunkRegistrations>,
    /// Which apps of foreign softphones can be pushed to.
    pub push_support: Arc<PushSupport>,
    /// What seals the secrets of the database.
    pub vault: Arc<Vault>,
    random: Arc<Mutex<Random>>,
    over: CancellationToken,
    _ends_with_last: Arc<DropGuard>,
}

impl App {
    /// Joins the parts; `seed` must be one that nobody can guess. Secrets are sealed with a key of this run alone, until
    /// [`App::with_vault`] brings the one that is kept.
    pub fn new(
        config: Arc<Config>,
        db: Db,
        clock: Clock,
        seed: Seed,
        edge: mpsc::Sender<EdgeCommand>,
        wakes: mpsc::Sender<PushRequest>,
    ) -> Self {
        let mut random = Random::new(seed);
        let server_actor = Actor::new(records::server_key(&config.server.node), 1, &mut random);
        let vault = Arc::new(Vault::in_memory(&mut random));
        let registrations = Arc::default();
        let over = CancellationToken::new();
        Self {
            config,
            db,
            clock,
            edge,
            wakes,
            server_actor,
            registrations,
            push_support: Arc::default(),
            vault,
            random: Arc::new(Mutex::new(random)),
            _ends_with_last: Arc::new(over.clone().drop_guard()),
            over,
        }
    }

    /// Seals secrets with the key of `vault`.
    #[must_use]
    pub fn with_vault(self, vault: Vault) -> Self {
        Self { vault: Arc::new(vault), ..self }
    }

    /// Is cancelled when the last clone is gone.
    pub fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// Lets foreign softphones be woken that these senders can push to.
    #[must_use]
    pub fn with_push_support(self, support: PushSupport) -> Self {
        Self { push_support: Arc::new(support), ..self }
    }

    /// The time by this server's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The shared generator; hold it for one statement.
    pub fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
