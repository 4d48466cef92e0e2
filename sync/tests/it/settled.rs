//! What the server decides by itself, and writes as itself: once.

use callfield_domain::{RecordId, Timestamp};
use callfield_sync::ingest::Context;
use callfield_sync::protocol::VerdictCode;
use callfield_sync::schema::RecordType;
use serde_json::{Value, json};

use crate::office::{Device, Server, codes, push};

/// A record that two phones of one user have.
fn shared(record_type: RecordType, values: &Value) -> (Server, Device, Device, RecordId) {
    let mut server = Server::new(6);
    let (id, suzuki) = (server.id(), server.user());
    let [mut phone, mut tablet] = [1, 2].map(|n| server.device(n, suzuki, record_type));
    let made = phone.edit(1_000, values);
    server.push(&phone, id, &made);
    server.pull(&mut tablet, id);
    (server, phone, tablet, id)
}

#[test]
fn an_edit_made_without_knowing_of_a_delete_wins_over_it() {
    let mut server = Server::new(5);
    let (id, suzuki) = (server.id(), server.user());
    let [mut phone, mut tablet] = [1, 2].map(|n| server.device(n, suzuki, RecordType::Contact));
    let made = phone.edit(1_000, &json!({"last_name": "Tanaka"}));
    server.push(&phone, id, &made);
    server.pull(&mut tablet, id);

    let deleted = phone.edit(2_000, &json!({"deleted_at": 2_000}));
    let edited = tablet.edit(2_100, &json!({"title": "boss"}));
    let ingested = server.push(&phone, id, &deleted);
    assert_eq!(ingested.records[0].deleted_at, Some(Timestamp::from_millis(2_000)));
    let ingested = server.push(&tablet, id, &edited);
    let outcome = &ingested.records[0];
    assert_eq!(outcome.corrections[0].code, "edit_over_delete");
    assert_eq!((outcome.deleted_at, &outcome.projection["title"]), (None, &json!("boss")));
    assert_eq!(outcome.changes.last().unwrap().author, None, "the server wrote that");

    server.pull(&mut phone, id);
    let again = phone.edit(3_000, &json!({"deleted_at": 3_000}));
    let ingested = server.push(&phone, id, &again);
    assert!(ingested.records[0].deleted_at.is_some(), "who knows of the edit may delete");
}

#[test]
fn an_edit_that_knows_of_the_delete_does_not_undo_it_and_neither_does_another_delete() {
    let (mut server, mut phone, mut tablet, id) = shared(RecordType::Contact, &json!({"last_name": "Tanaka"}));
    let (one, two) =
        (phone.edit(2_000, &json!({"deleted_at": 2_000})), tablet.edit(2_100, &json!({"deleted_at": 2_100})));
    server.push(&phone, id, &one);
    let ingested = server.push(&tablet, id, &two);
    assert_eq!(ingested.records[0].deleted_at, Some(Timestamp::from_millis(2_100)), "the later of two deletes");
    server.pull(&mut phone, id);
    let noted = phone.edit(3_000, &json!({"description": "moved away"}));
    let ingested = server.push(&phone, id, &noted);
    assert_eq!(ingested.records[0].deleted_at, Some(Timestamp::from_millis(2_100)));
    assert!(ingested.records[0].corrections.is_empty());
}

#[test]
fn status_is_settled_by_the_later_time_and_only_once() {
    let (mut server, mut phone, mut tablet, id) = shared(RecordType::Task, &json!({"subject": "Call back"}));
    let now = server.now.as_millis();
    let late = tablet.edit(now - 10, &json!({"status": "completed"}));
    let early = phone.edit(now - 20, &json!({"status": "deferred"}));
    server.push(&tablet, id, &late);
    let ingested = server.push(&phone, id, &early);
    let outcome = &ingested.records[0];
    assert_eq!((outcome.corrections[0].code.as_str(), &outcome.projection["status"]), ("latest", &json!("completed")));
    assert!(server.record(id).conflicts().is_empty());
    let replayed = server.push(&phone, id, &early);
    assert_eq!(codes(&replayed), [VerdictCode::Duplicate]);
    assert!(replayed.records.is_empty(), "nothing to write twice");
}

#[test]
fn a_clock_that_runs_years_ahead_does_not_win_and_one_that_stands_still_is_not_believed_either() {
    let (mut server, mut phone, mut tablet, id) = shared(RecordType::Task, &json!({"subject": "Call back"}));
    let now = server.now.as_millis();
    let ahead = phone.edit(now + 100_000_000_000, &json!({"status": "deferred"}));
    let honest = tablet.edit(now - 5_000, &json!({"status": "completed"}));
    server.push(&phone, id, &ahead);
    assert_eq!(server.push(&tablet, id, &honest).records[0].projection["status"], "completed");

    let (mut server, mut phone, mut tablet, id) = shared(RecordType::Task, &json!({"subject": "Call back"}));
    let before = tablet.edit(now - 60_000, &json!({"status": "completed"}));
    let stopped = phone.edit(0, &json!({"status": "deferred"}));
    server.push(&tablet, id, &before);
    let context = Context { last_contact: Some(Timestamp::from_millis(now - 1_000)), ..server.context(&phone) };
    let pushes = [push(server.txn(), id, RecordType::Task, &stopped)];
    let ingested = callfield_sync::ingest::ingest(&server.stored, &pushes, &context);
    assert_eq!(ingested.records[0].projection["status"], "deferred", "it was written after the last contact");
}

#[test]
fn do_not_call_stays_once_anybody_said_so() {
    let values = json!({"last_name": "Tanaka", "do_not_call": false});
    for (first, second) in [(true, None), (true, Some(false))] {
        let (mut server, mut phone, mut tablet, id) = shared(RecordType::Contact, &values);
        let said = phone.edit(2_000, &json!({"do_not_call": first}));
        let other = tablet.edit(3_000, &json!({"do_not_call": second, "title": "boss"}));
        server.push(&phone, id, &said);
        server.push(&tablet, id, &other);
        assert_eq!(server.record(id).projection()["do_not_call"], true);
    }
}
