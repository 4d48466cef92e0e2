//! What ingest refuses, why, and what that does to the rest of a request.

use callfield_domain::{RecordId, Timestamp};
use callfield_sync::identity::{Actor, DeviceKey};
use callfield_sync::ingest::{Stored, ingest, touched};
use callfield_sync::protocol::{Push, VerdictCode};
use callfield_sync::record::{Change, Edit, Record};
use callfield_sync::schema::RecordType;
use callfield_sync::{Author, ChangeHash, genesis};
use serde_json::json;

use crate::office::{Device, Server, codes, push, reasons};

/// A server with one contact of the phone's user.
pub(crate) fn contact() -> (Server, Device, RecordId) {
    let mut server = Server::new(11);
    let (id, user) = (server.id(), server.user());
    let mut phone = server.device(1, user, RecordType::Contact);
    let made = phone.edit(1_000, &json!({"last_name": "Tanaka"}));
    assert_eq!(codes(&server.push(&phone, id, &made)), [VerdictCode::Ok]);
    (server, phone, id)
}

/// A server with one call that nobody has logged yet.
pub(crate) fn call() -> (Server, Device, RecordId) {
    let mut server = Server::new(12);
    let (id, user) = (server.id(), server.user());
    let facts = Edit { actor: server.actor, author: Author::Server, claimed_at: server.now };
    let mut record = Record::new(RecordType::Call);
    record.edit(&facts, &json!({"outcome": "no_answer", "user_id": user.to_string()})).unwrap();
    server.stored.insert(id, Stored { record_type: RecordType::Call, epoch: 0, snapshot: record.save() });
    let mut phone = server.device(1, user, RecordType::Call);
    server.pull(&mut phone, id);
    (server, phone, id)
}

#[test]
fn a2_a_log_is_written_once_and_the_second_write_is_refused() {
    let (mut server, mut phone, id) = call();
    let mut tablet = server.device(2, phone.user, RecordType::Call);
    server.pull(&mut tablet, id);
    let log = |result: &str| json!({"result": result, "logged_at": 5_000, "details": "long talk"});
    let (first, second) = (phone.edit(5_000, &log("interested")), tablet.edit(5_001, &log("no_response")));
    assert_eq!(codes(&server.push(&phone, id, &first)), [VerdictCode::Ok]);
    let refused = server.push(&tablet, id, &second);
    assert_eq!(reasons(&refused), ["written_once"], "also if it did not know of the first");
    assert_eq!(refused.refused[0].bytes, second[0].bytes, "kept aside");
    let again = phone.edit(6_000, &json!({"subject": "another thought", "logged_at": 6_000}));
    assert_eq!(reasons(&server.push(&phone, id, &again)), ["written_once"]);
    assert_eq!(server.record(id).projection()["result"], "interested");
}

#[test]
fn a_log_without_its_marker_or_in_the_name_of_another_is_refused() {
    let (mut server, mut phone, id) = call();
    let other = server.user();
    let before = phone.record.clone();
    for (patch, reason) in [
        (json!({"result": "interested"}), "log_incomplete"),
        (json!({"result": "interested", "logged_at": 1, "logged_by": other.to_string()}), "foreign_author"),
    ] {
        phone.record = before.clone();
        phone.actor = Actor::new(phone.key, 2, &mut server.random);
        let changes = phone.edit(5_000, &patch);
        assert_eq!(reasons(&server.push(&phone, id, &changes)), [reason]);
    }
}

#[test]
fn what_follows_a_refused_change_is_blocked_and_what_does_not_is_taken() {
    let (mut server, mut phone, id) = contact();
    let mut tablet = server.device(1, phone.user, RecordType::Contact);
    tablet.record = phone.record.clone();
    let good = tablet.edit(2_000, &json!({"department": "sales"}));
    phone.actor = Actor::new(phone.key, 2, &mut server.random);
    let refused = phone.edit(2_000, &json!({"owner_id": id.to_string()}));
    let blocked = [phone.edit(2_100, &json!({"title": "x"})), phone.edit(2_200, &json!({"title": "y"}))].concat();
    let pushes: Vec<Push> = [&refused[..], &blocked[..1], &blocked[1..], &good[..]]
        .iter()
        .map(|changes| push(server.txn(), id, RecordType::Contact, changes))
        .collect();
    assert_eq!(touched(&pushes).into_iter().collect::<Vec<_>>(), [id]);
    let ingested = server.take(&phone, &pushes);
    use VerdictCode::{BlockedBy, Ok, Rejected};
    assert_eq!(codes(&ingested), [Rejected, BlockedBy, BlockedBy, Ok]);
    assert_eq!(ingested.verdicts[2].by, Some(refused[0].hash), "the root, not the one between");
    assert_eq!(ingested.records[0].changed, ["department"]);
}

#[test]
fn a_transaction_over_two_records_is_refused_whole_and_drags_nothing_else_down() {
    let (mut server, mut phone, id) = call();
    let task = server.id();
    let mut to_do = server.device(1, phone.user, RecordType::Task);
    let forged = phone.edit(5_000, &json!({"outcome": "completed"}));
    let follow_up = to_do.edit(5_000, &json!({"subject": "Send the offer"}));
    let later = to_do.edit(5_100, &json!({"priority": "high"}));
    let (bad, next) = (server.txn(), server.txn());
    let other = server.id();
    let elsewhere = server.device(1, phone.user, RecordType::Task).edit(5_000, &json!({"subject": "Water the plants"}));
    let pushes = [
        push(bad, task, RecordType::Task, &follow_up),
        push(bad, id, RecordType::Call, &forged),
        push(next, task, RecordType::Task, &later),
        push(server.txn(), other, RecordType::Task, &elsewhere),
    ];
    let ingested = server.take(&phone, &pushes);
    use VerdictCode::{BlockedBy, Ok, Rejected};
    assert_eq!(codes(&ingested), [Rejected, Rejected, BlockedBy, Ok]);
    assert_eq!(reasons(&ingested), ["txn_refused", "server_field"]);
    assert_eq!(ingested.records.iter().map(|outcome| outcome.id).collect::<Vec<_>>(), [other]);
    assert!(!server.stored.contains_key(&task));
}

#[test]
fn a_change_whose_past_is_missing_waits_and_holds_its_transaction_back() {
    let (mut server, mut phone, id) = contact();
    let lost = phone.edit(2_000, &json!({"title": "a"}));
    let after = phone.edit(2_100, &json!({"title": "b"}));
    let task = server.id();
    let follow_up = server.device(1, phone.user, RecordType::Task).edit(2_100, &json!({"subject": "call"}));
    let txn = server.txn();
    let pushes = [push(txn, id, RecordType::Contact, &after), push(txn, task, RecordType::Task, &follow_up)];
    let ingested = server.take(&phone, &pushes);
    assert_eq!(codes(&ingested), [VerdictCode::NeedDeps, VerdictCode::NeedDeps]);
    assert!(ingested.records.is_empty() && ingested.refused.is_empty());
    server.push(&phone, id, &lost);
    assert_eq!(codes(&server.take(&phone, &pushes)), [VerdictCode::Ok, VerdictCode::Ok]);
}

#[test]
fn another_epoch_an_erased_record_and_another_type_are_told_apart() {
    let (mut server, mut phone, id) = contact();
    let changes = phone.edit(2_000, &json!({"title": "a"}));
    server.stored.get_mut(&id).unwrap().epoch = 3;
    let ingested = server.push(&phone, id, &changes);
    assert_eq!((codes(&ingested), ingested.verdicts[0].epoch), (vec![VerdictCode::EpochGone], Some(3)));
    let tombstone = Stored { record_type: RecordType::Contact, epoch: 0, snapshot: Vec::new() };
    server.stored.insert(id, tombstone);
    assert_eq!(codes(&server.push(&phone, id, &changes)), [VerdictCode::EpochGone], "nothing resurrects it");
    let txn = server.txn();
    let wrong = server.take(&phone, &[push(txn, id, RecordType::Task, &changes)]);
    assert_eq!(reasons(&wrong), ["wrong_type"]);
    let unknown = Push { record_type: "dinosaur".to_owned(), ..push(txn, server.id(), RecordType::Task, &changes) };
    assert_eq!(reasons(&server.take(&phone, &[unknown])), ["wrong_type"]);
}

#[test]
fn sending_everything_again_changes_nothing_and_the_genesis_is_known() {
    let (mut server, mut phone, id) = contact();
    let changes = phone.edit(2_000, &json!({"title": "a"}));
    server.push(&phone, id, &changes);
    let before = server.stored[&id].snapshot.clone();
    let again = server.push(&phone, id, &changes);
    assert_eq!(codes(&again), [VerdictCode::Duplicate]);
    assert!(again.records.is_empty());
    let genesis =
        Change { hash: genesis::hash(RecordType::Contact), bytes: genesis::bytes(RecordType::Contact).to_vec() };
    assert_eq!(codes(&server.push(&phone, id, &[genesis])), [VerdictCode::Duplicate]);
    assert_eq!(server.stored[&id].snapshot, before);
}

#[test]
fn a_required_field_that_was_emptied_is_reported_and_never_refused() {
    let (mut server, mut phone, id) = contact();
    let emptied = phone.edit(2_000, &json!({"last_name": null}));
    let ingested = server.push(&phone, id, &emptied);
    assert_eq!(codes(&ingested), [VerdictCode::Ok]);
    let correction = &ingested.records[0].corrections[0];
    assert_eq!((correction.code.as_str(), correction.field.as_str()), ("required_missing", "last_name"));
}

#[test]
fn nonsense_and_what_is_too_large_are_refused_by_the_name_of_their_bytes() {
    let (mut server, phone, id) = contact();
    let garbage = |bytes: Vec<u8>| Change { hash: ChangeHash::from_bytes([0; 32]), bytes };
    let snapshot = server.record(id).save();
    for (bytes, reason) in [(vec![], "malformed"), (snapshot, "malformed"), (vec![0x85; 70_000], "too_large")] {
        let ingested = server.push(&phone, id, &[garbage(bytes)]);
        assert_eq!(reasons(&ingested), [reason]);
        assert_eq!(ingested.refused[0].hash, ingested.verdicts[0].hash);
    }
}

#[test]
fn an_outcome_tells_the_store_everything_it_writes() {
    let (mut server, mut phone, id) = contact();
    let changes = phone.edit(2_000, &json!({"phones": {"+81312345678": {"raw": "03"}}, "deleted_at": 7}));
    let pushes = [push(server.txn(), id, RecordType::Contact, &changes)];
    let ingested = ingest(&server.stored, &pushes, &server.context(&phone));
    let outcome = &ingested.records[0];
    assert!(!outcome.is_new);
    assert_eq!(outcome.changed, ["deleted_at", "phones/+81312345678/raw"]);
    assert_eq!((outcome.change_count, outcome.deleted_at), (3, Some(Timestamp::from_millis(7))));
    assert_eq!(outcome.scopes.iter().collect::<Vec<_>>(), ["tenant"]);
    let taken = &outcome.changes[0];
    assert_eq!((taken.hash, &taken.bytes, taken.actor), (changes[0].hash, &changes[0].bytes, phone.actor));
    assert_eq!((taken.author, taken.claimed_at.as_millis()), (Some(phone.user), 2_000));
    assert_eq!(phone.actor.device(), DeviceKey::of_public_key(&[1; 32]));
}
