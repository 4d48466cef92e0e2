//! The edges between crates, as Cargo sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::sources::root;

/// Crate, and the workspace crates it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("callfield-domain", &[]),
    ("callfield-sip", &["callfield-domain"]),
    ("callfield-media", &["callfield-domain"]),
    ("callfield-sync", &["callfield-domain"]),
    ("callfield-server", &PURE),
    ("callfield-mobile-core", &PURE),
    ("callfield-ffi", &["callfield-domain", "callfield-mobile-core"]),
    ("callfield-bindgen", &[]),
    ("callfield-fakes", &[]),
    ("callfield-simulation", &PURE),
    // The benches hold many phones in one process (ADR 0007).
    ("callfield-tests", &[PURE[0], PURE[1], PURE[2], PURE[3], "callfield-fakes", "callfield-mobile-core"]),
];
/// Crates without socket, runtime, database, clock, environment and file.
const PURE: [&str; 4] = ["callfield-domain", "callfield-sip", "callfield-media", "callfield-sync"];
/// What no pure crate has below it, however deep; `async-` stands for every crate whose name begins so.
const IMPURE: &[&str] = &["tokio", "mio", "async-", "axum", "hyper", "reqwest", "sqlx", "rusqlite", "uniffi"];
/// What only one crate depends on itself.
const RESERVED: &[(&str, &[&str])] = &[
    ("uniffi", &["callfield-ffi", "callfield-bindgen"]),
    ("sqlx", &["callfield-server"]),
    ("rusqlite", &["callfield-mobile-core"]),
    ("phonenumber", &["callfield-domain"]),
    ("automerge", &["callfield-sync"]),
];
/// What tests may use besides: the fake push services, by the shells.
const FAKES: &str = "callfield-fakes";
const SHELLS: &[&str] = &["callfield-server", "callfield-mobile-core", "callfield-ffi"];

/// A crate of the workspace as its Cargo.toml declares it.
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    only_for_tests: bool,
}

#[test]
fn every_crate_depends_only_on_the_layers_below_it() {
    let packages = declared(&metadata(&["--no-deps"]));
    assert_eq!(broken_layers(&packages), [""; 0]);
}

#[test]
fn nothing_below_a_pure_crate_waits_or_stores() {
    let below = below_pure_crates(&metadata(&["--filter-platform", "x86_64-unknown-linux-gnu"]));
    assert_eq!(below.len(), PURE.len() + 1);
    assert_eq!(impurities(&below), [""; 0]);
}

#[test]
fn an_edge_against_the_layers_is_found() {
    let wrong = |from: &str, to: &str, only_for_tests| {
        let dependencies = vec![Dependency { name: to.to_owned(), only_for_tests }];
        broken_layers(&[Package { name: from.to_owned(), dependencies }]).len()
    };
    assert_eq!(wrong("callfield-sip", "callfield-media", false), 1);
    assert_eq!(wrong("callfield-server", "callfield-mobile-core", true), 1);
    assert_eq!(wrong("callfield-domain", "callfield-fakes", true), 1);
    assert_eq!(wrong("callfield-mobile-core", "uniffi", false), 1);
    assert_eq!(wrong("callfield-newcomer", "serde", false), 1);
    assert_eq!(wrong("callfield-server", "callfield-fakes", false), 1);
    assert_eq!(wrong("callfield-server", "callfield-fakes", true), 0);
}

#[test]
fn a_runtime_below_a_pure_crate_is_found() {
    let below =
        BTreeMap::from([("callfield-sip".to_owned(), BTreeSet::from(["serde".to_owned(), "tokio".to_owned()]))]);
    assert_eq!(impurities(&below), ["callfield-sip is pure and has tokio below it"]);
    let below = BTreeMap::from([("callfield-sync".to_owned(), BTreeSet::from(["async-lock".to_owned()]))]);
    assert_eq!(impurities(&below).len(), 1);
}

fn broken_layers(packages: &[Package]) -> Vec<String> {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let reserved: BTreeMap<&str, &[&str]> = RESERVED.iter().copied().collect();
    let mut wrong = Vec::new();
    for Package { name, dependencies } in packages {
        let Some(below) = layers.get(name.as_str()) else {
            wrong.push(format!("{name} is in no layer"));
            continue;
        };
        for Dependency { name: to, only_for_tests } in dependencies {
            let is_ours = to.starts_with("callfield-");
            let fake_in_test = *only_for_tests && to == FAKES && SHELLS.contains(&name.as_str());
            if is_ours && !below.contains(&to.as_str()) && !fake_in_test {
                wrong.push(format!("{name} must not import {to}"));
            }
            if reserved.get(to.as_str()).is_some_and(|owners| !owners.contains(&name.as_str())) && !only_for_tests {
                wrong.push(format!("{to} is not for {name}"));
            }
        }
    }
    wrong
}

fn impurities(below: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let is_impure = |name: &&String| {
        IMPURE.iter().any(|banned| if banned.ends_with('-') { name.starts_with(banned) } else { name == banned })
    };
    let found = below.iter().flat_map(|(pure, names)| names.iter().filter(is_impure).map(move |name| (pure, name)));
    found.map(|(pure, name)| format!("{pure} is pure and has {name} below it")).collect()
}

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn declared(metadata: &Value) -> Vec<Package> {
    let packages = metadata["packages"].as_array().unwrap().iter();
    let packages = packages.map(|package| Package {
        name: text(&package["name"]),
        dependencies: package["dependencies"].as_array().unwrap().iter().map(dependency).collect(),
    });
    packages.collect()
}

fn dependency(declared: &Value) -> Dependency {
    Dependency { name: text(&declared["name"]), only_for_tests: declared["kind"] == "dev" }
}

/// The crates that end up in a build of each pure crate, and of the simulation.
fn below_pure_crates(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeMap<String, String> =
        packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let edges: BTreeMap<String, Vec<String>> = nodes.iter().map(|node| (text(&node["id"]), built_with(node))).collect();
    let is_pure = |name: &String| PURE.contains(&name.as_str()) || name == "callfield-simulation";
    let pure = names.iter().filter(|(_, name)| is_pure(name));
    pure.map(|(id, name)| (name.clone(), reachable(id, &edges).iter().map(|id| names[id].clone()).collect())).collect()
}

fn built_with(node: &Value) -> Vec<String> {
    let is_normal = |edge: &&Value| edge["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
    node["deps"].as_array().unwrap().iter().filter(is_normal).map(|edge| text(&edge["pkg"])).collect()
}

fn reachable(from: &str, edges: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(id) = open.pop() {
        if seen.insert(id.clone()) {
            open.extend(edges[&id].iter().cloned());
        }
    }
    seen.remove(from);
    seen
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
