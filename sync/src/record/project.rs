//! From a document to its current values as JSON.

use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue, ValueRef};
use serde_json::{Map, Number, Value};

use crate::schema::{Kind, RecordType};

/// The current values. Keys are inserted in order, so that the text is the same whatever map `serde_json` was built
/// with. Values of fields this build does not know are kept.
pub(super) fn projection(record_type: RecordType, doc: &Automerge) -> Value {
    let mut fields = Map::new();
    for item in doc.map_range(ROOT, ..) {
        let entries = record_type.field(&item.key).is_some_and(|field| matches!(field.kind, Kind::Entries(_)));
        let value = match item.value {
            ValueRef::Object(ObjType::Map) if entries => Some(nested(doc, &item.id())),
            ValueRef::Object(object) => self::object(doc, &item.id(), object),
            ValueRef::Scalar(ref value) => Some(scalar(&value.into())),
        };
        if let Some(value) = value.filter(|value| !is_empty(value)) {
            fields.insert(item.key.into_owned(), value);
        }
    }
    Value::Object(fields)
}

/// An empty container says nothing: it is there in every record of the type.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::String(_) | Value::Array(_) | Value::Number(_) | Value::Bool(_) => false,
        Value::Null => true,
    }
}

fn object(doc: &Automerge, id: &ObjId, object: ObjType) -> Option<Value> {
    match object {
        ObjType::Text => doc.text(id).ok().filter(|text| !text.is_empty()).map(Value::String),
        ObjType::Map | ObjType::Table => Some(flat(doc, id)),
        // No type of ours has one, and ingest lets none in.
        ObjType::List => None,
    }
}

fn flat(doc: &Automerge, id: &ObjId) -> Value {
    let mut map = Map::new();
    for item in doc.map_range(id, ..) {
        if let ValueRef::Scalar(value) = &item.value {
            map.insert(item.key.into_owned(), scalar(&value.into()));
        }
    }
    Value::Object(map)
}

/// `+81312345678/label` becomes `{"+81312345678": {"label": …}}`.
fn nested(doc: &Automerge, id: &ObjId) -> Value {
    let mut map = Map::new();
    for item in doc.map_range(id, ..) {
        let (ValueRef::Scalar(value), Some((key, part))) = (&item.value, item.key.rsplit_once('/')) else {
            continue;
        };
        let entry = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(entry) = entry {
            entry.insert(part.to_owned(), scalar(&value.into()));
        }
    }
    Value::Object(map)
}

pub(super) fn scalar(value: &ScalarValue) -> Value {
    match value {
        ScalarValue::Str(text) => Value::String(text.to_string()),
        ScalarValue::Int(number) | ScalarValue::Timestamp(number) => Value::from(*number),
        ScalarValue::Uint(number) => Value::from(*number),
        ScalarValue::F64(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        ScalarValue::Boolean(value) => Value::Bool(*value),
        ScalarValue::Counter(_) | ScalarValue::Bytes(_) | ScalarValue::Unknown { .. } | ScalarValue::Null => {
            Value::Null
        }
    }
}
