//! From a judgement to what is said about it, and to what it means for the rest of its transaction.

use super::Rejection;
use super::judge::Judgement;
use crate::ChangeHash;
use crate::protocol::{Verdict, VerdictCode};

pub(super) fn verdict(hash: ChangeHash, judgement: Judgement) -> Verdict {
    let plain = |code| Verdict { hash, code, reason: None, by: None, epoch: None };
    match judgement {
        Judgement::Ok => plain(VerdictCode::Ok),
        Judgement::Duplicate => plain(VerdictCode::Duplicate),
        Judgement::Rejected(reason) => {
            Verdict { reason: Some(reason.as_str().to_owned()), ..plain(VerdictCode::Rejected) }
        }
        Judgement::BlockedBy(root) => Verdict { by: Some(root), ..plain(VerdictCode::BlockedBy) },
        Judgement::NeedDeps => plain(VerdictCode::NeedDeps),
        Judgement::EpochGone(epoch) => Verdict { epoch: Some(epoch), ..plain(VerdictCode::EpochGone) },
    }
}

/// What a judgement means for the rest of its transaction.
pub(super) fn spread(hash: ChangeHash, judgement: Judgement) -> Option<Judgement> {
    match judgement {
        Judgement::Ok | Judgement::Duplicate => None,
        Judgement::Rejected(_) => Some(Judgement::Rejected(Rejection::TxnRefused)),
        Judgement::BlockedBy(root) => Some(Judgement::BlockedBy(root)),
        Judgement::EpochGone(_) => Some(Judgement::BlockedBy(hash)),
        Judgement::NeedDeps => Some(Judgement::NeedDeps),
    }
}

pub(super) fn graver(a: Judgement, b: Judgement) -> Judgement {
    let weight = |judgement| match judgement {
        Judgement::Rejected(_) => 2,
        Judgement::BlockedBy(_) | Judgement::EpochGone(_) => 1,
        Judgement::Ok | Judgement::Duplicate | Judgement::NeedDeps => 0,
    };
    if weight(b) > weight(a) { b } else { a }
}
