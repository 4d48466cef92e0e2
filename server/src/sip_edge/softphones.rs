//! Keeps where foreign softphones are woken.

use callfield_sip::switchboard::{DeviceIdentity, PushOffer, PushProvider, PushVerdict};

use crate::app::App;
use crate::app::softphones::SoftphoneSecrets;
use crate::db::{self, PushEnvironment, PushService, SoftphoneToken};

/// Keeps what a softphone offers, or forgets what it offered before.
pub(super) async fn keep(app: &App, identity: DeviceIdentity, offer: Option<PushOffer>) -> PushVerdict {
    if offer.as_ref().is_some_and(|offer| !app.push_support.takes(offer)) {
        return PushVerdict::Unsupported;
    }
    match store(app, identity, offer).await {
        Ok(()) => PushVerdict::Kept,
        Err(error) => {
            tracing::error!(device = %identity.device, %error, "where a softphone is woken could not be kept");
            PushVerdict::Unavailable
        }
    }
}

async fn store(app: &App, identity: DeviceIdentity, offer: Option<PushOffer>) -> db::Result<()> {
    let DeviceIdentity { tenant, device, .. } = identity;
    let mut rows = app.db.write(tenant).await?;
    match offer {
        Some(offer) => rows.put_softphone_token(&row(app, identity, &offer)).await?,
        None => rows.delete_softphone_token(device).await?,
    }
    rows.commit().await
}

fn row(app: &App, identity: DeviceIdentity, offer: &PushOffer) -> SoftphoneToken {
    let DeviceIdentity { tenant, device, .. } = identity;
    let (service, environment) = match offer.provider {
        PushProvider::Apns => (PushService::Apns, PushEnvironment::Production),
        PushProvider::ApnsSandbox => (PushService::Apns, PushEnvironment::Sandbox),
        PushProvider::Fcm => (PushService::Fcm, PushEnvironment::Production),
    };
    SoftphoneToken {
        device,
        instance: offer.installation.instance.clone(),
        reg_id: offer.installation.reg_id,
        service,
        environment,
        app: offer.app.clone(),
        tokens: SoftphoneSecrets::of(offer).seal(&app.vault, &mut app.random(), tenant, device),
        registered_at: app.now(),
        invalid: None,
    }
}
