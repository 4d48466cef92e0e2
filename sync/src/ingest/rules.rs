//! What the operations of a change may do: fields, kinds, classes and rights, operation by operation.
//!
//! Nothing here looks at what Automerge would make of an operation; that is compared afterwards.

use std::collections::BTreeSet;

use automerge::legacy::{self, OpType};
use automerge::{ExpandedChange, ScalarValue};
use serde_json::Value;

use super::{Context, Rejection, Role};
use crate::record::Record;
use crate::record::patch::{Fit, fits, is_key};
use crate::schema::{Class, Field, Kind, RecordType};

/// Actor and counters of the genesis are fixed, so a container is known by its number in the table.
const GENESIS_ACTOR: [u8; 16] = [0; 16];

/// What a change writes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Written {
    /// The fields, by name.
    pub(super) fields: BTreeSet<&'static str>,
    /// Whether one of them belongs to a log.
    pub(super) is_log: bool,
    /// What it sets the owner to; none inside means that it takes the owner away.
    owner: Option<Option<Value>>,
    /// Whom it names as the writer of a log.
    logged_by: Option<Value>,
}

/// Checks every operation against the schema.
pub(super) fn check(record_type: RecordType, change: &ExpandedChange) -> Result<Written, Rejection> {
    let mut written = Written::default();
    for operation in &change.operations {
        let (field, value) = target(record_type, operation)?;
        match field.class {
            Class::Free => {}
            Class::WriteOnce => written.is_log = true,
            Class::Server => return Err(Rejection::ServerField),
        }
        written.fields.insert(field.name);
        if field.name == record_type.owner_field() {
            written.owner = Some(value.clone());
        }
        if field.name == "logged_by" {
            written.logged_by = value;
        }
    }
    let marker = record_type.log_marker();
    if written.is_log && marker.is_some_and(|marker| !written.fields.contains(marker)) {
        return Err(Rejection::LogIncomplete);
    }
    Ok(written)
}

/// Whether the user may make this change to the record as it is.
pub(super) fn permit(record: &Record, written: &Written, context: &Context) -> Result<(), Rejection> {
    let record_type = record.record_type();
    let me = Value::String(context.user.to_string());
    let may_write = match context.role {
        Role::Admin | Role::Manager => true,
        Role::Rep => record.value(record_type.owner_field()).is_none_or(|owner| owner == me),
        Role::ReadOnly => false,
    };
    // Giving a record away is a command of the server; taking one that nobody owns is not.
    let gives_away = written.owner.as_ref().is_some_and(|new| new.as_ref() != Some(&me));
    if !may_write || (gives_away && context.role == Role::Rep) {
        return Err(Rejection::Forbidden);
    }
    if written.logged_by.as_ref().is_some_and(|author| *author != me) {
        return Err(Rejection::ForeignAuthor);
    }
    if written.is_log && record_type.log_marker().is_some_and(|marker| record.value(marker).is_some()) {
        return Err(Rejection::WrittenOnce);
    }
    Ok(())
}

/// The field an operation writes, and the new value if it is a scalar one.
fn target(record_type: RecordType, operation: &legacy::Op) -> Result<(&'static Field, Option<Value>), Rejection> {
    let Some(container) = container(record_type, &operation.obj)? else {
        let field = key(operation)?;
        let field = record_type.field(field).ok_or(Rejection::UnknownField)?;
        if field.kind.is_container() {
            return Err(Rejection::WrongKind);
        }
        return Ok((field, scalar(operation, field.kind)?));
    };
    let kind = match container.kind {
        Kind::LongText => return letter(operation).map(|()| (container, None)),
        Kind::Group(parts) => part(parts, key(operation)?)?,
        Kind::Entries(parts) => {
            let (natural, name) = key(operation)?.rsplit_once('/').ok_or(Rejection::UnknownField)?;
            if !is_key(natural) {
                return Err(Rejection::WrongKind);
            }
            part(parts, name)?
        }
        Kind::Set | Kind::Open if !is_key(key(operation)?) => return Err(Rejection::WrongKind),
        Kind::Set => Kind::Bool,
        Kind::Open => Kind::Open,
        Kind::Text { .. } | Kind::Integer | Kind::Timestamp | Kind::Bool | Kind::Id => {
            return Err(Rejection::WrongKind);
        }
    };
    let value = scalar(operation, kind)?;
    if container.kind == Kind::Set && value == Some(Value::Bool(false)) {
        return Err(Rejection::WrongKind);
    }
    Ok((container, None))
}

fn container(record_type: RecordType, object: &legacy::ObjectId) -> Result<Option<&'static Field>, Rejection> {
    let legacy::ObjectId::Id(id) = object else {
        return Ok(None);
    };
    let number = usize::try_from(id.counter()).ok().and_then(|counter| counter.checked_sub(1));
    let mut containers = record_type.fields().iter().filter(|field| field.kind.is_container());
    let field = number.filter(|_| id.actor().to_bytes() == GENESIS_ACTOR).and_then(|number| containers.nth(number));
    field.map(Some).ok_or(Rejection::WrongKind)
}

fn key(operation: &legacy::Op) -> Result<&str, Rejection> {
    match &operation.key {
        legacy::Key::Map(key) if !operation.insert => Ok(key),
        legacy::Key::Map(_) | legacy::Key::Seq(_) => Err(Rejection::WrongKind),
    }
}

fn part(parts: &'static [crate::schema::Sub], name: &str) -> Result<Kind, Rejection> {
    parts.iter().find(|part| part.name == name).map(|part| part.kind).ok_or(Rejection::UnknownField)
}

/// A letter put into a long text or taken out of it; formatting and blocks are not.
fn letter(operation: &legacy::Op) -> Result<(), Rejection> {
    match (&operation.key, &operation.action, operation.insert) {
        (legacy::Key::Seq(_), OpType::Put(ScalarValue::Str(text)), true) if text.chars().count() == 1 => Ok(()),
        (legacy::Key::Seq(_), OpType::Delete, false) => Ok(()),
        _ => Err(Rejection::WrongKind),
    }
}

fn scalar(operation: &legacy::Op, kind: Kind) -> Result<Option<Value>, Rejection> {
    let value = match &operation.action {
        OpType::Delete => return Ok(None),
        OpType::Put(ScalarValue::Str(text)) => Value::String(text.to_string()),
        OpType::Put(ScalarValue::Int(number)) => Value::from(*number),
        OpType::Put(ScalarValue::Boolean(value)) => Value::Bool(*value),
        OpType::Put(ScalarValue::F64(number)) => Value::from(*number),
        OpType::Put(_) | OpType::Make(_) | OpType::Increment(_) | OpType::MarkBegin(_) | OpType::MarkEnd(_) => {
            return Err(Rejection::WrongKind);
        }
    };
    match fits(kind, &value) {
        Fit::Yes => Ok(Some(value)),
        Fit::TooLong => Err(Rejection::TooLong),
        Fit::Absent | Fit::WrongKind => Err(Rejection::WrongKind),
    }
}
