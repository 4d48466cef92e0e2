//! Calls that phones begin: how the office sets them up, and what becomes of them in the API and in the records.

use std::net::SocketAddr;

use callfield_domain::{CallFacts, CallId, CallState, Direction, Outcome, RecordId, TenantId, Timestamp};
use callfield_server::db::Trunk;
use callfield_sync::schema::RecordType;
use http::StatusCode;
use serde_json::{Value, json};

use crate::handset::Handset;
use crate::office::{MORNING, Office, Phone, company};
use crate::testing::{self, db_test};

const TANAKA: &str = "+81312345678";
const COMPANY: &str = "+81350001000";

db_test! {
    async fn a_trunk_says_where_it_takes_calls(db: Db) {
        let office = Office::open(db).await;
        let trunk = |outgoing: Value| json!({
            "name": "PBX", "kind": "static", "addresses": ["192.0.2.7"], "outgoing": outgoing,
        });
        let made = office.post(&office.admin, "/v1/trunks", trunk(json!({ "host": "192.0.2.7", "port": 5060 }))).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        assert_eq!(made.body["outgoing"], json!({ "host": "192.0.2.7", "port": 5060 }));
        assert_eq!(places(&office, office.tenant).await, [Some("192.0.2.7:5060".parse().unwrap())]);

        let (other_tenant, other) = company(&office.app, "XYZ").await;
        let without = office.post(&other, "/v1/trunks", trunk(Value::Null)).await;
        assert_eq!((without.status, &without.body["outgoing"]), (StatusCode::CREATED, &Value::Null));
        assert_eq!(places(&office, other_tenant).await, [None]);
    }

    async fn what_is_no_place_for_calls_is_refused(db: Db) {
        let office = Office::open(db).await;
        for (outgoing, code) in [
            (json!({ "host": "192.0.2.7", "port": 0 }), "invalid_value"),
            (json!({ "host": "0.0.0.0", "port": 5060 }), "invalid_value"),
            (json!({ "host": "::", "port": 5060 }), "invalid_value"),
            (json!({ "host": "224.0.0.1", "port": 5060 }), "invalid_value"),
            (json!({ "host": "255.255.255.255", "port": 5060 }), "invalid_value"),
            (json!({ "host": "pbx.example", "port": 5060 }), "invalid_body"),
            (json!({ "host": "192.0.2.7" }), "invalid_body"),
            (json!({ "host": "192.0.2.7", "port": 65_536 }), "invalid_body"),
            (json!({ "host": "192.0.2.7", "port": 5060, "transport": "udp" }), "invalid_body"),
        ] {
            let trunk = json!({ "name": "PBX", "kind": "static", "addresses": ["192.0.2.7"], "outgoing": outgoing });
            let answer = office.post(&office.admin, "/v1/trunks", trunk).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, code), "{outgoing}");
        }
        assert_eq!(places(&office, office.tenant).await, []);
    }

    async fn a_number_may_be_one_persons_of_the_same_company(db: Db) {
        let office = Office::open(db).await;
        let (suzuki, sato) = (office.phone("Suzuki").await, office.phone("Sato").await);
        let number = |e164: &str, user: Value| json!({ "e164": e164, "route": "record_owner", "user": user });
        let own = office.post(&office.admin, "/v1/numbers", number("+81350002000", json!(suzuki.user))).await;
        assert_eq!((own.status, &own.body["user"]), (StatusCode::CREATED, &json!(suzuki.user)), "{own:?}");
        let shared = office.post(&office.admin, "/v1/numbers", number(COMPANY, Value::Null)).await;
        assert_eq!((shared.status, &shared.body["user"]), (StatusCode::CREATED, &Value::Null));
        let mut rows = office.app.db.read(office.tenant).await.unwrap();
        assert_eq!(rows.number_shown_by(suzuki.user).await.unwrap().as_deref(), Some("+81350002000"));
        assert_eq!(rows.number_shown_by(sato.user).await.unwrap().as_deref(), Some(COMPANY));
        drop(rows);

        let (_, other) = company(&office.app, "XYZ").await;
        let stolen = office.post(&other, "/v1/numbers", number("+81350003000", json!(suzuki.user))).await;
        assert_eq!((stolen.status, stolen.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"));
    }

    async fn the_api_shows_who_called_whom(db: Db) {
        let office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        let call = outbound(&office, &phone);
        put(&office, &call).await;
        let shown = office.get(&phone.token, &format!("/v1/calls/{}", call.id)).await;
        let expected = json!({
            "id": call.id,
            "direction": "outbound",
            "from": COMPANY,
            "to": TANAKA,
            "user": phone.user,
            "device": phone.id,
            "state": "ended",
            "outcome": "completed",
            "started_at": MORNING,
            "answered_at": later(3_000),
            "ended_at": later(9_000),
            "transferred_to": null,
            "ring_ms": 3_000,
            "talk_ms": 6_000,
            "record": RecordId::of_call(office.tenant, call.id),
            "log": null,
        });
        assert_eq!(shown.body, expected);
        let listed = office.get(&office.admin, "/v1/calls").await;
        assert_eq!((&listed.body["calls"][0]["direction"], &listed.body["calls"][0]["to"]), (&json!("outbound"), &json!(TANAKA)));
    }

    async fn the_record_of_a_call_names_the_far_end_whoever_began_it(db: Db) {
        let office = Office::open(db).await;
        let mut suzuki = Handset::of(&office, "Suzuki").await;
        let tanaka = contact(&office, Some(&suzuki.phone), TANAKA).await;
        let company = contact(&office, Some(&suzuki.phone), COMPANY).await;
        let out = outbound(&office, &suzuki.phone);
        let refused = CallFacts { to: "03-1234-5678".to_owned(), ..outbound(&office, &suzuki.phone) };
        let id = CallId::new(MORNING, &mut office.app.random());
        let back = CallFacts { id, direction: Direction::Inbound, from: out.to.clone(), to: out.from.clone(), ..out.clone() };
        for call in [&out, &back, &refused] {
            put(&office, call).await;
        }
        suzuki.sync(&office).await;
        for call in [&out, &back, &refused] {
            let record = RecordId::of_call(office.tenant, call.id);
            assert_eq!(suzuki.field(record, "party_id"), &json!(tanaka), "not {company}");
            assert_eq!(suzuki.field(record, "direction"), &json!(call.direction));
        }
    }

    async fn the_record_of_a_call_names_nobody_whom_its_user_may_not_see(db: Db) {
        let office = Office::open(db).await;
        let (mut suzuki, sato) = (Handset::of(&office, "Suzuki").await, office.phone("Sato").await);
        contact(&office, Some(&sato), TANAKA).await;
        let first = outbound(&office, &suzuki.phone);
        put(&office, &first).await;
        suzuki.sync(&office).await;
        let record = RecordId::of_call(office.tenant, first.id);
        assert_eq!((suzuki.field(record, "to"), suzuki.field(record, "party_id")), (&json!(TANAKA), &Value::Null));

        let shared = contact(&office, None, TANAKA).await;
        let second = outbound(&office, &suzuki.phone);
        put(&office, &second).await;
        let hers = contact(&office, Some(&suzuki.phone), "+81398765432").await;
        contact(&office, None, "+81398765432").await;
        let third = CallFacts { to: "+81398765432".to_owned(), ..outbound(&office, &suzuki.phone) };
        put(&office, &third).await;
        suzuki.sync(&office).await;
        for (call, party) in [(second.id, shared), (third.id, hers)] {
            assert_eq!(suzuki.field(RecordId::of_call(office.tenant, call), "party_id"), &json!(party));
        }
    }

    async fn an_emergency_number_that_was_dialled_gets_into_no_record(db: Db) {
        let office = Office::open(db).await;
        let mut suzuki = Handset::of(&office, "Suzuki").await;
        let refused = |to: &str| CallFacts {
            to: to.to_owned(),
            outcome: Some(Outcome::Blocked),
            answered_at: None,
            ..outbound(&office, &suzuki.phone)
        };
        let (emergency, blocked) = (refused("119"), refused("+861062123456"));
        for call in [&emergency, &blocked] {
            put(&office, call).await;
        }
        suzuki.sync(&office).await;
        let record = |call: &CallFacts| RecordId::of_call(office.tenant, call.id);
        assert_eq!(suzuki.field(record(&blocked), "outcome"), "blocked");
        assert!(!suzuki.records.contains_key(&record(&emergency)));
        let none = office.get(&office.admin, &format!("/v1/records/{}", record(&emergency))).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND);
        let stored = office.get(&office.admin, &format!("/v1/calls/{}", emergency.id)).await;
        assert_eq!((&stored.body["outcome"], &stored.body["log"]), (&json!("blocked"), &Value::Null));
    }

    async fn the_phones_log_and_the_facts_are_one_record_whichever_comes_first(db: Db) {
        let office = Office::open(db).await;
        let mut suzuki = Handset::of(&office, "Suzuki").await;
        let tanaka = contact(&office, Some(&suzuki.phone), TANAKA).await;
        let log = json!({
            "result": "interested", "contact_id": tanaka, "logged_by": suzuki.phone.user, "logged_at": MORNING,
        });
        let (late, early) = (outbound(&office, &suzuki.phone), outbound(&office, &suzuki.phone));
        put(&office, &late).await;
        suzuki.sync(&office).await;
        suzuki.edit(&office, RecordId::of_call(office.tenant, late.id), &log);
        suzuki.create_as(&office, RecordId::of_call(office.tenant, early.id), RecordType::Call, &log);
        suzuki.sync(&office).await;
        put(&office, &early).await;
        suzuki.sync(&office).await;
        for call in [late.id, early.id] {
            let record = RecordId::of_call(office.tenant, call);
            let fields = &suzuki.records[&record].projection;
            assert_eq!((&fields["result"], &fields["outcome"]), (&json!("interested"), &json!("completed")));
            assert_eq!((&fields["contact_id"], &fields["party_id"]), (&json!(tanaka), &json!(tanaka)));
            let shown = office.get(&office.admin, &format!("/v1/calls/{call}")).await;
            assert_eq!((&shown.body["direction"], &shown.body["log"]["result"]), (&json!("outbound"), &json!("interested")));
            let steps = office.get(&office.admin, &format!("/v1/calls/{call}/timeline")).await;
            let steps = steps.body["events"].as_array().unwrap().iter();
            assert_eq!(steps.filter(|step| step["milestone"] == "synced").count(), 1);
        }
        let calls = office.get(&office.admin, "/v1/records?type=call").await;
        assert_eq!(calls.body["records"].as_array().unwrap().len(), 2);
    }
}

/// Where the trunks of a company take calls.
async fn places(office: &Office, tenant: TenantId) -> Vec<Option<SocketAddr>> {
    let trunks = office.app.db.read(tenant).await.unwrap().trunks().await.unwrap();
    trunks.iter().map(Trunk::takes_calls_at).collect()
}

fn later(ms: i64) -> Timestamp {
    Timestamp::from_millis(MORNING.as_millis() + ms)
}

/// An answered call of this phone to a customer, as the edge leaves it.
fn outbound(office: &Office, phone: &Phone) -> CallFacts {
    CallFacts {
        id: CallId::new(MORNING, &mut office.app.random()),
        tenant: office.tenant,
        direction: Direction::Outbound,
        from: COMPANY.to_owned(),
        to: TANAKA.to_owned(),
        user: Some(phone.user),
        device: Some(phone.id),
        state: CallState::Ended,
        outcome: Some(Outcome::Completed),
        started_at: MORNING,
        answered_at: Some(later(3_000)),
        ended_at: Some(later(9_000)),
        transferred_to: None,
    }
}

async fn put(office: &Office, call: &CallFacts) {
    let mut write = office.app.db.write(office.tenant).await.unwrap();
    write.put_call(call).await.unwrap();
    write.commit().await.unwrap();
}

async fn contact(office: &Office, owner: Option<&Phone>, e164: &str) -> RecordId {
    let fields = json!({ "last_name": "Tanaka", "phones": { e164: { "raw": e164 } } });
    let path = office.contact(&office.admin, owner.map(|phone| phone.user), fields).await;
    path.rsplit('/').next().unwrap().parse().unwrap()
}
