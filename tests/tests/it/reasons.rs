//! Every reason for a refusal is in the documentation: who reads the metrics must be able to look it up.

use std::collections::BTreeSet;

use crate::sources::{Source, committed};

const PAGE: &str = "docs/protocol/http.md";

#[test]
fn every_reason_for_which_something_is_refused_is_documented() {
    let sources = committed();
    let page = sources.iter().find(|source| source.path == PAGE).unwrap();
    let counted = sources.iter().filter(|source| counts_refusals(source));
    let reasons: BTreeSet<&str> = counted.flat_map(|source| reasons_in(source.code())).collect();
    assert!(reasons.len() > 10, "{reasons:?}");
    let missing: Vec<_> = reasons.iter().filter(|reason| !page.text.contains(&format!("`{reason}`"))).collect();
    assert!(missing.is_empty(), "{PAGE} says nothing of {missing:?}");
}

fn counts_refusals(source: &Source) -> bool {
    let folders = ["sip/src/switchboard", "server/src/sip_edge"];
    source.is_rust() && !source.is_test() && folders.iter().any(|folder| source.path.starts_with(folder))
}

fn reasons_in(code: &str) -> impl Iterator<Item = &str> {
    let calls = ["count(\"", "refused(\""];
    calls.into_iter().flat_map(move |call| code.split(call).skip(1).filter_map(|rest| rest.split('"').next()))
}

#[test]
fn a_reason_is_found_wherever_it_is_counted() {
    let code = "self.count(\"flooded\"); refused(\"idle\"); other(\"x\")";
    assert_eq!(reasons_in(code).collect::<Vec<_>>(), ["flooded", "idle"]);
}
