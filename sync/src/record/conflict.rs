//! Fields with more than one value, with who wrote each and when.

use automerge::{Automerge, ObjId, ROOT, ReadDoc as _, ValueRef};
use callfield_domain::Timestamp;

use super::{Conflict, ConflictValue, ours, project};
use crate::{Actor, Author};

pub(super) fn conflicts(doc: &Automerge) -> Vec<Conflict> {
    let mut found = Vec::new();
    for item in doc.map_range(ROOT, ..) {
        match item.value {
            ValueRef::Object(automerge::ObjType::Map) => in_map(doc, &item.id(), &item.key, &mut found),
            ValueRef::Object(_) => {}
            ValueRef::Scalar(_) if item.conflict => found.extend(conflict(doc, &ROOT, &item.key, item.key.to_string())),
            ValueRef::Scalar(_) => {}
        }
    }
    found.sort_by(|a, b| a.field.cmp(&b.field));
    found
}

fn in_map(doc: &Automerge, map: &ObjId, field: &str, found: &mut Vec<Conflict>) {
    for item in doc.map_range(map, ..).filter(|item| item.conflict) {
        found.extend(conflict(doc, map, &item.key, format!("{field}/{}", item.key)));
    }
}

/// The values of one key, the winner first; none if they are all equal, for then there is nothing to decide.
fn conflict(doc: &Automerge, object: &ObjId, key: &str, field: String) -> Option<Conflict> {
    let all = doc.get_all(object, key).ok()?;
    let mut values: Vec<_> = all.iter().filter_map(|(value, id)| conflict_value(doc, value, id)).collect();
    // Automerge lists the winner last.
    values.reverse();
    let differ = values.windows(2).any(|pair| pair[0].value != pair[1].value);
    differ.then_some(Conflict { field, values })
}

fn conflict_value(doc: &Automerge, value: &automerge::Value<'_>, id: &ObjId) -> Option<ConflictValue> {
    let automerge::Value::Scalar(value) = value else {
        return None;
    };
    let change = doc.hash_for_opid(id)?;
    let meta = doc.get_change_meta_by_hash(&change)?;
    Some(ConflictValue {
        value: project::scalar(value),
        actor: Actor::from_bytes(meta.actor.to_bytes().try_into().ok()?),
        author: meta.message.as_deref().and_then(Author::from_message),
        claimed_at: Timestamp::from_millis(meta.timestamp),
        change: ours(change),
    })
}
