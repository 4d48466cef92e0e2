//! From checked writes to Automerge changes.

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, Automerge, ObjId, ROOT, ReadDoc as _, ScalarValue};
use serde_json::Value;

use super::patch::Write;
use super::{Change, Edit, ours};

/// The most operations this side puts into one change: below what ingest takes (sync.md 5).
const MAX_OPERATIONS: usize = 1_500;

/// The longest stretch of a long text that is compared letter by letter; the comparison is quadratic.
const MAX_COMPARED: usize = 600;

/// Writes what differs. Everything but long texts goes into one change, so that a log is written whole.
pub(super) fn write(doc: &mut Automerge, by: &Edit, writes: &[Write]) -> Vec<Change> {
    let mut steps = Vec::new();
    for write in writes {
        match write {
            Write::Scalar { container, key, value } => {
                let Some(object) = object(doc, *container) else { continue };
                if !is_so(doc, &object, key, value.as_ref()) {
                    steps.push(Step::Put { object, key: key.clone(), value: value.clone() });
                }
            }
            Write::RemoveEntry { container, prefix } => remove(doc, container, prefix, &mut steps),
            Write::Clear { container } => remove(doc, container, "", &mut steps),
            Write::LongText { field, text } => {
                let Some(object) = object(doc, Some(field)) else { continue };
                text_steps(&object, &doc.text(&object).unwrap_or_default(), text, &mut steps);
            }
        }
    }
    // Scalars first and together.
    steps.sort_by_key(|step| step.operations() > 1 || matches!(step, Step::Splice { .. } | Step::Update { .. }));
    batches(&steps).filter_map(|batch| commit(doc, by, batch)).collect()
}

enum Step {
    Put { object: ObjId, key: String, value: Option<Value> },
    Update { object: ObjId, text: String, operations: usize },
    Splice { object: ObjId, at: usize, remove: usize, insert: String },
}

impl Step {
    fn operations(&self) -> usize {
        match self {
            Self::Put { .. } => 1,
            Self::Update { operations, .. } => *operations,
            Self::Splice { remove, insert, .. } => remove + insert.chars().count(),
        }
    }
}

/// The steps cut where a change would get too long.
fn batches(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    let mut rest = steps;
    std::iter::from_fn(move || {
        let mut operations = 0;
        let fits = rest.iter().take_while(|step| {
            operations += step.operations();
            operations <= MAX_OPERATIONS
        });
        let count = fits.count().max(1).min(rest.len());
        let (batch, later) = rest.split_at(count);
        rest = later;
        (!batch.is_empty()).then_some(batch)
    })
}

fn commit(doc: &mut Automerge, by: &Edit, steps: &[Step]) -> Option<Change> {
    doc.set_actor(ActorId::from(by.actor.as_bytes().as_slice()));
    let mut transaction = doc.transaction();
    for step in steps {
        if run(&mut transaction, step).is_err() {
            unreachable!("the objects are in the record and the positions inside them");
        }
    }
    let options = CommitOptions::default().with_message(by.author.to_message()).with_time(by.claimed_at.as_millis());
    let (hash, _) = transaction.commit_with(options);
    let change = doc.get_change_by_hash(&hash?)?;
    Some(Change { hash: ours(change.hash()), bytes: change.raw_bytes().to_vec() })
}

fn run(transaction: &mut Transaction<'_>, step: &Step) -> Result<(), automerge::AutomergeError> {
    match step {
        Step::Put { object, key, value: Some(value) } => transaction.put(object, key.as_str(), scalar(value)),
        Step::Put { object, key, value: None } => transaction.delete(object, key.as_str()),
        Step::Update { object, text, .. } => transaction.update_text(object, text),
        Step::Splice { object, at, remove, insert } => {
            transaction.splice_text(object, *at, isize::try_from(*remove).unwrap_or(0), insert)
        }
    }
}

/// The container of a field, or the root.
fn object(doc: &Automerge, container: Option<&str>) -> Option<ObjId> {
    let Some(container) = container else {
        return Some(ROOT);
    };
    doc.get(ROOT, container).ok().flatten().map(|(_, id)| id)
}

/// Whether the field has this one value already. With several values a write is needed even if it repeats the
/// winner: it is what resolves the conflict.
fn is_so(doc: &Automerge, object: &ObjId, key: &str, wanted: Option<&Value>) -> bool {
    let all = doc.get_all(object, key).unwrap_or_default();
    match (all.as_slice(), wanted) {
        ([], None) => true,
        ([(automerge::Value::Scalar(value), _)], Some(wanted)) => value.as_ref() == &scalar(wanted),
        _ => false,
    }
}

fn remove(doc: &Automerge, container: &str, prefix: &str, steps: &mut Vec<Step>) {
    let Some(object) = object(doc, Some(container)) else { return };
    for key in doc.keys(&object).filter(|key| key.starts_with(prefix)) {
        steps.push(Step::Put { object: object.clone(), key, value: None });
    }
}

/// Only the middle that differs is touched; a long one is replaced in parts.
fn text_steps(object: &ObjId, old: &str, new: &str, steps: &mut Vec<Step>) {
    if old == new {
        return;
    }
    let (old, new_chars): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let start = old.iter().zip(&new_chars).take_while(|(a, b)| a == b).count();
    let longest = old.len().min(new_chars.len()) - start;
    let end = old.iter().rev().zip(new_chars.iter().rev()).take(longest).take_while(|(a, b)| a == b).count();
    let (removed, inserted) = (old.len() - start - end, &new_chars[start..new_chars.len() - end]);
    if removed + inserted.len() <= MAX_COMPARED {
        let operations = removed + inserted.len();
        steps.push(Step::Update { object: object.clone(), text: new.to_owned(), operations });
        return;
    }
    for part in (0..removed).step_by(MAX_OPERATIONS) {
        let remove = MAX_OPERATIONS.min(removed - part);
        steps.push(Step::Splice { object: object.clone(), at: start, remove, insert: String::new() });
    }
    for (index, part) in inserted.chunks(MAX_OPERATIONS).enumerate() {
        let at = start + index * MAX_OPERATIONS;
        steps.push(Step::Splice { object: object.clone(), at, remove: 0, insert: part.iter().collect() });
    }
}

fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::String(text) => ScalarValue::Str(text.as_str().into()),
        Value::Bool(value) => ScalarValue::Boolean(*value),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| ScalarValue::F64(number.as_f64().unwrap_or_default()), ScalarValue::Int)
        }
        Value::Null | Value::Array(_) | Value::Object(_) => ScalarValue::Null,
    }
}
