//! Which calls go out, on both engines.

use std::sync::Arc;

use callfield_domain::{
    CallFacts, CallId, CallState, DeviceId, Direction, NumberId, Random, Seed, TenantId, Timestamp, TrunkId, UserId,
};
use callfield_sip::switchboard::DeviceIdentity;
use tokio::sync::mpsc;

use super::*;
use crate::app::clock::Clock;
use crate::config::Config;
use crate::db::testing::{self, db_test};
use crate::db::{Db, Number, Tenant, Trunk, TrunkKind, User};

db_test! {
    async fn a_number_goes_out_through_the_trunk_and_shows_the_companys(db: Db) {
        let mut firm = Firm::open(db, "").await;
        firm.number("+81350001000", None).await;
        let trunk = firm.trunk(Some("127.0.0.1:5060")).await;
        for (dialled, called) in [
            ("0312345678", "+81312345678"),
            ("+81312345678", "+81312345678"),
            ("03-1234-5678", "+81312345678"),
            ("+442079460000", "+442079460000"),
            ("1234", "1234"),
        ] {
            let hop = Hop { trunk, address: "127.0.0.1:5060".parse().unwrap(), max_calls: None, account: None };
            let plan = DialPlan {
                hops: vec![hop],
                caller: "+81350001000".to_owned(),
                called: called.to_owned(),
                why: "trunk".to_owned(),
            };
            assert_eq!(firm.dial(dialled).await, OutboundDecision::Dial(plan), "{dialled}");
        }
    }

    async fn a_user_with_a_number_of_their_own_shows_it(db: Db) {
        let mut firm = Firm::open(db, "").await;
        firm.trunk(Some("127.0.0.1:5060")).await;
        firm.number("+81350001000", None).await;
        firm.number("+81350002000", Some(firm.user)).await;
        let OutboundDecision::Dial(plan) = firm.dial("0312345678").await else { panic!() };
        assert_eq!(plan.caller, "+81350002000");
    }

    async fn an_emergency_number_never_goes_out_however_it_is_written(db: Db) {
        let mut firm = Firm::open(db, "").await;
        firm.number("+81350001000", None).await;
        firm.trunk(Some("127.0.0.1:5060")).await;
        for dialled in ["110", "119", "118", "112", "911", "１１９", "1 1 0", "184110", "tel:110", "内線110"] {
            assert_eq!(firm.dial(dialled).await, EMERGENCY, "{dialled}");
        }
    }

    async fn an_emergency_number_is_for_the_own_dialler_even_without_a_trunk(db: Db) {
        let mut firm = Firm::open(db, "").await;
        assert_eq!(firm.dial("119").await, EMERGENCY);
    }

    async fn what_is_no_number_is_not_called(db: Db) {
        let mut firm = Firm::open(db, "").await;
        firm.number("+81350001000", None).await;
        firm.trunk(Some("127.0.0.1:5060")).await;
        for dialled in ["", "Tanaka", "anonymous", "12345678", "+81", "+999123456789"] {
            assert_eq!(firm.dial(dialled).await, NO_NUMBER, "{dialled}");
        }
    }

    async fn t2_china_is_blocked_however_it_is_written_unless_the_list_says_otherwise(db: Db) {
        let mut firm = Firm::open(db.clone(), "").await;
        firm.number("+81350001000", None).await;
        firm.trunk(Some("127.0.0.1:5060")).await;
        for dialled in ["+861062123456", "00861062123456", "010861062123456", "+86 10 6212 3456"] {
            assert_eq!(firm.dial(dialled).await, BLOCKED, "{dialled}");
        }
        firm.app = app(db, "[telephony]\nblocked_destinations = [\"+81312\"]");
        assert_eq!(firm.dial("0312345678").await, BLOCKED);
        assert!(matches!(firm.dial("+861062123456").await, OutboundDecision::Dial(_)));
    }

    async fn numbers_that_cost_a_premium_are_blocked_unless_the_list_is_empty(db: Db) {
        let mut firm = Firm::open(db.clone(), "").await;
        firm.number("+81350001000", None).await;
        firm.trunk(Some("127.0.0.1:5060")).await;
        for dialled in ["0990504123", "+81990504123", "+1 900 234 5678", "010 1 900 234 5678"] {
            assert_eq!(firm.dial(dialled).await, BLOCKED, "{dialled}");
        }
        firm.app = app(db, "[telephony]\npremium_destinations = []");
        assert!(matches!(firm.dial("+1 900 234 5678").await, OutboundDecision::Dial(_)));
        assert_eq!(firm.dial("+861062123456").await, BLOCKED, "that is another list");
    }

    async fn without_a_trunk_that_takes_calls_or_a_number_to_show_there_is_no_way_out(db: Db) {
        let mut firm = Firm::open(db, "").await;
        assert_eq!(firm.dial("0312345678").await, NO_WAY_OUT);
        firm.number("+81350001000", None).await;
        firm.trunk(None).await;
        assert_eq!(firm.dial("0312345678").await, NO_WAY_OUT);
        // The edge's socket speaks IPv4 here.
        firm.trunk(Some("[2001:db8::1]:5060")).await;
        assert_eq!(firm.dial("0312345678").await, NO_WAY_OUT);
    }

    async fn a_number_of_somebody_else_is_not_shown(db: Db) {
        let mut firm = Firm::open(db.clone(), "").await;
        let mut other = Firm::open(db, "").await;
        other.number("+81350009000", None).await;
        other.trunk(Some("127.0.0.1:5060")).await;
        firm.trunk(Some("127.0.0.1:5060")).await;
        let sato = firm.person("Sato").await;
        firm.number("+81350001000", Some(sato)).await;
        assert_eq!(firm.dial("0312345678").await, NO_WAY_OUT);
    }

    async fn the_id_of_a_call_that_exists_is_refused(db: Db) {
        let mut firm = Firm::open(db, "").await;
        firm.number("+81350001000", None).await;
        firm.trunk(Some("127.0.0.1:5060")).await;
        let over = firm.stored_call().await;
        assert_eq!(firm.ask(over.id, "0312345678").await, REUSED);
        assert!(matches!(firm.dial("0312345678").await, OutboundDecision::Dial(_)));
    }
}

/// A company with one person, and how the edge asks for the calls of the person's phone.
struct Firm {
    app: App,
    tenant: TenantId,
    user: UserId,
    random: Random,
}

impl Firm {
    async fn open(db: Db, settings: &str) -> Self {
        let app = app(db, settings);
        let mut random = Random::new(Seed::from_number(app.random().below(u64::MAX)));
        let tenant = TenantId::new(Timestamp::ZERO, &mut random);
        let row = Tenant {
            id: tenant,
            name: "ABC".to_owned(),
            country: "JP".to_owned(),
            incarnation: tenant.uuid(),
            cursor_key: vec![7; 32],
            next_seq: 0,
            created_at: Timestamp::ZERO,
        };
        let mut rows = app.db.write(tenant).await.unwrap();
        rows.insert_tenant(&row).await.unwrap();
        rows.commit().await.unwrap();
        let user = UserId::new(Timestamp::ZERO, &mut random);
        let mut firm = Self { app, tenant, user, random };
        firm.user = firm.person("Suzuki").await;
        firm
    }

    async fn person(&mut self, name: &str) -> UserId {
        let id = UserId::new(Timestamp::ZERO, &mut self.random);
        let mut rows = self.app.db.write(self.tenant).await.unwrap();
        rows.insert_user(&User { id, name: name.to_owned(), extension: None, created_at: Timestamp::ZERO })
            .await
            .unwrap();
        rows.commit().await.unwrap();
        id
    }

    async fn number(&mut self, e164: &str, user: Option<UserId>) {
        let id = NumberId::new(Timestamp::ZERO, &mut self.random);
        let (e164, route) = (e164.to_owned(), "record_owner".to_owned());
        let mut rows = self.app.db.write(self.tenant).await.unwrap();
        rows.insert_number(&Number { id, e164, route, user, created_at: Timestamp::ZERO }).await.unwrap();
        rows.commit().await.unwrap();
    }

    async fn trunk(&mut self, outgoing: Option<&str>) -> TrunkId {
        let trunk = Trunk {
            id: TrunkId::new(Timestamp::ZERO, &mut self.random),
            name: "PBX".to_owned(),
            kind: TrunkKind::Static,
            addresses: vec!["127.0.0.1".parse().unwrap()],
            outgoing: outgoing.map(|to| to.parse().unwrap()),
            priority: 100,
            max_calls: None,
            credentials: None,
            is_enabled: true,
            created_at: Timestamp::ZERO,
        };
        let mut rows = self.app.db.write(self.tenant).await.unwrap();
        rows.put_trunk(&trunk).await.unwrap();
        rows.commit().await.unwrap();
        trunk.id
    }

    async fn stored_call(&mut self) -> CallFacts {
        let facts = CallFacts {
            id: CallId::new(Timestamp::ZERO, &mut self.random),
            tenant: self.tenant,
            direction: Direction::Inbound,
            from: "+81312345678".to_owned(),
            to: "+81350001000".to_owned(),
            user: Some(self.user),
            device: None,
            state: CallState::Ended,
            outcome: Some(Outcome::Completed),
            started_at: Timestamp::ZERO,
            answered_at: None,
            ended_at: Some(Timestamp::from_millis(1)),
            transferred_to: None,
        };
        let mut rows = self.app.db.write(self.tenant).await.unwrap();
        rows.put_call(&facts).await.unwrap();
        rows.commit().await.unwrap();
        facts
    }

    async fn dial(&mut self, to: &str) -> OutboundDecision {
        let call = CallId::new(Timestamp::ZERO, &mut self.random);
        self.ask(call, to).await
    }

    async fn ask(&mut self, call: CallId, to: &str) -> OutboundDecision {
        let device = DeviceId::new(Timestamp::ZERO, &mut self.random);
        let device = DeviceIdentity { tenant: self.tenant, user: self.user, device };
        decide(&self.app, &OutboundQuestion { call, device, to: to.to_owned(), transfers: None }).await
    }
}

fn app(db: Db, settings: &str) -> App {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let seed = Seed::from_number(COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let config = Config::from_toml(settings).unwrap();
    App::new(Arc::new(config), db, Clock::System, seed, mpsc::channel(1).0, mpsc::channel(1).0)
}
