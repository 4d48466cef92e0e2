//! Foreign softphones that sleep (RFC 8599): what is kept of them, and how a call finds them.

use std::sync::Arc;

use callfield_domain::DeviceId;
use callfield_media::sdp::{Security, Wish};
use callfield_server::app::softphones::{ApnsSupport, PushSupport};
use callfield_server::app::wake_port::{PushRequest, WakeRequest};
use callfield_server::db::PushService;
use callfield_sip::message::Method;
use callfield_sip::switchboard::softphone_call_id;
use http::StatusCode;
use serde_json::json;

use crate::exchange::{Desk, Exchange, Trunk};
use crate::office::request;
use crate::testing::{self, db_test};

const TANAKA: &str = "+81312345678";
const COMPANY: &str = "+81350001000";
const INSTANCE: &str = ";+sip.instance=\"<urn:uuid:00000000-0000-0000-0000-00000000000a>\";reg-id=1";
const LINPHONE: &str =
    ";pn-provider=apns;pn-param=TEAM123456.org.linphone.phone.remote&voip;pn-prid=AA11:remote&BB22:voip";

/// A company with a customer of a person, whose softphone is not registered.
struct Scene {
    exchange: Exchange,
    trunk: Trunk,
    softphone: Desk,
}

impl Scene {
    async fn open(exchange: Exchange) -> Self {
        let mut exchange = exchange;
        let apns = ApnsSupport { team: "TEAM123456".to_owned(), bundle: "app.own".to_owned(), has_sandbox: false };
        let support = PushSupport { apns: Some(apns), fcm_projects: vec!["project".to_owned()] };
        exchange.office.app.push_support = Arc::new(support);
        exchange.restart().await;
        let trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let user = exchange.office.user("Suzuki").await;
        let mut softphone = Desk::of(&exchange, &user).await;
        softphone.contact_params = (LINPHONE.to_owned(), INSTANCE.to_owned());
        let fields = json!({ "last_name": "Tanaka", "phones": { TANAKA: { "raw": TANAKA } } });
        exchange.office.contact(&exchange.office.admin, Some(user.parse().unwrap()), fields).await;
        Self { exchange, trunk, softphone }
    }

    fn device(&self) -> DeviceId {
        self.softphone.device.parse().unwrap()
    }

    async fn dial(&mut self) {
        let offer = self.trunk.audio.leg.offer(&Wish::new(Security::Plain));
        self.trunk.dial(TANAKA, COMPANY, offer).await;
        assert_eq!(self.trunk.next().await.status(), Some(100));
    }

    async fn wake(&mut self) -> WakeRequest {
        let Some(PushRequest::Wake { wake, .. }) = self.exchange.office.wakes.recv().await else {
            panic!("something else than a wake")
        };
        wake
    }
}

db_test! {
    async fn a_softphone_that_is_long_gone_is_woken_by_its_token_and_gets_the_call(db: Db) {
        let mut scene = Scene::open(Exchange::open(db.clone()).await).await;
        let answer = scene.softphone.register(3_600).await;
        assert_eq!((answer.status(), answer.header("Feature-Caps")), (Some(200), Some("*;+sip.pns=\"apns\"")));
        let tenant = scene.exchange.office.tenant;
        let stored = db.read(tenant).await.unwrap().softphone_token(scene.device()).await.unwrap().unwrap();
        assert_eq!((stored.service, stored.app.as_str(), stored.reg_id), (PushService::Apns, "org.linphone.phone", 1));
        assert!(!stored.tokens.windows(4).any(|bytes| bytes == b"BB22" || bytes == b"AA11"), "it is sealed");

        // Its registration is gone with the edge that knew of it.
        scene.exchange.restart().await;
        scene.softphone.follow(&scene.exchange);
        let edge = scene.exchange.further_trunk(&scene.exchange.office.admin, json!({})).await;
        scene.trunk = edge;
        scene.dial().await;
        let wake = scene.wake().await;
        assert_eq!(wake.device, scene.device());
        assert_eq!(scene.trunk.next().await.status(), Some(180));
        assert_eq!(scene.softphone.register(3_600).await.status(), Some(200));
        let invite = scene.softphone.next().await;
        assert_eq!((invite.method(), invite.call_id()), (&Method::Invite, softphone_call_id(wake.call, wake.device).as_str()));
        assert!(!invite.to_string().contains("pn-"), "{invite}");
        scene.softphone.answer(&invite, 486, None).await;
    }

    async fn an_app_of_another_team_is_refused_and_nothing_of_it_is_kept(db: Db) {
        let mut scene = Scene::open(Exchange::open(db.clone()).await).await;
        for params in [LINPHONE.replace("TEAM123456", "OTHER12345"), ";pn-provider=fcm;pn-param=else;pn-prid=t".to_owned()] {
            scene.softphone.contact_params.0 = params;
            assert_eq!(scene.softphone.register(3_600).await.status(), Some(555));
        }
        let tenant = scene.exchange.office.tenant;
        assert_eq!(db.read(tenant).await.unwrap().softphone_token(scene.device()).await.unwrap(), None);
    }

    async fn a_softphone_that_leaves_or_loses_its_account_is_not_woken_any_more(db: Db) {
        let mut scene = Scene::open(Exchange::open(db.clone()).await).await;
        let tenant = scene.exchange.office.tenant;
        let is_kept = async |db: &crate::db::Db, device| {
            let stored = db.read(tenant).await.unwrap().softphone_token(device).await.unwrap();
            stored.is_some()
        };
        let device = scene.device();
        assert_eq!(scene.softphone.register(3_600).await.status(), Some(200));
        assert!(is_kept(&db, device).await);
        scene.softphone.contact_params.0.clear();
        assert_eq!(scene.softphone.register(3_600).await.status(), Some(200));
        assert!(!is_kept(&db, device).await, "it registered without");
        scene.softphone.contact_params.0 = LINPHONE.to_owned();
        assert_eq!(scene.softphone.register(3_600).await.status(), Some(200));
        assert_eq!(scene.softphone.register(0).await.status(), Some(200));
        assert!(!is_kept(&db, device).await, "it unregistered");
        assert_eq!(scene.softphone.register(3_600).await.status(), Some(200));
        let path = format!("/v1/devices/{device}");
        let gone = scene.exchange.office.send(request(http::Method::DELETE, &path, &scene.exchange.office.admin, "".into())).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert!(!is_kept(&db, device).await, "its account is gone");
        scene.dial().await;
        let refused = scene.trunk.next().await;
        assert_eq!(refused.status(), Some(480), "nobody is left");
    }
}
