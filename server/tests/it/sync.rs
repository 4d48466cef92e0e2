//! Sync: what one phone writes and who else gets it.

use callfield_domain::{CallFacts, CallId, CallState, Outcome, RecordId};
use callfield_sync::protocol::{ItemKind, Response, ScopeCursor, VerdictCode, Want};
use callfield_sync::schema::RecordType;
use callfield_sync::{Heads, scope};
use http::StatusCode;
use serde_json::json;

use crate::handset::{Handset, send};
use crate::office::{MORNING, Office, Phone};
use crate::testing::{self, db_test};

fn id_of(path: &str) -> RecordId {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

/// An answered call of this phone, as the edge leaves it.
fn ended_call(office: &Office, phone: &Phone) -> CallFacts {
    CallFacts {
        user: Some(phone.user),
        device: Some(phone.id),
        state: CallState::Ended,
        outcome: Some(Outcome::Completed),
        answered_at: Some(MORNING),
        ended_at: Some(MORNING),
        ..office.call(MORNING)
    }
}

async fn synced_steps(office: &Office, call: CallId) -> usize {
    let answer = office.get(&office.admin, &format!("/v1/calls/{call}/timeline")).await;
    let events = answer.body["events"].as_array().unwrap();
    events.iter().filter(|event| event["milestone"] == "synced").count()
}

db_test! {
    async fn a_phone_pulls_pushes_and_then_hears_only_what_is_new(db: Db) {
        let office = Office::open(db).await;
        let mut handset = Handset::of(&office, "Suzuki").await;
        let owner = handset.phone.user;
        let path = office.contact(&office.admin, Some(owner), json!({ "last_name": "Tanaka", "title": "Chief" })).await;
        let tanaka = id_of(&path);

        let first = handset.sync(&office).await;
        assert_eq!(first.items().iter().map(|item| item.kind).collect::<Vec<_>>(), [ItemKind::Snapshot]);
        assert_eq!(handset.field(tanaka, "title"), "Chief");

        handset.edit(&office, tanaka, &json!({ "title": "Director" }));
        let task = handset.create(&office, RecordType::Task, &json!({ "subject": "Ring back", "owner_id": owner }));
        let pushed = handset.round(&office).await;
        assert!(pushed.response.verdicts.iter().all(|verdict| verdict.code == VerdictCode::Ok));
        assert!(pushed.items().iter().all(|item| item.kind == ItemKind::Changes && item.body.is_empty()));
        assert!(handset.want.is_empty() && handset.outbox.is_empty());
        assert_eq!(office.get(&office.admin, &path).await.body["fields"]["title"], "Director");
        let subject = office.get(&handset.phone.token, &format!("/v1/records/{task}")).await;
        assert_eq!(subject.body["fields"]["subject"], "Ring back");

        let quiet = handset.round(&office).await;
        assert!(quiet.items().is_empty());
        assert!(quiet.request_bytes <= 300 && quiet.response_bytes <= 300);

        let etag = office.get(&office.admin, &path).await.etag();
        office.patch(&office.admin, &path, &etag, json!({ "department": "Sales" })).await;
        let new_path = office.contact(&office.admin, Some(owner), json!({ "last_name": "Ueda" })).await;
        let news = handset.round(&office).await;
        let kinds: Vec<_> = news.items().iter().map(|item| (item.doc, item.kind, item.body.len())).collect();
        assert_eq!(kinds, [(tanaka, ItemKind::Changes, 1), (id_of(&new_path), ItemKind::Snapshot, 1)]);
        let shown = office.get(&office.admin, &path).await;
        assert_eq!(handset.records[&tanaka].projection, shown.body["fields"]);
        assert!(handset.want.is_empty());
    }

    async fn a_request_that_comes_twice_changes_nothing(db: Db) {
        let office = Office::open(db).await;
        let mut handset = Handset::of(&office, "Suzuki").await;
        let id = handset.create(&office, RecordType::Contact, &json!({ "last_name": "Tanaka" }));
        let request = handset.request().encode();
        let mut states = Vec::new();
        for expected in [VerdictCode::Ok, VerdictCode::Duplicate, VerdictCode::Duplicate] {
            let (status, _, answer) = send(&office, &handset.phone.token, request.clone(), &[]).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(Response::decode(&answer).unwrap().verdicts[0].code, expected);
            states.push(office.app.db.read(office.tenant).await.unwrap().doc(id).await.unwrap());
        }
        assert!(states[0].is_some() && states.iter().all(|state| *state == states[0]));
    }

    async fn two_people_do_not_see_each_others_records(db: Db) {
        let office = Office::open(db).await;
        let (mut suzuki, mut sato) = (Handset::of(&office, "Suzuki").await, Handset::of(&office, "Sato").await);
        let owner = suzuki.phone.user;
        let hers = suzuki.create(&office, RecordType::Contact, &json!({ "last_name": "Tanaka", "owner_id": owner }));
        let shared = suzuki.create(&office, RecordType::Contact, &json!({ "last_name": "Reception" }));
        suzuki.sync(&office).await;
        sato.sync(&office).await;
        assert_eq!(sato.records.keys().collect::<Vec<_>>(), [&shared]);
        assert_eq!(office.get(&sato.phone.token, &format!("/v1/records/{hers}")).await.status, StatusCode::NOT_FOUND);

        let mut request = sato.request();
        let foreign = scope::of_user(&owner.to_string());
        let named = request.scopes[0].clone();
        request.scopes = vec![ScopeCursor { scope: foreign.clone(), cursor: None, ..named }];
        request.want = vec![Want { doc: hers, heads: Heads::default() }];
        let (_, _, answer) = send(&office, &sato.phone.token, request.encode(), &[]).await;
        let response = Response::decode(&answer).unwrap();
        assert!(response.pages.is_empty());
        assert_eq!(response.scopes_removed, [foreign]);
        assert_eq!((response.wanted[0].kind, response.wanted[0].body.len()), (ItemKind::Gone, 0));
    }

    async fn a_record_that_moves_to_somebody_else_is_gone_for_the_first(db: Db) {
        let office = Office::open(db).await;
        let (mut suzuki, mut sato) = (Handset::of(&office, "Suzuki").await, Handset::of(&office, "Sato").await);
        let path = office.contact(&office.admin, Some(suzuki.phone.user), json!({ "last_name": "Tanaka" })).await;
        suzuki.sync(&office).await;
        sato.sync(&office).await;
        assert!(suzuki.records.contains_key(&id_of(&path)) && sato.records.is_empty());

        let etag = office.get(&office.admin, &path).await.etag();
        let moved = office.patch(&office.admin, &path, &etag, json!({ "owner_id": sato.phone.user })).await;
        assert_eq!(moved.status, StatusCode::OK, "{moved:?}");
        let lost = suzuki.sync(&office).await;
        assert_eq!(lost.items().iter().map(|item| item.kind).collect::<Vec<_>>(), [ItemKind::Gone]);
        assert!(suzuki.records.is_empty());
        let won = sato.sync(&office).await;
        assert_eq!(won.items().iter().map(|item| item.kind).collect::<Vec<_>>(), [ItemKind::Snapshot]);
        assert_eq!(office.get(&suzuki.phone.token, &path).await.status, StatusCode::NOT_FOUND);

        let etag = office.get(&office.admin, &path).await.etag();
        office.patch(&office.admin, &path, &etag, json!({ "owner_id": suzuki.phone.user })).await;
        suzuki.sync(&office).await;
        assert_eq!(suzuki.field(id_of(&path), "last_name"), "Tanaka", "what comes back comes whole");
    }

    async fn edits_of_phone_and_office_merge_or_stand_side_by_side(db: Db) {
        let office = Office::open(db).await;
        let mut handset = Handset::of(&office, "Suzuki").await;
        let fields = json!({ "last_name": "Tanaka", "title": "Chief" });
        let path = office.contact(&office.admin, Some(handset.phone.user), fields).await;
        handset.sync(&office).await;
        handset.edit(&office, id_of(&path), &json!({ "title": "Director", "phones": { "+819012345678": { "raw": "090-1234-5678" } } }));
        let etag = office.get(&office.admin, &path).await.etag();
        office.patch(&office.admin, &path, &etag, json!({ "title": "President" })).await;
        handset.sync(&office).await;

        let shown = office.get(&office.admin, &path).await;
        assert_eq!(shown.body["fields"]["phones"]["+819012345678"]["raw"], "090-1234-5678");
        let conflict = &shown.body["conflicts"][0];
        let mut values: Vec<_> = conflict["values"].as_array().unwrap().iter()
            .map(|value| (value["value"].as_str().unwrap(), value["device"].as_str().map(ToOwned::to_owned))).collect();
        values.sort();
        let device = Some(handset.phone.id.to_string());
        assert_eq!((conflict["field"].as_str(), values), (Some("title"), vec![("Director", device), ("President", None)]));
        assert_eq!(handset.records[&id_of(&path)].projection, shown.body["fields"]);
    }

    async fn a_calls_record_is_made_from_its_facts_and_its_log_ends_the_timeline(db: Db) {
        let office = Office::open(db).await;
        let mut handset = Handset::of(&office, "Suzuki").await;
        let call = ended_call(&office, &handset.phone);
        office.put_call(&call).await;
        handset.sync(&office).await;
        let record = RecordId::of_call(office.tenant, call.id);
        assert_eq!(handset.field(record, "from"), "+81312345678");
        assert_eq!(synced_steps(&office, call.id).await, 0);

        let log = json!({ "result": "interested", "details": "Wants an offer", "logged_by": handset.phone.user, "logged_at": MORNING });
        handset.edit(&office, record, &log);
        handset.sync(&office).await;
        assert_eq!(synced_steps(&office, call.id).await, 1);
        let shown = office.get(&office.admin, &format!("/v1/calls/{}", call.id)).await;
        assert_eq!((&shown.body["outcome"], &shown.body["log"]["result"]), (&json!("completed"), &json!("interested")));

        handset.edit(&office, record, &json!({ "details": "Something else", "logged_at": MORNING.as_millis() + 1 }));
        let again = handset.sync(&office).await;
        let verdict = &again.response.verdicts[0];
        assert_eq!((verdict.code, verdict.reason.as_deref()), (VerdictCode::Rejected, Some("written_once")));
        assert_eq!(handset.inbox[0].values["details"], "Something else");
        assert_eq!(handset.field(record, "details"), "Wants an offer");
        assert_eq!(synced_steps(&office, call.id).await, 1);
    }

    async fn the_place_of_a_calls_record_cannot_be_taken_while_the_call_rings(db: Db) {
        let office = Office::open(db).await;
        let (mut suzuki, mut sato) = (Handset::of(&office, "Suzuki").await, Handset::of(&office, "Sato").await);
        let call = ended_call(&office, &suzuki.phone);
        let record = RecordId::of_call(office.tenant, call.id);
        sato.create_as(&office, record, RecordType::Contact, &json!({ "last_name": "Squatter" }));
        let squatted = sato.sync(&office).await;
        let verdict = &squatted.response.verdicts[0];
        assert_eq!((verdict.code, verdict.reason.as_deref()), (VerdictCode::Rejected, Some("wrong_type")));
        office.put_call(&call).await;
        suzuki.sync(&office).await;
        assert_eq!(suzuki.field(record, "outcome"), "completed");
        let shown = office.get(&office.admin, &format!("/v1/calls/{}", call.id)).await;
        assert_eq!(shown.body["log"]["outcome"], "completed");
    }

    async fn a_log_that_is_there_before_the_facts_joins_them(db: Db) {
        let office = Office::open(db).await;
        let mut handset = Handset::of(&office, "Suzuki").await;
        let call = ended_call(&office, &handset.phone);
        let record = RecordId::of_call(office.tenant, call.id);
        let log = json!({ "result": "interested", "logged_by": handset.phone.user, "logged_at": MORNING });
        handset.create_as(&office, record, RecordType::Call, &log);
        handset.sync(&office).await;
        office.put_call(&call).await;
        handset.sync(&office).await;
        assert_eq!((handset.field(record, "result"), handset.field(record, "outcome")), (&json!("interested"), &json!("completed")));
        assert_eq!(synced_steps(&office, call.id).await, 1);
    }
}
