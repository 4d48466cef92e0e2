//! What lies behind both services: the phones, what was pushed to them, the ledger and the ordered faults.

pub(crate) mod faults;
pub(crate) mod ledger;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::Clock;
use faults::{Fault, FaultOrder, Faults};
use ledger::LedgerEntry;

/// A push service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Apple Push Notification service.
    Apns,
    /// Firebase Cloud Messaging.
    Fcm,
    /// Google's token endpoint, which FCM senders need; no phone has it.
    Oauth,
}

/// A push as it reached a phone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Push {
    /// 0 for the first push of this phone.
    pub n: usize,
    /// Which service brought it.
    pub service: Service,
    /// APNs: the push type; FCM: `data` or `notification`.
    pub push_type: String,
    /// APNs: its `apns-…` headers; FCM: `priority`, `ttl` and `collapse_key`.
    pub headers: BTreeMap<String, String>,
    /// APNs: the body; FCM: the data map.
    pub payload: Value,
}

/// What a sender's token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// No phone ever had this token.
    Unknown,
    /// A live phone; its topic (APNs) or project (FCM).
    Live(String),
    /// The app was removed at this time, in milliseconds since 1970.
    Gone(i64),
}

/// The phones and their pushes, the ledger, the faults and the clock that both services share.
pub struct Delivery {
    /// What time the services believe it is.
    pub clock: Clock,
    inner: Mutex<Inner>,
    pushed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    phones: BTreeMap<String, Phone>,
    /// Further tokens of a phone, each with its own topic.
    further: BTreeMap<String, Further>,
    ledger: Vec<LedgerEntry>,
    faults: Faults,
}

struct Further {
    phone: String,
    home: String,
}

struct Phone {
    service: Service,
    home: String,
    gone_at_ms: Option<i64>,
    pushes: Vec<Push>,
}

impl Delivery {
    /// A world without phones.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { clock: Clock::default(), inner: Mutex::default(), pushed: watch::Sender::new(0) })
    }

    /// Installs the app on a new phone and gives its push token; `home` is the APNs topic or the FCM project.
    pub fn install(&self, service: Service, home: &str) -> String {
        let token = match service {
            Service::Apns => random_hex::<32>(),
            Service::Fcm | Service::Oauth => format!("{}:APA91b{}", random_hex::<11>(), random_hex::<64>()),
        };
        let phone = Phone { service, home: home.to_owned(), gone_at_ms: None, pushes: Vec::new() };
        self.lock().phones.insert(token.clone(), phone);
        token
    }

    /// Gives a phone a further token, as an iPhone has one for VoIP pushes and one for all others; `home` is its topic.
    pub fn further_token(&self, phone: &str, home: &str) -> String {
        let token = random_hex::<32>();
        let further = Further { phone: phone.to_owned(), home: home.to_owned() };
        self.lock().further.insert(token.clone(), further);
        token
    }

    /// Removes the app from a phone; its token is dead from `at_ms` on. False if there is no such phone.
    pub fn uninstall(&self, token: &str, at_ms: i64) -> bool {
        let mut inner = self.lock();
        let Some(phone) = inner.phones.get_mut(token) else { return false };
        phone.gone_at_ms = Some(at_ms);
        true
    }

    /// Whether a phone with this token was ever installed.
    pub fn knows(&self, token: &str) -> bool {
        self.lock().phones.contains_key(token)
    }

    /// What reached a phone, after push number `after` if one is named.
    pub fn pushes(&self, token: &str, after: Option<usize>) -> Vec<Push> {
        let from = after.map_or(0, |after| after.saturating_add(1));
        let inner = self.lock();
        inner.phones.get(token).map_or_else(Vec::new, |phone| phone.pushes.iter().skip(from).cloned().collect())
    }

    /// Waits until the phone has push number `n` and gives it; for ever if it never comes.
    pub async fn push_number(&self, token: &str, n: usize) -> Push {
        let mut news = self.news();
        loop {
            news.borrow_and_update();
            if let Some(push) = self.lock().phones.get(token).and_then(|phone| phone.pushes.get(n)) {
                return push.clone();
            }
            // The sender of the news lives in `self`, so waiting for it cannot fail.
            let _ = news.changed().await;
        }
    }

    /// Every answer that was given so far, oldest first.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.lock().ledger.clone()
    }

    /// Orders faults for the coming requests of a service.
    pub fn order(&self, order: FaultOrder) {
        self.lock().faults.order(order);
    }

    /// What is to go wrong with the request that just came.
    pub(crate) fn next_fault(&self, service: Service) -> Fault {
        self.lock().faults.next(service)
    }

    /// Changes whenever a push reaches a phone.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.pushed.subscribe()
    }

    pub(crate) fn address(&self, service: Service, token: &str) -> Address {
        let inner = self.lock();
        let further = inner.further.get(token);
        match inner.phones.get(further.map_or(token, |further| &further.phone)) {
            Some(phone) if phone.service == service => match phone.gone_at_ms {
                Some(at_ms) => Address::Gone(at_ms),
                None => Address::Live(further.map_or(&phone.home, |further| &further.home).clone()),
            },
            _ => Address::Unknown,
        }
    }

    pub(crate) fn deliver(&self, token: &str, push: Arrival) {
        let mut inner = self.lock();
        let token = inner.further.get(token).map_or_else(|| token.to_owned(), |further| further.phone.clone());
        if let Some(phone) = inner.phones.get_mut(&token) {
            let Arrival { push_type, headers, payload } = push;
            let (n, service) = (phone.pushes.len(), phone.service);
            phone.pushes.push(Push { n, service, push_type, headers, payload });
        }
        drop(inner);
        self.pushed.send_modify(|pushes| *pushes += 1);
    }

    pub(crate) fn record(&self, entry: LedgerEntry) {
        self.lock().ledger.push(entry);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no code that holds this lock panics")
    }
}

/// A push without its number and service, which the phone adds.
pub(crate) struct Arrival {
    pub(crate) push_type: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) payload: Value,
}

/// `N` random bytes as lower-case hex.
pub(crate) fn random_hex<const N: usize>() -> String {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system always has random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A JSON object from pairs.
pub(crate) fn object<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}
