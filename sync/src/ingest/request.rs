//! All records of a request together: a transaction is taken or refused whole.

use std::collections::BTreeMap;

use callfield_domain::{RecordId, Timestamp};

use super::judge::{Incoming, Judged, Judgement, judge};
use super::outcome::Written;
use super::verdict::{graver, spread, verdict};
use super::{Context, Ingested, Outcome, Refused, Rejection, Stored, Taken, chunk};
use crate::ChangeHash;
use crate::protocol::{Push, TxnId, Verdict};
use crate::record::Record;
use crate::schema::RecordType;

/// Judgements that a transaction's other records lead to.
type Withheld = BTreeMap<ChangeHash, Judgement>;

pub(super) fn ingest(stored: &BTreeMap<RecordId, Stored>, pushes: &[Push], context: &Context) -> Ingested {
    let mut records: Vec<Case<'_>> = Vec::new();
    for push in pushes {
        match records.iter_mut().find(|case| case.id == push.doc) {
            Some(case) => case.add(push),
            None => records.push(Case::new(stored.get(&push.doc), push)),
        }
    }
    // Each round withholds more, so it ends: at the latest when everything is withheld.
    while withhold(&mut records, context) {}
    let mut ingested = Ingested { verdicts: verdicts(&records, pushes), ..Ingested::default() };
    for case in records {
        ingested.refused.extend(case.refused());
        ingested.records.extend(case.outcome(context));
    }
    ingested.records.sort_by_key(|outcome| outcome.id);
    ingested
}

/// One record of the request.
struct Case<'a> {
    id: RecordId,
    record_type: Option<RecordType>,
    epoch: u32,
    /// The record as it is stored, or its genesis; none if nothing can be taken.
    before: Option<Record>,
    is_new: bool,
    incoming: Vec<Incoming<'a>>,
    /// Fixed before anything is looked at: another epoch, another type.
    fixed: Withheld,
    withheld: Withheld,
    judged: Option<Judged>,
}

impl<'a> Case<'a> {
    fn new(stored: Option<&Stored>, push: &'a Push) -> Self {
        let record_type = stored.map_or_else(|| type_of_new(push), |stored| Some(stored.record_type));
        let before = match stored {
            None => record_type.map(Record::new),
            Some(stored) => Record::load(stored.record_type, &stored.snapshot).ok(),
        };
        let mut case = Self {
            id: push.doc,
            record_type,
            epoch: stored.map_or(0, |stored| stored.epoch),
            before,
            is_new: stored.is_none(),
            incoming: Vec::new(),
            fixed: Withheld::new(),
            withheld: Withheld::new(),
            judged: None,
        };
        case.add(push);
        case
    }

    fn add(&mut self, push: &'a Push) {
        let is_type = self.record_type.is_some_and(|record_type| record_type.as_str() == push.record_type);
        for bytes in &push.changes {
            let hash = chunk::name(bytes);
            if !is_type {
                self.fixed.insert(hash, Judgement::Rejected(Rejection::WrongType));
            } else if push.epoch != self.epoch || self.before.is_none() {
                self.fixed.insert(hash, Judgement::EpochGone(self.epoch));
            }
            self.incoming.push(Incoming { txn: push.txn, hash, bytes });
        }
    }

    fn judge(&mut self, context: &Context) {
        let mut withheld = self.fixed.clone();
        withheld.extend(self.withheld.iter().map(|(hash, judgement)| (*hash, *judgement)));
        self.judged = self.before.as_ref().map(|before| judge(before, &self.incoming, &withheld, context));
    }

    fn judgements(&self) -> impl Iterator<Item = (&Incoming<'a>, Judgement)> {
        let fixed = |hash| self.fixed.get(hash).copied().unwrap_or(Judgement::EpochGone(self.epoch));
        self.incoming.iter().enumerate().map(move |(index, incoming)| {
            let judged = self.judged.as_ref().and_then(|judged| judged.judgements.get(index)).copied();
            (incoming, judged.unwrap_or_else(|| fixed(&incoming.hash)))
        })
    }

    fn refused(&self) -> Vec<Refused> {
        let refused = |(incoming, judgement): (&Incoming<'_>, Judgement)| match judgement {
            Judgement::Rejected(reason) => {
                Some(Refused { doc: self.id, hash: incoming.hash, reason, bytes: incoming.bytes.to_vec() })
            }
            Judgement::Ok
            | Judgement::Duplicate
            | Judgement::BlockedBy(_)
            | Judgement::NeedDeps
            | Judgement::EpochGone(_) => None,
        };
        self.judgements().filter_map(refused).collect()
    }

    /// The record to be written; none if nothing was taken.
    fn outcome(self, context: &Context) -> Option<Outcome> {
        let taken: Vec<_> = self
            .judgements()
            .filter(|(_, judgement)| *judgement == Judgement::Ok)
            .filter_map(|(incoming, _)| Some(device_change(incoming, context, &chunk::parse(incoming.bytes).ok()?)))
            .collect();
        let (before, record) = (self.before?, self.judged?.record);
        let written = Written { id: self.id, epoch: self.epoch, is_new: self.is_new, before: &before, record, taken };
        written.outcome(context.server, context.now, context.last_contact)
    }
}

/// The type of a new record. The id of a call's record can be known before the record is there: no other type may take
/// it, or the server would find no place for the facts of the call.
fn type_of_new(push: &Push) -> Option<RecordType> {
    let record_type = push.record_type.parse().ok();
    record_type.filter(|record_type| *record_type == RecordType::Call || !push.doc.is_of_call())
}

fn device_change(incoming: &Incoming<'_>, context: &Context, chunk: &chunk::Chunk) -> Taken {
    Taken {
        hash: incoming.hash,
        actor: chunk.actor.unwrap_or(context.server),
        author: Some(context.user),
        txn: Some(incoming.txn),
        claimed_at: Timestamp::from_millis(chunk.claimed_at),
        bytes: incoming.bytes.to_vec(),
    }
}

/// Judges every record; true if a transaction had to be withheld from a record that would have taken it.
fn withhold(records: &mut [Case<'_>], context: &Context) -> bool {
    for case in records.iter_mut().filter(|case| case.judged.is_none()) {
        case.judge(context);
    }
    let mut bad: BTreeMap<TxnId, Judgement> = BTreeMap::new();
    for (incoming, judgement) in records.iter().flat_map(Case::judgements) {
        let Some(spread) = spread(incoming.hash, judgement) else { continue };
        bad.entry(incoming.txn).and_modify(|worst| *worst = graver(*worst, spread)).or_insert(spread);
    }
    let mut is_changed = false;
    for case in records {
        let more: Vec<_> = case
            .judgements()
            .filter(|(_, judgement)| *judgement == Judgement::Ok)
            .filter_map(|(incoming, _)| Some((incoming.hash, *bad.get(&incoming.txn)?)))
            .collect();
        if !more.is_empty() {
            is_changed = true;
            case.withheld.extend(more);
            case.judged = None;
        }
    }
    is_changed
}

/// The verdicts in the order the changes were pushed.
fn verdicts(records: &[Case<'_>], pushes: &[Push]) -> Vec<Verdict> {
    let mut queues: BTreeMap<RecordId, _> = records.iter().map(|case| (case.id, case.judgements())).collect();
    let pushed = pushes.iter().flat_map(|push| push.changes.iter().map(|_| push.doc));
    let mut found = Vec::new();
    for doc in pushed {
        let next = queues.get_mut(&doc).and_then(Iterator::next);
        found.extend(next.map(|(incoming, judgement)| verdict(incoming.hash, judgement)));
    }
    found
}
