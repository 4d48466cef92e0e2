//! The documents name files that exist.

use std::collections::BTreeSet;

use crate::sources::{Source, committed};

/// What stands in a path whose rest is the reader's to fill in.
const PLACEHOLDERS: &[char] = &['<', '*', '{', 'N', ' ', '…'];

#[test]
fn every_path_in_the_documents_exists() {
    let sources = committed();
    let paths: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let documents = sources.iter().filter(|source| source.path.ends_with(".md"));
    let wrong: Vec<String> = documents.flat_map(|document| dead_paths(document, &paths)).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_path_to_nowhere_is_found() {
    let paths = BTreeSet::from(["sip/src/agent.rs", "sip/src/agent/call.rs", "docs/adr/0001-pure-cores.md"]);
    let wrong = |text| dead_paths(&Source::planted("README.md", text), &paths).len();
    assert_eq!(wrong("see `sip/src/agnt.rs`"), 1);
    assert_eq!(wrong("see [the map](MAP.md)"), 1);
    assert_eq!(wrong("see `sip/src/agent.rs`, `sip/src/agent`, `sip/src/agent/` and [why](docs/adr)"), 0);
    assert_eq!(wrong("`sip/src/<noun>.rs`, `GET /v1/calls`, `application/json`, [there](https://example.org)"), 0);
}

fn dead_paths(document: &Source, paths: &BTreeSet<&str>) -> Vec<String> {
    let folder = document.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let tops: BTreeSet<&str> = paths.iter().filter_map(|path| path.split_once('/')).map(|(top, _)| top).collect();
    let quoted = document.text.split('`').skip(1).step_by(2).map(str::to_owned);
    let quoted = quoted.filter(|path| path.split_once('/').is_some_and(|(top, _)| tops.contains(top)));
    let linked = document.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let linked = linked.filter(|link| !link.is_empty() && !link.contains("://")).map(|link| format!("{folder}{link}"));
    let dead = quoted.chain(linked).filter(|path| !path.contains(PLACEHOLDERS) && !exists(path, paths));
    dead.map(|path| format!("{}: {path}", document.path)).collect()
}

fn exists(path: &str, paths: &BTreeSet<&str>) -> bool {
    let path = path.trim_end_matches('/');
    let folder = format!("{path}/");
    paths.contains(path) || paths.range(folder.as_str()..).next().is_some_and(|next| next.starts_with(&folder))
}
