//! What people see when several of them edit the same things.

use callfield_domain::{CallId, RecordId, TenantId};
use callfield_sync::ingest::{Role, write};
use callfield_sync::protocol::VerdictCode;
use callfield_sync::record::Edit;
use callfield_sync::schema::RecordType;
use callfield_sync::{Actor, Author, DeviceKey};
use serde_json::json;

use crate::office::{Server, codes, push};

#[test]
fn two_phones_and_the_office_edit_one_contact_and_different_fields_merge() {
    let mut server = Server::new(1);
    let (id, suzuki) = (server.id(), server.user());
    let [mut phone, mut tablet, mut office] = [1, 2, 3].map(|n| server.device(n, suzuki, RecordType::Contact));
    let made = phone.edit(1_000, &json!({"last_name": "田中", "owner_id": suzuki.to_string()}));
    assert_eq!(codes(&server.push(&phone, id, &made)), [VerdictCode::Ok]);
    server.pull(&mut tablet, id);
    server.pull(&mut office, id);

    let in_a_tunnel = phone.edit(2_000, &json!({"title": "部長", "phones": {"+81312345678": {"raw": "03-1234-5678"}}}));
    let at_home = tablet.edit(2_500, &json!({"address": {"city": "大分"}}));
    let at_the_desk = office.edit(3_000, &json!({"description": "prefers mornings", "tags": {"vip": true}}));
    for (device, changes) in [(&office, at_the_desk), (&phone, in_a_tunnel), (&tablet, at_home)] {
        let ingested = server.push(device, id, &changes);
        assert_eq!(codes(&ingested), [VerdictCode::Ok]);
        assert!(ingested.records[0].corrections.is_empty());
    }

    let record = server.record(id);
    assert!(record.conflicts().is_empty());
    assert_eq!(
        record.projection(),
        json!({
            "last_name": "田中",
            "owner_id": suzuki.to_string(),
            "title": "部長",
            "phones": {"+81312345678": {"raw": "03-1234-5678"}},
            "address": {"city": "大分"},
            "description": "prefers mornings",
            "tags": {"vip": true},
        })
    );
}

#[test]
fn the_same_field_edited_twice_keeps_both_values_with_who_and_when_until_somebody_decides() {
    let mut server = Server::new(2);
    let (id, suzuki, sato) = (server.id(), server.user(), server.user());
    let mut phone = server.device(1, suzuki, RecordType::Contact);
    let mut office = server.device(2, sato, RecordType::Contact);
    office.role = Role::Manager;
    let made = phone.edit(1_000, &json!({"last_name": "Tanaka", "title": "clerk"}));
    server.push(&phone, id, &made);
    server.pull(&mut office, id);

    let first = phone.edit(2_000, &json!({"title": "manager"}));
    let second = office.edit(5_000, &json!({"title": "director"}));
    server.push(&office, id, &second);
    let ingested = server.push(&phone, id, &first);
    assert!(ingested.records[0].corrections.is_empty(), "title is asked, never decided");

    let conflicts = server.record(id).conflicts();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].field, "title");
    let mut seen: Vec<_> = conflicts[0]
        .values
        .iter()
        .map(|value| (value.value.clone(), value.author, value.actor.device(), value.claimed_at.as_millis()))
        .collect();
    seen.sort_by_key(|value| value.3);
    assert_eq!(
        seen,
        [
            (json!("manager"), Some(Author::User(suzuki)), phone.key, 2_000),
            (json!("director"), Some(Author::User(sato)), office.key, 5_000),
        ]
    );
    assert_eq!(conflicts[0].values[0].value, server.record(id).projection()["title"], "the shown one is first");

    server.pull(&mut phone, id);
    let shown = phone.record.projection()["title"].clone();
    let decided = phone.edit(6_000, &json!({"title": shown}));
    assert_eq!(decided.len(), 1, "confirming the shown value is a write");
    server.push(&phone, id, &decided);
    assert!(server.record(id).conflicts().is_empty());
}

#[test]
fn one_number_added_on_two_phones_is_one_entry_with_the_parts_of_both() {
    let mut server = Server::new(3);
    let (id, suzuki) = (server.id(), server.user());
    let [mut phone, mut tablet] = [1, 2].map(|n| server.device(n, suzuki, RecordType::Contact));
    let made = phone.edit(1_000, &json!({"last_name": "Tanaka"}));
    server.push(&phone, id, &made);
    server.pull(&mut tablet, id);

    let one = phone.edit(2_000, &json!({"phones": {"+819012345678": {"raw": "090-1234-5678", "type": "mobile"}}}));
    let two = tablet.edit(
        2_000,
        &json!({"phones": {"+819012345678": {"raw": "090-1234-5678", "label": "wife's"}, "+81975551234": {"raw": "097-555-1234"}}}),
    );
    server.push(&phone, id, &one);
    server.push(&tablet, id, &two);
    let record = server.record(id);
    assert!(record.conflicts().is_empty(), "equal values are no conflict");
    assert_eq!(
        record.projection()["phones"],
        json!({
            "+819012345678": {"raw": "090-1234-5678", "type": "mobile", "label": "wife's"},
            "+81975551234": {"raw": "097-555-1234"},
        })
    );

    server.pull(&mut phone, id);
    server.pull(&mut tablet, id);
    let removed = phone.edit(3_000, &json!({"phones": {"+819012345678": null}}));
    server.push(&phone, id, &removed);
    server.pull(&mut tablet, id);
    assert_eq!(tablet.record.projection()["phones"], json!({"+81975551234": {"raw": "097-555-1234"}}));
}

#[test]
fn a_call_log_and_its_follow_up_join_the_servers_facts() {
    let mut server = Server::new(4);
    let suzuki = server.user();
    let (tenant, call) = (TenantId::new(server.now, &mut server.random), CallId::new(server.now, &mut server.random));
    let (id, task) = (RecordId::of_call(tenant, call), server.id());
    let facts = Edit { actor: server.actor, author: Author::Server, claimed_at: server.now };
    let known = json!({"direction": "inbound", "outcome": "completed", "user_id": suzuki.to_string()});
    let outcome = write(id, RecordType::Call, None, &facts, &known).unwrap().unwrap();
    assert_eq!(outcome.scopes.iter().collect::<Vec<_>>(), [&format!("user:{suzuki}")]);
    assert_eq!((outcome.is_new, outcome.changes.len(), outcome.changes[0].author), (true, 1, None));
    server.keep(&outcome);
    assert!(write(id, RecordType::Call, Some(&server.stored[&id]), &facts, &known).unwrap().is_none());

    let mut phone = server.device(1, suzuki, RecordType::Call);
    let mut to_do = server.device(1, suzuki, RecordType::Task);
    let log = phone.edit(
        9_000,
        &json!({"result": "interested", "logged_at": 9_000, "logged_by": suzuki.to_string(), "follow_up_ids": {task.to_string(): true}}),
    );
    let follow_up = to_do.edit(9_000, &json!({"subject": "Send the offer", "owner_id": suzuki.to_string()}));
    let txn = server.txn();
    let pushes = [push(txn, id, RecordType::Call, &log), push(txn, task, RecordType::Task, &follow_up)];
    let ingested = server.take(&phone, &pushes);
    assert_eq!(codes(&ingested), [VerdictCode::Ok, VerdictCode::Ok]);
    let call = server.record(id).projection();
    assert_eq!((&call["direction"], &call["result"]), (&json!("inbound"), &json!("interested")));
    assert_eq!(server.record(task).projection()["subject"], "Send the offer");
}

#[test]
fn an_edit_on_stated_older_heads_is_concurrent_with_what_came_after() {
    let mut server = Server::new(7);
    let (id, suzuki) = (server.id(), server.user());
    let mut phone = server.device(1, suzuki, RecordType::Contact);
    let made = phone.edit(1_000, &json!({"last_name": "Tanaka", "title": "clerk"}));
    let read_at = phone.record.heads();
    let moved = phone.edit(2_000, &json!({"title": "manager"}));
    server.push(&phone, id, &[made, moved].concat());

    let mut rest = server.device(9, suzuki, RecordType::Contact);
    rest.record = server.record(id);
    let by = rest.by(3_000);
    let stale = rest.record.edit_at(&read_at, &by, &json!({"title": "director"})).unwrap();
    assert_eq!(codes(&server.push(&rest, id, &stale)), [VerdictCode::Ok]);
    assert_eq!(server.record(id).conflicts()[0].values.len(), 2);

    let unknown = [callfield_sync::ChangeHash::from_bytes([9; 32])].into_iter().collect();
    assert!(rest.record.edit_at(&unknown, &by, &json!({"title": "x"})).is_err());
    assert!(rest.record.edit_at(&read_at, &by, &json!({"title": "x"})).is_err(), "this actor went past those heads");
    let fresh = Edit { actor: Actor::new(DeviceKey::of_public_key(&[9; 32]), 2, &mut server.random), ..by };
    assert!(rest.record.edit_at(&read_at, &fresh, &json!({"title": "x"})).is_ok());
}
