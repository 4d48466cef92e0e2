//! What the API says of calls, and what the SIP edge asks of the database.

use callfield_domain::{CallId, CallState, Milestone, Outcome, TimelineEvent, Timestamp};
use callfield_server::app::edge_port::{EdgeCommand, WokenCallState};
use http::StatusCode;
use serde_json::json;

use crate::office::{MORNING, Office};
use crate::testing::{self, db_test};

fn later(ms: i64) -> Timestamp {
    Timestamp::from_millis(MORNING.as_millis() + ms)
}

db_test! {
    async fn a_call_grows_from_its_first_facts_to_its_outcome(db: Db) {
        let office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        let mut call = office.call(MORNING);
        let path = format!("/v1/calls/{}", call.id);
        office.put_call(&call).await;
        assert_eq!(office.get(&office.admin, &path).await.body["state"], "queued");

        call.state = CallState::Ended;
        call.outcome = Some(Outcome::Completed);
        call.user = Some(phone.user);
        call.device = Some(phone.id);
        call.answered_at = Some(later(4_000));
        call.ended_at = Some(later(10_000));
        call.transferred_to = Some("+81398765432".to_owned());
        office.put_call(&call).await;
        let answer = office.get(&phone.token, &path).await;
        let expected = json!({
            "id": call.id,
            "direction": "inbound",
            "from": "+81312345678",
            "to": "+81350001000",
            "user": phone.user,
            "device": phone.id,
            "state": "ended",
            "outcome": "completed",
            "started_at": MORNING,
            "answered_at": later(4_000),
            "ended_at": later(10_000),
            "transferred_to": "+81398765432",
            "ring_ms": 4_000,
            "talk_ms": 6_000,
            "record": callfield_domain::RecordId::of_call(office.tenant, call.id),
            "log": null,
        });
        assert_eq!(answer.body, expected);
    }

    async fn calls_are_listed_newest_first_page_by_page(db: Db) {
        let office = Office::open(db).await;
        let mut ids = Vec::new();
        for n in 0..5 {
            let call = office.call(later(n / 2));
            office.put_call(&call).await;
            ids.push((call.started_at, call.id));
        }
        ids.sort_unstable();
        ids.reverse();
        let expected: Vec<String> = ids.iter().map(|(_, id)| id.to_string()).collect();
        let mut seen = Vec::new();
        let mut path = "/v1/calls?limit=2".to_owned();
        loop {
            let answer = office.get(&office.admin, &path).await;
            let page: Vec<String> = answer.body["calls"].as_array().unwrap().iter()
                .map(|call| call["id"].as_str().unwrap().to_owned()).collect();
            let Some(last) = page.last() else { break };
            path = format!("/v1/calls?limit=2&before={last}");
            seen.extend(page);
        }
        assert_eq!(seen, expected);
    }

    async fn the_timeline_is_told_in_the_order_of_time(db: Db) {
        let office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        let call = office.call(MORNING);
        office.put_call(&call).await;
        let event = |ms, milestone, detail: Option<&str>| TimelineEvent {
            at: later(ms),
            milestone,
            device: Some(phone.id),
            detail: detail.map(str::to_owned),
        };
        let mut write = office.app.db.write(office.tenant).await.unwrap();
        write.append_events(&[(call.id, event(9, Milestone::PushAccepted, Some("id-1")))]).await.unwrap();
        write.append_events(&[event(0, Milestone::Invited, None), event(9, Milestone::Registered, None)].map(|event| (call.id, event)))
            .await.unwrap();
        write.commit().await.unwrap();
        let answer = office.get(&phone.token, &format!("/v1/calls/{}/timeline", call.id)).await;
        let told: Vec<_> = answer.body["events"].as_array().unwrap().iter()
            .map(|event| (event["milestone"].as_str().unwrap(), event["at"].as_i64().unwrap())).collect();
        let at = MORNING.as_millis();
        assert_eq!(told, [("invited", at), ("push_accepted", at + 9), ("registered", at + 9)]);
        assert_eq!(answer.body["events"][1]["detail"], "id-1");
    }

    async fn a_woken_phone_hears_from_the_edge_how_its_call_stands(db: Db) {
        let mut office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        let id = CallId::new(MORNING, &mut office.app.random());
        let (router, edge) = (office.router.clone(), &mut office.edge);
        let path = format!("/v1/calls/{id}/state");
        let request = crate::office::request(http::Method::GET, &path, &phone.token, axum::body::Body::empty());
        let edge = async {
            let Some(EdgeCommand::CallState { identity, call, reply }) = edge.recv().await else { panic!() };
            assert_eq!((identity.user, identity.device, call), (phone.user, phone.id, id));
            reply.send(WokenCallState::AnsweredElsewhere).unwrap();
        };
        let (response, ()) = tokio::join!(tower::ServiceExt::oneshot(router, request), edge);
        let body = http_body_util::BodyExt::collect(response.unwrap().into_body()).await.unwrap().to_bytes();
        assert_eq!(body, r#"{"state":"answered_elsewhere"}"#);
    }

    async fn an_edge_that_is_gone_is_a_503(db: Db) {
        let mut office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        office.edge.close();
        let id = CallId::new(MORNING, &mut office.app.random());
        let answer = office.get(&phone.token, &format!("/v1/calls/{id}/state")).await;
        assert_eq!((answer.status, answer.error()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    }

    async fn a_number_is_found_by_the_trunk_it_was_called_through(db: Db) {
        let office = Office::open(db).await;
        let (other_tenant, other) = crate::office::company(&office.app, "XYZ").await;
        for (token, number) in [(&office.admin, "+81350001000"), (&other, "+81350002000")] {
            let number = json!({ "e164": number, "route": "record_owner" });
            assert_eq!(office.post(token, "/v1/numbers", number).await.status, StatusCode::CREATED);
            let trunk = json!({ "name": "PBX", "kind": "static", "addresses": ["127.0.0.1", "2001:db8::1"] });
            assert_eq!(office.post(token, "/v1/trunks", trunk).await.status, StatusCode::CREATED);
        }
        let mut db = office.app.db.look_up().await.unwrap();
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        assert!(db.company_at(mapped).await.unwrap().is_some());
        assert_eq!(db.company_at("192.0.2.1".parse().unwrap()).await.unwrap(), None);
        let ours = db.inbound_number(mapped, "+81350001000").await.unwrap().unwrap();
        let theirs = db.inbound_number("2001:db8::1".parse().unwrap(), "+81350002000").await.unwrap().unwrap();
        assert_eq!((ours.tenant, ours.route.as_str()), (office.tenant, "record_owner"));
        assert_eq!(theirs.tenant, other_tenant);
        assert!(db.inbound_number("192.0.2.1".parse().unwrap(), "+81350001000").await.unwrap().is_none());
        assert!(db.inbound_number(mapped, "+81350003000").await.unwrap().is_none());
    }
}
