//! What one phone makes of the server's answers.

use callfield_domain::{Random, RecordId, Seed, Timestamp, UserId};
use callfield_sync::ingest::Role;
use callfield_sync::phone::{EditFailed, InboxKind, Merged, Outgoing, Session, build_request, edit, merge};
use callfield_sync::protocol::{Budget, Level, MAX_CHANGES, Reason, Want};
use callfield_sync::schema::RecordType;
use serde_json::json;

use crate::cloud::Cloud;
use crate::handset::Phone;

fn world() -> (Cloud, Phone, Phone) {
    let mut random = Random::new(Seed::from_number(21));
    let user = UserId::new(Timestamp::ZERO, &mut random);
    let cloud = Cloud::new(&mut random);
    (cloud, Phone::new(1, user, &mut random), Phone::new(2, user, &mut random))
}

/// One contact that both phones and the server have.
fn contact() -> (Cloud, Phone, Phone, RecordId) {
    let (mut cloud, mut phone, mut tablet) = world();
    let id = phone.create(RecordType::Contact, &json!({"last_name": "Tanaka"}));
    phone.sync(&mut cloud);
    tablet.sync(&mut cloud);
    (cloud, phone, tablet, id)
}

#[test]
fn an_edit_in_a_tunnel_reaches_the_other_phone_and_the_outbox_is_empty() {
    let (mut cloud, mut phone, mut tablet, id) = contact();
    phone.edit(id, &json!({"phones": {"+819012345678": {"raw": "090-1234-5678", "type": "mobile"}}}));
    tablet.edit(id, &json!({"title": "boss"}));
    phone.sync(&mut cloud);
    tablet.sync(&mut cloud);
    phone.sync(&mut cloud);
    assert_eq!(phone.shows(id), tablet.shows(id));
    assert_eq!(phone.shows(id)["title"], "boss");
    assert_eq!((phone.heads(id), tablet.heads(id)), (&cloud.record(id).heads(), &cloud.record(id).heads()));
    assert!(phone.outbox.is_empty() && phone.inbox.is_empty());
    assert_eq!(phone.records[&id].synced_heads, cloud.record(id).heads());
}

#[test]
fn an_answer_that_never_arrived_or_arrives_twice_changes_nothing() {
    let (mut cloud, mut phone, _, id) = contact();
    phone.edit(id, &json!({"title": "boss"}));
    drop(cloud.answer(&phone, &phone.request()));
    let response = cloud.answer(&phone, &phone.request());
    phone.digest(&response);
    let (record, cursor) = (phone.records[&id].clone(), phone.cursor.clone());
    phone.digest(&response);
    assert_eq!((&phone.records[&id], &phone.cursor), (&record, &cursor));
    assert!(phone.outbox.is_empty());
    assert_eq!(cloud.record(id).projection()["title"], "boss");
}

#[test]
fn a_rejected_edit_goes_to_the_inbox_with_its_values_and_the_edits_after_it_live_on() {
    let (mut cloud, mut phone, mut tablet, id) = contact();
    phone.edit(id, &json!({"owner_id": id.to_string(), "department": "sales"}));
    phone.edit(id, &json!({"title": "boss"}));
    phone.edit(id, &json!({"description": "likes tea"}));
    phone.sync(&mut cloud);
    assert_eq!(phone.inbox.len(), 1);
    let card = &phone.inbox[0];
    assert_eq!((card.kind, card.code.as_str()), (InboxKind::Rejected, "forbidden"));
    assert_eq!(card.values, json!({"owner_id": id.to_string(), "department": "sales"}));
    let expected = json!({"last_name": "Tanaka", "title": "boss", "description": "likes tea"});
    assert_eq!(cloud.record(id).projection(), expected);
    tablet.sync(&mut cloud);
    assert_eq!((phone.shows(id), tablet.shows(id)), (&expected, &expected));
    phone.edit(id, &json!({"title": "big boss"}));
    phone.sync(&mut cloud);
    assert_eq!(cloud.record(id).projection()["title"], "big boss", "the phone goes on with its new incarnation");
}

#[test]
fn a_rejected_transaction_comes_back_whole_with_a_card_for_each_record() {
    let (mut cloud, mut phone, _) = world();
    let call = phone.create(RecordType::Call, &json!({"result": "interested", "logged_at": 1}));
    phone.sync(&mut cloud);
    let txn = phone.txn();
    phone.edit_in(txn, call, &json!({"result": "no_response", "logged_at": 2}));
    let task = phone.create(RecordType::Task, &json!({"subject": "Send the offer"}));
    phone.outbox.last_mut().unwrap().txn = txn;
    phone.sync(&mut cloud);
    let codes: Vec<_> = phone.inbox.iter().map(|card| (card.record_type, card.code.as_str())).collect();
    assert!(codes.contains(&(RecordType::Call, "written_once")) && codes.contains(&(RecordType::Task, "txn_refused")));
    let card = phone.inbox.iter().find(|card| card.doc == task).unwrap();
    assert_eq!(card.values, json!({"subject": "Send the offer"}));
    assert!(!phone.records.contains_key(&task), "made here and refused: nothing is left but the card");
    assert_eq!(phone.shows(call)["result"], "interested");
}

#[test]
fn a_phone_that_lost_its_rights_keeps_every_word_it_could_not_send() {
    let (mut cloud, mut phone, _, id) = contact();
    phone.role = Role::ReadOnly;
    phone.edit(id, &json!({"title": "boss"}));
    phone.edit(id, &json!({"title": "big boss"}));
    phone.sync(&mut cloud);
    assert_eq!(phone.shows(id), &json!({"last_name": "Tanaka"}));
    let kept: Vec<_> = phone.inbox.iter().map(|card| card.values.clone()).collect();
    assert_eq!(kept, [json!({"title": "boss"}), json!({"title": "big boss"})]);
}

#[test]
fn an_edit_of_an_old_epoch_is_replayed_on_the_rebuilt_record() {
    let (mut cloud, mut phone, mut tablet, id) = contact();
    phone.edit(id, &json!({"title": "boss", "phones": {"+81312345678": {"raw": "03"}}}));
    tablet.edit(id, &json!({"department": "sales"}));
    tablet.sync(&mut cloud);
    cloud.rebuild(id);
    phone.sync(&mut cloud);
    tablet.sync(&mut cloud);
    let expected = json!({
        "last_name": "Tanaka", "department": "sales", "title": "boss", "phones": {"+81312345678": {"raw": "03"}},
    });
    assert_eq!((phone.shows(id), tablet.shows(id)), (&expected, &expected));
    assert_eq!((phone.records[&id].epoch, phone.heads(id)), (1, tablet.heads(id)));
}

#[test]
fn what_a_restored_server_lost_is_sent_again() {
    let (mut cloud, mut phone, _, id) = contact();
    let backup = cloud.stored.clone();
    phone.edit(id, &json!({"title": "boss"}));
    phone.sync(&mut cloud);
    cloud.stored = backup;
    phone.edit(id, &json!({"department": "sales"}));
    phone.sync(&mut cloud);
    let expected = json!({"last_name": "Tanaka", "title": "boss", "department": "sales"});
    assert_eq!((&cloud.record(id).projection(), phone.shows(id)), (&expected, &expected));
}

#[test]
fn a_phone_that_has_only_the_values_fetches_the_record_before_it_edits() {
    let (mut cloud, _, mut tablet, id) = contact();
    tablet.records.clear();
    (tablet.cursor, tablet.level) = (None, Level::Projection);
    tablet.sync(&mut cloud);
    let local = tablet.records[&id].clone();
    assert_eq!((local.snapshot.as_ref(), &local.projection), (None, &json!({"last_name": "Tanaka"})));
    let mut random = Random::new(Seed::from_number(3));
    let txn = tablet.txn();
    let by = callfield_sync::record::Edit {
        actor: callfield_sync::Actor::new(callfield_sync::DeviceKey::from_bytes([2; 8]), 9, &mut random),
        author: callfield_sync::Author::User(tablet.user),
        claimed_at: tablet.now,
    };
    assert_eq!(edit(&local, txn, &by, &json!({"title": "boss"})), Err(EditFailed::NotHere));
    tablet.want.push(Want { doc: id, heads: callfield_sync::Heads::default() });
    tablet.sync(&mut cloud);
    tablet.edit(id, &json!({"title": "boss"}));
    tablet.sync(&mut cloud);
    assert_eq!(cloud.record(id).projection()["title"], "boss");
}

#[test]
fn a_request_never_splits_a_transaction() {
    let (_, mut phone, _) = world();
    let id = phone.create(RecordType::Contact, &json!({"last_name": "Tanaka"}));
    let one = phone.outbox[0].clone();
    let (first, second) = (phone.txn(), phone.txn());
    let many = |txn, count: usize| (0..count).map(move |_| txn);
    let outbox: Vec<_> = many(first, 600).chain(many(second, 600)).map(|txn| Outgoing { txn, ..one.clone() }).collect();
    let session =
        Session { device: phone.device, reason: Reason::Edit, budget: Budget { bytes: 0, time_ms: 0, metered: false } };
    let request = build_request(&session, &outbox, Vec::new(), Vec::new());
    let sent: usize = request.push.iter().map(|push| push.changes.len()).sum();
    assert!(sent == 600 && sent <= MAX_CHANGES);
    assert!(request.push.iter().all(|push| push.txn == first && push.doc == id));
}

#[test]
fn words_written_while_the_answer_was_on_its_way_survive_a_rejection() {
    let (mut cloud, mut phone, _, id) = contact();
    phone.edit(id, &json!({"owner_id": id.to_string()}));
    let sent = phone.outbox.clone();
    let response = cloud.answer(&phone, &phone.request());
    phone.edit(id, &json!({"title": "boss"}));
    let late = phone.outbox.split_off(1);
    assert_eq!(phone.outbox, sent, "a shell that digests with the outbox it sent");
    phone.digest_late(&response, &late);
    assert_eq!(phone.shows(id), &json!({"last_name": "Tanaka", "title": "boss"}));
    phone.sync(&mut cloud);
    assert_eq!(cloud.record(id).projection(), json!({"last_name": "Tanaka", "title": "boss"}));
}

#[test]
fn what_was_taken_or_is_known_uses_up_no_incarnation() {
    let (mut cloud, mut phone, _, id) = contact();
    phone.edit(id, &json!({"title": "boss"}));
    let incarnation = phone.actor.incarnation();
    phone.sync(&mut cloud);
    phone.sync(&mut cloud);
    assert_eq!(phone.actor.incarnation(), incarnation);
}

#[test]
fn changes_that_do_not_lead_to_the_stated_heads_are_asked_for_and_older_news_take_nothing_back() {
    let (mut cloud, mut phone, mut tablet, id) = contact();
    let older = cloud.item(id, Some(1), Level::Full).unwrap();
    phone.edit(id, &json!({"title": "boss"}));
    phone.sync(&mut cloud);
    let seen = phone.records[&id].clone();
    assert_eq!(merge(&older, Some(&seen), &[]), Merged::Unchanged);

    let mut holed = cloud.item(id, Some(1), Level::Full).unwrap();
    holed.body.clear();
    let want = Want { doc: id, heads: tablet.records[&id].synced_heads.clone() };
    assert_eq!(merge(&holed, tablet.records.get(&id), &[]), Merged::Want(want));
    tablet.sync(&mut cloud);
    assert_eq!(merge(&holed, tablet.records.get(&id), &[]), Merged::Unchanged);
}
