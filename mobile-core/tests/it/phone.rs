//! A phone of the office's user.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use callfield_domain::{Outcome, RecordId};
use callfield_mobile_core::audio::{AudioPort, Silence};
use callfield_mobile_core::clock::Clock;
use callfield_mobile_core::events::{EndReason, Event, Stamped};
use callfield_mobile_core::platform::{Platform, PlatformKind};
use callfield_mobile_core::session::{EnrolWith, Session, SessionError, SyncReason, Synced};
use callfield_sync::schema::RecordType;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;

use crate::office::{CODE, NOW, Office};

/// The folder outlives the session, so that a phone can be killed and opened again.
pub(crate) struct Phone {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) session: Session,
    pub(crate) events: Receiver<Stamped>,
}

pub(crate) fn contact() -> RecordId {
    "0190a000-0000-7000-8000-000000000001".parse().unwrap()
}

/// An office with one contact, and an enrolled phone that holds it; its time stands still.
pub(crate) async fn office_and_phone() -> (Office, Phone) {
    office_and(Phone::opened(tempfile::tempdir().unwrap())).await
}

/// As [`office_and_phone`], with a running clock, so that audio flows, and with `audio` as microphone and speaker.
pub(crate) async fn office_and_talking_phone(audio: Arc<dyn AudioPort>) -> (Office, Phone) {
    let folder = tempfile::tempdir().unwrap();
    let session = open(folder.path().to_owned(), Clock::start(), audio).unwrap();
    office_and(Phone { events: session.subscribe(), folder, session }).await
}

async fn office_and(phone: Phone) -> (Office, Phone) {
    let office = Office::open().await;
    let tanaka = json!({
        "last_name": "Tanaka", "first_name": "Ichiro", "organization_name": "ABC", "title": "課長",
        "phones": { "+81312345678": { "raw": "03-1234-5678" } },
    });
    office.edit(contact(), RecordType::Contact, &tanaka);
    phone.enrol(&office, CODE).await.unwrap();
    phone.sync().await.unwrap();
    (office, phone)
}

impl Phone {
    pub(crate) fn opened(folder: tempfile::TempDir) -> Self {
        let session = open(folder.path().to_owned(), Clock::stopped_at(NOW), Arc::new(Silence)).unwrap();
        Self { events: session.subscribe(), folder, session }
    }

    /// Drops everything in memory, as a kill does, and opens the same store.
    pub(crate) fn killed_and_opened(self) -> Self {
        let Self { folder, session, events } = self;
        drop((session, events));
        Self::opened(folder)
    }

    pub(crate) async fn enrol(&self, office: &Office, code: &str) -> Result<(), SessionError> {
        let with = EnrolWith { server: office.url.clone(), ca_pem: None, code: code.to_owned(), push: None };
        self.session.enrol(&with).await
    }

    pub(crate) async fn sync(&self) -> Result<Synced, SessionError> {
        self.session.sync_now(SyncReason::Manual, &CancellationToken::new()).await
    }

    /// The next event that `wanted` takes.
    pub(crate) async fn event<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let found = async {
            loop {
                let stamped = self.events.recv().await.unwrap();
                if let Some(found) = wanted(&stamped.event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), found).await.unwrap()
    }

    /// How the next call that ends ended.
    pub(crate) async fn ended(&mut self) -> (EndReason, Outcome) {
        let ended = |event: &Event| match event {
            Event::Ended { reason, outcome, .. } => Some((*reason, *outcome)),
            _ => None,
        };
        self.event(ended).await
    }
}

fn open(data_dir: PathBuf, clock: Clock, audio: Arc<dyn AudioPort>) -> Result<Session, SessionError> {
    let platform = Platform {
        kind: PlatformKind::Android,
        device_name: "Test".to_owned(),
        app_version: "0".to_owned(),
        os_version: "0".to_owned(),
        data_dir,
        utc_offset_minutes: 540,
    };
    Session::open(platform, clock, audio)
}
