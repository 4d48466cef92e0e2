//! Judging the changes of one record, one after the other, on a copy.

use std::collections::{BTreeMap, BTreeSet};

use super::chunk::{self, Chunk};
use super::rules::{self, Written};
use super::{Context, Rejection, columns};
use crate::guard::guarded;
use crate::protocol::TxnId;
use crate::record::{Record, merge_patch, ours};
use crate::schema::Kind;
use crate::{Author, ChangeHash};

/// The largest record, history included: well past the point where it is rebuilt (sync.md 8).
const MAX_RECORD_CHANGES: usize = 20_000;
const MAX_RECORD_OPERATIONS: u64 = 200_000;

/// What became of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Ok,
    Duplicate,
    Rejected(Rejection),
    BlockedBy(ChangeHash),
    NeedDeps,
    EpochGone(u32),
}

/// One change on its way in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) txn: TxnId,
    pub(super) hash: ChangeHash,
    pub(super) bytes: &'a [u8],
}

/// A record with what was taken into it.
pub(super) struct Judged {
    pub(super) record: Record,
    pub(super) judgements: Vec<Judgement>,
}

/// Judges `incoming` in order. What is `withheld` gets its judgement without being looked at.
///
/// The record is saved and loaded again once. If that fails, a change no honest device makes is among them: it is
/// found by halving, and everything behind it waits, so that hostile requests cost little more than others.
pub(super) fn judge(
    stored: &Record,
    incoming: &[Incoming<'_>],
    withheld: &BTreeMap<ChangeHash, Judgement>,
    context: &Context,
) -> Judged {
    let sound = |count: usize| run(stored, &incoming[..count], withheld, context);
    if let Some(judged) = sound(incoming.len()) {
        return judged;
    }
    let (mut best, mut good, mut bad) = (Judged { record: stored.clone(), judgements: Vec::new() }, 0, incoming.len());
    while bad - good > 1 {
        let middle = usize::midpoint(good, bad);
        match sound(middle) {
            Some(judged) => (best, good) = (judged, middle),
            None => bad = middle,
        }
    }
    let culprit = incoming[good].hash;
    best.judgements.push(Judgement::Rejected(Rejection::Unsound));
    for later in &incoming[bad..] {
        let is_known = stored.has(&later.hash);
        best.judgements.push(if is_known { Judgement::Duplicate } else { Judgement::BlockedBy(culprit) });
    }
    best
}

/// Judges all of them; none if the record they lead to is not sound.
fn run(
    stored: &Record,
    incoming: &[Incoming<'_>],
    withheld: &BTreeMap<ChangeHash, Judgement>,
    context: &Context,
) -> Option<Judged> {
    let judged = guarded(|| {
        let mut state = State::new(stored.clone());
        let mut judgements = Vec::new();
        for change in incoming {
            let judgement = withheld.get(&change.hash).copied().unwrap_or_else(|| state.take(change, context));
            state.remember(change.hash, judgement);
            judgements.push(judgement);
        }
        is_sound(stored, &state.record, &state.fields).then_some(Judged { record: state.record, judgements })
    });
    judged.ok().flatten()
}

/// The record loads again as the same record, and only fields that were written have other values.
fn is_sound(before: &Record, after: &Record, fields: &BTreeSet<&'static str>) -> bool {
    if before.heads() == after.heads() {
        return true;
    }
    let Ok(loaded) = Record::load(after.record_type(), &after.save()) else {
        return false;
    };
    let projection = after.projection();
    let patch = merge_patch(&before.projection(), &projection);
    let is_only_written = patch.as_object().is_some_and(|map| map.keys().all(|key| fields.contains(key.as_str())));
    loaded.heads() == after.heads() && loaded.projection() == projection && is_only_written
}

struct State {
    record: Record,
    /// Every actor in it, with the number of its last change.
    actors: BTreeMap<Vec<u8>, u64>,
    /// Every field written so far.
    fields: BTreeSet<&'static str>,
    /// What was not taken and blocks its descendants, with the change at the root of it.
    refused: BTreeMap<ChangeHash, ChangeHash>,
}

impl State {
    fn new(record: Record) -> Self {
        Self { actors: record.actors(), record, fields: BTreeSet::new(), refused: BTreeMap::new() }
    }

    fn remember(&mut self, hash: ChangeHash, judgement: Judgement) {
        match judgement {
            Judgement::Rejected(_) | Judgement::EpochGone(_) => {
                self.refused.insert(hash, hash);
            }
            Judgement::BlockedBy(root) => {
                self.refused.insert(hash, root);
            }
            Judgement::Ok | Judgement::Duplicate | Judgement::NeedDeps => {}
        }
    }

    fn take(&mut self, incoming: &Incoming<'_>, context: &Context) -> Judgement {
        if self.record.has(&incoming.hash) {
            return Judgement::Duplicate;
        }
        let chunk = match chunk::parse(incoming.bytes) {
            Ok(chunk) => chunk,
            Err(reason) => return Judgement::Rejected(reason),
        };
        if let Some(judgement) = self.place(&chunk, context) {
            return judgement;
        }
        match self.try_on_a_copy(incoming, context) {
            Ok((record, written)) => {
                self.record = record;
                self.actors.extend(chunk.actor.map(|actor| (actor.as_bytes().to_vec(), chunk.seq)));
                self.fields.extend(written.fields);
                Judgement::Ok
            }
            Err(reason) => Judgement::Rejected(reason),
        }
    }

    /// Who made it, and where it stands in the history.
    fn place(&self, chunk: &Chunk, context: &Context) -> Option<Judgement> {
        let rejected = |reason| Some(Judgement::Rejected(reason));
        let Some(actor) = chunk.actor.filter(|actor| actor.device() == context.device) else {
            return rejected(Rejection::ForeignActor);
        };
        if chunk.author != Some(Author::User(context.user)) {
            return rejected(Rejection::ForeignAuthor);
        }
        if let Some(root) = chunk.deps.iter().find_map(|dep| self.refused.get(dep)) {
            return Some(Judgement::BlockedBy(*root));
        }
        let mut last_operation = 0;
        for dep in &chunk.deps {
            let Some(known) = self.record.known(dep) else {
                return Some(Judgement::NeedDeps);
            };
            last_operation = last_operation.max(known.max_op);
        }
        let last_seq = self.actors.get(actor.as_bytes().as_slice()).copied().unwrap_or(0);
        match chunk.seq.cmp(&(last_seq + 1)) {
            std::cmp::Ordering::Less => return rejected(Rejection::ActorReused),
            std::cmp::Ordering::Greater => return Some(Judgement::NeedDeps),
            std::cmp::Ordering::Equal => {}
        }
        // A higher number would win every conflict from here on.
        let is_next = !chunk.deps.is_empty() && chunk.start_op == last_operation + 1;
        let knows_all = chunk.other_actors.iter().all(|other| self.actors.contains_key(other));
        if is_next && knows_all { None } else { rejected(Rejection::Malformed) }
    }

    fn try_on_a_copy(&self, incoming: &Incoming<'_>, context: &Context) -> Result<(Record, Written), Rejection> {
        let record_type = self.record.record_type();
        let read =
            guarded(|| automerge::Change::from_bytes(incoming.bytes.to_vec()).map(|change| (change.decode(), change)));
        let Ok(Ok((operations, change))) = read else {
            return Err(Rejection::Malformed);
        };
        let is_whole = ours(change.hash()) == incoming.hash && change.raw_bytes() == incoming.bytes;
        if !is_whole || change.is_empty() {
            return Err(Rejection::Malformed);
        }
        if u64::try_from(change.len()).is_ok_and(|count| count > columns::MAX_OPERATIONS) {
            return Err(Rejection::TooLarge);
        }
        let written = rules::check(record_type, &operations)?;
        rules::permit(&self.record, &written, context)?;
        let copy = guarded(|| self.record.with_change(change)).ok().flatten().ok_or(Rejection::Malformed)?;
        within_limits(&copy)?;
        Ok((copy, written))
    }
}

fn within_limits(record: &Record) -> Result<(), Rejection> {
    let long_texts = record.record_type().fields().iter().filter(|field| field.kind == Kind::LongText);
    if long_texts.map(|field| record.text_length(field.name)).any(|length| length > Kind::LONG_TEXT_CHARS) {
        return Err(Rejection::TooLong);
    }
    let is_too_large = record.change_count() > MAX_RECORD_CHANGES || record.operation_count() > MAX_RECORD_OPERATIONS;
    if is_too_large { Err(Rejection::TooLarge) } else { Ok(()) }
}
