//! One installation of the app: its account, its sync, and the ways to its records and its journal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use callfield_mobile_core::audio::Silence;
use callfield_mobile_core::clock::Clock;
use callfield_mobile_core::platform;
use callfield_mobile_core::session::{EnrolWith, Session, SyncReason as CoreReason};
use callfield_mobile_core::transport::api::{PushEnvironment, PushService as CoreService, PushTarget};
use tokio_util::sync::CancellationToken;

use crate::error::CoreError;
use crate::journal::Journal;
use crate::push::{PushDecision, PushKind};
use crate::records::RecordStore;
use crate::runtime;

/// The device and its surroundings, as the app knows them.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Platform {
    /// The kind of machine.
    pub kind: PlatformKind,
    /// What the user calls the device.
    pub device_name: String,
    /// The version of the app.
    pub app_version: String,
    /// The version of the operating system.
    pub os_version: String,
    /// The folder that belongs to the core alone.
    pub data_folder: String,
    /// Minutes that local time is ahead of UTC.
    pub utc_offset_minutes: i32,
}

/// The kind of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum PlatformKind {
    /// An Android phone.
    Android,
    /// An iPhone.
    Ios,
    /// No screen: tests.
    Headless,
}

/// What enrolling needs.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Enrolment {
    /// The server's URL.
    pub server: String,
    /// Certificates to trust beside the public ones, as PEM.
    pub ca_pem: Option<String>,
    /// The one-time code.
    pub code: String,
    /// How to wake this phone.
    pub push: Option<PushAddress>,
}

/// How a push service reaches this install.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PushAddress {
    /// The service.
    pub service: PushService,
    /// The token it gave: of APNs the one for VoIP pushes.
    pub token: String,
    /// APNs' ordinary token, by which alerts (a missed call) reach this install; of FCM null.
    pub alert_token: Option<String>,
    /// Whether it is APNs' sandbox.
    pub is_sandbox: bool,
}

/// A push service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum PushService {
    /// Apple's.
    Apns,
    /// Google's.
    Fcm,
}

/// Why a sync runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SyncReason {
    /// The app came to the foreground.
    Foreground,
    /// A push asked for it.
    Push,
    /// The system gave time in the background.
    Background,
    /// The user asked for it.
    Manual,
}

/// What a sync did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct SyncOutcome {
    /// Changes that the server took.
    pub sent: u32,
    /// Records that changed here.
    pub received: u32,
    /// Changes that still wait.
    pub unsent: u32,
}

/// One installation.
#[derive(uniffi::Object)]
pub struct FieldCore {
    session: Session,
}

#[uniffi::export]
impl FieldCore {
    /// Opens the installation in the platform's folder; makes it if there is none.
    #[uniffi::constructor]
    pub async fn open(platform: Platform) -> Result<Arc<Self>, CoreError> {
        runtime::run(async move {
            let session = Session::open(platform.into(), Clock::start(), Arc::new(Silence))?;
            Ok(Arc::new(Self { session }))
        })
        .await
    }

    /// Enrols this installation; an account before is left with everything that belonged to it.
    pub async fn enrol(&self, enrolment: Enrolment) -> Result<(), CoreError> {
        let session = self.session.clone();
        runtime::run(async move { Ok(session.enrol(&enrolment.into()).await?) }).await
    }

    /// Sends what waits and fetches what is new, for `deadline_ms` at most. What was received is kept in any case.
    pub async fn sync(&self, reason: SyncReason, deadline_ms: u32) -> Result<SyncOutcome, CoreError> {
        let session = self.session.clone();
        runtime::run(async move {
            let stop = CancellationToken::new();
            let timer = stop.clone();
            let deadline = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(deadline_ms.into())).await;
                timer.cancel();
            });
            let synced = session.sync_now(reason.into(), &stop).await;
            deadline.abort();
            let synced = synced?;
            Ok(SyncOutcome { sent: synced.sent, received: synced.received, unsent: synced.unsent })
        })
        .await
    }

    /// Decides about a push at once and begins to go to the call if there is one.
    pub fn push_received(&self, kind: PushKind, payload: Vec<u8>) -> PushDecision {
        self.session.push_received(kind.into(), &payload).into()
    }

    /// The records this phone holds.
    pub fn records(&self) -> Arc<RecordStore> {
        Arc::new(RecordStore::new(self.session.clone()))
    }

    /// The calls of this phone, logged or to log.
    pub fn journal(&self) -> Arc<Journal> {
        Arc::new(Journal::new(self.session.clone()))
    }
}

/// Panics on the runtime, so that a test sees how that arrives.
#[cfg(feature = "faults")]
#[uniffi::export]
pub async fn panic_on_the_runtime() -> Result<(), CoreError> {
    runtime::run(async { panic!("on purpose") }).await
}

impl From<Platform> for platform::Platform {
    fn from(platform: Platform) -> Self {
        Self {
            kind: match platform.kind {
                PlatformKind::Android => platform::PlatformKind::Android,
                PlatformKind::Ios => platform::PlatformKind::Ios,
                PlatformKind::Headless => platform::PlatformKind::Headless,
            },
            device_name: platform.device_name,
            app_version: platform.app_version,
            os_version: platform.os_version,
            data_dir: PathBuf::from(platform.data_folder),
            utc_offset_minutes: platform.utc_offset_minutes,
        }
    }
}

impl From<Enrolment> for EnrolWith {
    fn from(enrolment: Enrolment) -> Self {
        Self {
            server: enrolment.server,
            ca_pem: enrolment.ca_pem,
            code: enrolment.code,
            push: enrolment.push.map(|push| PushTarget {
                service: match push.service {
                    PushService::Apns => CoreService::Apns,
                    PushService::Fcm => CoreService::Fcm,
                },
                token: push.token,
                alert_token: push.alert_token,
                environment: if push.is_sandbox { PushEnvironment::Sandbox } else { PushEnvironment::Production },
            }),
        }
    }
}

impl From<SyncReason> for CoreReason {
    fn from(reason: SyncReason) -> Self {
        match reason {
            SyncReason::Foreground => Self::Foreground,
            SyncReason::Push => Self::Push,
            SyncReason::Background => Self::Background,
            SyncReason::Manual => Self::Manual,
        }
    }
}
