//! The senders against the fake services: real TLS, real HTTP/2, real signatures.

mod apns;
mod connection;
mod fcm;
mod missed;
mod softphone;
mod wake;

use callfield_fakes::{FakePush, Fault, FaultOrder, Service};
use tempfile::TempDir;

use crate::app::clock::Clock;
use crate::config::Config;
use crate::push::Senders;

/// Running fakes and the settings that lead to them.
pub(super) struct Services {
    pub(super) fakes: FakePush,
    pub(super) config: Config,
    folder: TempDir,
}

impl Services {
    pub(super) async fn start() -> Self {
        let fakes = FakePush::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        fakes.write_to(folder.path()).unwrap();
        let sections = std::fs::read_to_string(folder.path().join("push.toml")).unwrap();
        let mut config = Config::from_toml(&sections).unwrap();
        config.server.public_url = "https://calls.example:8443".to_owned();
        Self { fakes, config, folder }
    }

    pub(super) fn senders(&self, clock: &Clock) -> Senders {
        Senders::load(&self.config.push, clock).unwrap()
    }

    /// Installs the app on a phone of this service.
    pub(super) fn install(&self, service: Service) -> String {
        let home = match service {
            Service::Apns => self.fakes.apns.account().voip_topic(),
            Service::Fcm | Service::Oauth => self.fakes.fcm.account().project_id.clone(),
        };
        self.fakes.delivery.install(service, &home)
    }

    pub(super) fn order(&self, service: Service, script: impl Into<Vec<Fault>>) {
        self.fakes.delivery.order(FaultOrder { service, script: script.into(), seeded: None });
    }

    /// How many requests a service answered with this status.
    pub(super) fn answered(&self, service: Service, status: u16) -> usize {
        let ledger = self.fakes.delivery.ledger();
        ledger.iter().filter(|entry| (entry.service, entry.status) == (service, status)).count()
    }
}

pub(super) fn status(status: u16, reason: &str, retry_after: Option<&str>) -> Fault {
    Fault::Status { status, reason: reason.to_owned(), retry_after: retry_after.map(ToOwned::to_owned) }
}
