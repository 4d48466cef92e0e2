//! Who may write what: devices, users, roles, and fields that belong to the server.

use callfield_domain::{CallId, RecordId, TenantId};
use callfield_sync::Author;
use callfield_sync::identity::Actor;
use callfield_sync::ingest::Role;
use callfield_sync::protocol::VerdictCode;
use callfield_sync::record::Edit;
use callfield_sync::schema::RecordType;
use serde_json::{Value, json};

use crate::ingest::{call, contact};
use crate::office::{Server, codes, reasons};

#[test]
fn a_forged_field_of_the_server_is_refused() {
    let (mut server, mut phone, id) = call();
    for patch in [json!({"outcome": "completed"}), json!({"talk_ms": 60_000}), json!({"user_id": null})] {
        phone.record = server.record(id);
        phone.actor = Actor::new(phone.key, 2, &mut server.random);
        let forged = phone.edit(5_000, &patch);
        assert_eq!(reasons(&server.push(&phone, id, &forged)), ["server_field"]);
    }
    assert_eq!(server.record(id).projection()["outcome"], "no_answer");
}

#[test]
fn a_change_of_another_device_or_in_the_name_of_another_user_is_refused() {
    let (mut server, mut phone, id) = contact();
    let thief = server.device(2, phone.user, RecordType::Contact);
    let stolen = phone.edit(2_000, &json!({"title": "boss"}));
    assert_eq!(reasons(&server.push(&thief, id, &stolen)), ["foreign_actor"]);
    let somebody = server.user();
    let by = Edit { author: Author::User(somebody), ..phone.by(2_000) };
    phone.record = server.record(id);
    phone.actor = Actor::new(phone.key, 2, &mut server.random);
    let by = Edit { actor: phone.actor, ..by };
    let forged = phone.record.edit(&by, &json!({"title": "boss"})).unwrap();
    assert_eq!(reasons(&server.push(&phone, id, &forged)), ["foreign_author"]);
    let as_server = Edit { author: Author::Server, actor: Actor::new(phone.key, 3, &mut server.random), ..by };
    let forged = server.record(id).edit(&as_server, &json!({"title": "boss"})).unwrap();
    assert_eq!(reasons(&server.push(&phone, id, &forged)), ["foreign_author"]);
}

#[test]
fn a_used_actor_is_refused_with_another_change_of_the_same_number() {
    let (mut server, mut phone, id) = contact();
    let mut clone = server.device(1, phone.user, RecordType::Contact);
    (clone.actor, clone.record) = (phone.actor, phone.record.clone());
    let (one, two) = (phone.edit(2_000, &json!({"title": "a"})), clone.edit(2_000, &json!({"title": "b"})));
    assert_eq!(codes(&server.push(&phone, id, &one)), [VerdictCode::Ok]);
    assert_eq!(reasons(&server.push(&clone, id, &two)), ["actor_reused"]);
}

#[test]
fn rights_are_those_of_the_role_and_the_owner() {
    let (mut server, mut phone, id) = contact();
    let sato = server.user();
    let owned = phone.edit(2_000, &json!({"owner_id": phone.user.to_string()}));
    assert_eq!(codes(&server.push(&phone, id, &owned)), [VerdictCode::Ok], "nobody owned it");

    let edit_as = |server: &mut Server, number, role, patch: &Value| {
        let mut device = server.device(number, sato, RecordType::Contact);
        (device.role, device.record) = (role, server.record(id));
        let changes = device.edit(3_000, patch);
        let ingested = server.push(&device, id, &changes);
        reasons(&ingested).first().map(|reason| (*reason).to_owned())
    };
    let title = json!({"title": "boss"});
    assert_eq!(edit_as(&mut server, 2, Role::Rep, &title).as_deref(), Some("forbidden"));
    assert_eq!(edit_as(&mut server, 3, Role::ReadOnly, &title).as_deref(), Some("forbidden"));
    assert_eq!(edit_as(&mut server, 4, Role::Manager, &title), None);
    let given = phone.edit(4_000, &json!({"owner_id": sato.to_string()}));
    assert_eq!(reasons(&server.push(&phone, id, &given)), ["forbidden"], "giving away is a command of the server");
    assert_eq!(edit_as(&mut server, 5, Role::Admin, &json!({"owner_id": sato.to_string()})), None);
    assert_eq!(edit_as(&mut server, 6, Role::Rep, &title), None, "it is theirs now");
}

#[test]
fn only_a_call_takes_the_id_of_a_calls_record() {
    let mut server = Server::new(13);
    let (tenant, call) = (TenantId::new(server.now, &mut server.random), CallId::new(server.now, &mut server.random));
    let (id, user) = (RecordId::of_call(tenant, call), server.user());
    for (record_type, patch) in
        [(RecordType::Contact, json!({"last_name": "Tanaka"})), (RecordType::Task, json!({"subject": "Ring back"}))]
    {
        let mut squatter = server.device(1, user, record_type);
        let made = squatter.edit(1_000, &patch);
        let ingested = server.push(&squatter, id, &made);
        assert_eq!(reasons(&ingested), ["wrong_type"]);
        assert_eq!((ingested.refused.len(), server.stored.len()), (1, 0));
    }
    let mut phone = server.device(2, user, RecordType::Call);
    let log = json!({"result": "interested", "logged_at": 2_000, "logged_by": user.to_string()});
    let log = phone.edit(2_000, &log);
    assert_eq!(codes(&server.push(&phone, id, &log)), [VerdictCode::Ok]);
}
