//! What the session and its event loop share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callfield_domain::wake::SecretKey;
use callfield_domain::{CallId, Random, Seed};

use super::SessionError;
use crate::audio::AudioPort;
use crate::clock::Clock;
use crate::events::{Event, Events};
use crate::platform::Platform;
use crate::push::Known;
use crate::store::{Account, Store, StoreError, Tx};
use crate::transport::{Api, Network, Trust};

/// The parts of one phone.
pub(crate) struct Shared {
    pub(crate) platform: Platform,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) network: Network,
    pub(crate) events: Events,
    pub(crate) audio: Arc<dyn AudioPort>,
    /// The key that wakes are sealed to, at hand without the store.
    pub(crate) secret: SecretKey,
    calls: Mutex<BTreeMap<CallId, Known>>,
    random: Mutex<Random>,
}

impl Shared {
    pub(crate) fn new(
        (platform, clock, audio): (Platform, Clock, Arc<dyn AudioPort>),
        store: Store,
        secret: SecretKey,
        calls: BTreeMap<CallId, Known>,
        random: Random,
    ) -> Self {
        Self {
            platform,
            clock,
            store,
            network: Network::new(),
            events: Events::new(),
            audio,
            secret,
            calls: Mutex::new(calls),
            random: Mutex::new(random),
        }
    }

    /// The calls this process knows of.
    pub(crate) fn calls(&self) -> MutexGuard<'_, BTreeMap<CallId, Known>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seed(&self) -> Seed {
        self.random().seed()
    }

    pub(crate) fn tell(&self, event: Event) {
        self.events.tell(self.clock.now(), event);
    }

    /// Runs `work` in one transaction that has a generator.
    pub(crate) fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Tx<'_>, &mut Random) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut random = Random::new(self.seed());
        self.store.write(|tx| work(tx, &mut random))
    }

    pub(crate) fn account(&self) -> Result<Account, SessionError> {
        self.store.read(|tx| tx.account())?.ok_or(SessionError::NotEnrolled)
    }

    /// The country that numbers are read in.
    pub(crate) fn country(&self) -> String {
        self.account().map_or_else(|_| String::new(), |account| account.country)
    }

    /// The server as the enrolled device.
    pub(crate) fn api(&self) -> Result<Api, SessionError> {
        let account = self.account()?;
        Ok(Api {
            network: self.network.clone(),
            trust: Trust::new(account.ca_pem.as_deref())?,
            server: account.server_url.parse()?,
            token: Some(account.token),
        })
    }

    /// Remembers how far a call is, in memory at once and in the store for the time after a kill.
    pub(crate) fn note_call(&self, call: CallId, known: Known) {
        self.calls().insert(call, known);
        let now = self.clock.now();
        if let Err(error) = self.store.write(|tx| tx.put_push(call, known, now)) {
            tracing::warn!(%error, "a call's state could not be kept");
        }
    }
}
