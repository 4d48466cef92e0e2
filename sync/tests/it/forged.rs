//! Changes that no client of ours writes but anybody can: Automerge's own tools, bent to an attacker's wishes.

use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, ExpandedChange, ObjType, ScalarValue};
use callfield_domain::RecordId;
use callfield_sync::ChangeHash;
use callfield_sync::protocol::VerdictCode;
use callfield_sync::record::Change;
use callfield_sync::schema::RecordType;
use serde_json::json;

use crate::ingest::contact;
use crate::office::{Device, Server, codes, reasons};

/// A valid change of the phone, after `bend` had it.
fn forged(phone: &mut Device, bend: impl FnOnce(&mut ExpandedChange)) -> Change {
    let valid = phone.record.clone().edit(&phone.by(2_000), &json!({"title": "boss"})).unwrap().remove(0);
    let mut change = automerge::Change::from_bytes(valid.bytes).unwrap().decode();
    bend(&mut change);
    let change = automerge::Change::from(change);
    Change { hash: ChangeHash::from_bytes(change.hash().0), bytes: change.raw_bytes().to_vec() }
}

fn refused(bend: impl FnOnce(&mut ExpandedChange)) -> String {
    let (mut server, mut phone, id) = contact();
    let change = forged(&mut phone, bend);
    let ingested = server.push(&phone, id, &[change]);
    assert!(ingested.records.is_empty());
    reasons(&ingested).concat()
}

/// One operation in the place of the valid one.
fn refused_operation(obj: ObjectId, key: Key, action: OpType, insert: bool) -> String {
    refused(|change| change.operations = vec![Op { action, obj, key, pred: SortedVec::new(), insert }])
}

fn put(value: ScalarValue) -> OpType {
    OpType::Put(value)
}

fn text(value: &str) -> OpType {
    put(ScalarValue::Str(value.into()))
}

fn root(key: &str) -> (ObjectId, Key) {
    (ObjectId::Root, Key::Map(key.into()))
}

/// A container, by its name: they are numbered in the order of the table.
fn container(name: &str) -> ObjectId {
    let containers = RecordType::Contact.fields().iter().filter(|field| field.kind.is_container());
    let number = containers.map(|field| field.name).position(|field| field == name).unwrap() as u64 + 1;
    ObjectId::Id(OpId::new(number, &ActorId::from([0; 16].as_slice())))
}

#[test]
fn a_place_in_history_that_is_not_the_next_one_is_refused() {
    assert_eq!(refused(|change| change.start_op = NonZeroU64::new(1 << 30).unwrap()), "malformed");
    assert_eq!(refused(|change| change.start_op = NonZeroU64::MIN), "malformed");
    assert_eq!(refused(|change| change.deps.clear()), "malformed");
    assert_eq!(refused(|change| change.operations.clear()), "malformed");
    assert_eq!(refused(|change| change.extra_bytes = vec![1, 2, 3]), "malformed");
    assert_eq!(refused(|change| change.seq = 1), "actor_reused");
}

#[test]
fn containers_are_never_made_replaced_or_deleted() {
    for action in [OpType::Make(ObjType::Map), OpType::Make(ObjType::List), OpType::Delete, text("gone")] {
        let (object, key) = root("phones");
        assert_eq!(refused_operation(object, key, action, false), "wrong_kind");
    }
    for (object, key) in [root("title"), (container("tags"), Key::Map("vip".into()))] {
        assert_eq!(refused_operation(object, key, OpType::Make(ObjType::Text), false), "wrong_kind");
    }
    let mine = ObjectId::Id(OpId::new(3, &ActorId::from([9; 16].as_slice())));
    assert_eq!(refused_operation(mine, Key::Map("a".into()), text("b"), false), "malformed", "an actor nobody knows");
}

#[test]
fn values_of_another_kind_are_refused_wherever_they_are_put() {
    let odd = [
        ScalarValue::Null,
        ScalarValue::Int(1),
        ScalarValue::Uint(1),
        ScalarValue::Bytes(vec![1]),
        ScalarValue::Timestamp(1),
        ScalarValue::counter(1),
        ScalarValue::F64(1.0),
    ];
    for value in odd {
        let (object, key) = root("title");
        assert_eq!(refused_operation(object, key, put(value), false), "wrong_kind");
    }
    let (object, key) = root("title");
    assert_eq!(refused_operation(object, key, OpType::Increment(1), false), "wrong_kind");
    let (object, key) = root("title");
    assert_eq!(refused_operation(object, key, text(&"x".repeat(201)), false), "too_long");
    let (object, key) = root("shoe_size");
    assert_eq!(refused_operation(object, key, text("44"), false), "unknown_field");
    let in_map =
        |name: &str, key: &str, action| refused_operation(container(name), Key::Map(key.into()), action, false);
    assert_eq!(in_map("phones", "+81312345678", text("03")), "unknown_field");
    assert_eq!(in_map("phones", "+81312345678/colour", text("red")), "unknown_field");
    assert_eq!(in_map("phones", "/raw", text("03")), "wrong_kind");
    assert_eq!(in_map("address", "planet", text("Mars")), "unknown_field");
    assert_eq!(in_map("tags", "vip", put(ScalarValue::Boolean(false))), "wrong_kind");
    assert_eq!(in_map("tags", &"k".repeat(201), put(ScalarValue::Boolean(true))), "wrong_kind");
    assert_eq!(in_map("custom", "size", put(ScalarValue::Bytes(vec![1]))), "wrong_kind");
}

#[test]
fn a_long_text_takes_letters_and_nothing_else() {
    let head = || Key::Seq(ElementId::Head);
    let in_text = |action, insert| refused_operation(container("description"), head(), action, insert);
    assert_eq!(in_text(text("several letters"), true), "wrong_kind");
    assert_eq!(in_text(put(ScalarValue::Int(1)), true), "wrong_kind");
    assert_eq!(in_text(OpType::Make(ObjType::Map), true), "wrong_kind");
    assert_eq!(in_text(OpType::MarkEnd(true), true), "wrong_kind");
    assert_eq!(refused_operation(container("phones"), head(), text("a"), true), "wrong_kind");
}

#[test]
fn too_many_operations_are_refused_before_they_are_unpacked() {
    let many = |change: &mut ExpandedChange| change.operations = vec![change.operations[0].clone(); 2_001];
    assert_eq!(refused(many), "too_large");
}

/// The last operation on a field, as an attacker finds it in the record.
fn writer_of_last_name(server: &Server, id: RecordId) -> OpId {
    let changes = server.record(id).changes_since(&callfield_sync::Heads::default());
    let change = automerge::Change::from_bytes(changes.last().unwrap().bytes.clone()).unwrap();
    OpId::new(change.start_op().get(), change.actor_id())
}

#[test]
fn a_write_of_one_field_cannot_overwrite_another_one() {
    let (mut server, mut phone, id) = contact();
    let other = writer_of_last_name(&server, id);
    let change = forged(&mut phone, |change| change.operations[0].pred = vec![other].into());
    let ingested = server.push(&phone, id, &[change]);
    assert_ne!(codes(&ingested), [VerdictCode::NeedDeps]);
    assert_eq!(server.record(id).projection()["last_name"], "Tanaka");
}
