//! The edges inside crates, as the sources show them.

use crate::sources::{Source, committed};

/// Parts of the server that meet only in `app`.
const APART: &[&str] = &["http", "sip_edge", "push", "sync_endpoint", "mail"];
/// Parts of the server, and what of the server they may name.
const NARROW: &[(&str, &[&str])] = &[("db", &["db"])];
/// Where SQL and its drivers live.
const SQL_HOMES: &[&str] =
    &["server/src/db.rs", "server/src/db/", "mobile-core/src/store.rs", "mobile-core/src/store/"];
const SQL: &[&str] =
    &["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM ", "\"CREATE TABLE ", "sqlx::", "rusqlite::"];
const PURE_FOLDERS: &[&str] = &["domain/src/", "sip/src/", "media/src/", "sync/src/", "simulation/src/"];
/// What a pure crate never names.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "TcpStream",
    "UdpSocket",
    "rand::rng",
    "thread_rng",
    "OsRng",
    "Uuid::new_v4",
    "Uuid::now_v7",
    "getrandom::",
];

#[test]
fn parts_of_the_server_meet_only_in_app() {
    let wrong: Vec<String> = rust().flat_map(|source| strayed(&source)).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn sql_lives_only_in_db_and_store() {
    let wrong: Vec<String> = rust().flat_map(|source| stray_sql(&source)).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn pure_crates_name_no_clock_file_or_socket() {
    let wrong: Vec<String> = rust().flat_map(|source| impure(&source)).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn an_import_of_a_neighbour_is_found_however_it_is_written() {
    let wrong = |path, text| strayed(&Source::planted(path, text)).len();
    assert_eq!(wrong("server/src/http/calls.rs", "use crate::push::Sender;"), 1);
    assert_eq!(wrong("server/src/http/calls.rs", "use crate::{app::App, sip_edge::Edge};"), 1);
    assert_eq!(wrong("server/src/push.rs", "    crate::http::router()"), 1);
    assert_eq!(wrong("server/src/push.rs", "use super::http;"), 1);
    assert_eq!(wrong("server/src/push/fcm.rs", "use super::super::http;"), 1);
    assert_eq!(wrong("server/src/db/calls.rs", "use crate::app::App;"), 1);
    assert_eq!(wrong("server/src/db/calls.rs", "use callfield_sip::Uri;"), 1);
    assert_eq!(wrong("server/src/app.rs", "use crate::http::Body;"), 1);
    assert_eq!(wrong("server/src/http/calls.rs", "use crate::app::App;\nuse super::page;\n// crate::push"), 0);
    assert_eq!(wrong("server/src/push/fcm.rs", "use super::jwt; use http::Request;"), 0);
}

#[test]
fn a_statement_outside_the_database_is_found() {
    let wrong = |path, text| stray_sql(&Source::planted(path, text)).len();
    assert_eq!(wrong("server/src/http/calls.rs", "let sql = \"SELECT id FROM calls\";"), 1);
    assert_eq!(wrong("mobile-core/src/journal.rs", "use rusqlite::Connection;"), 1);
    assert_eq!(wrong("server/src/db/calls.rs", "let sql = \"SELECT id FROM calls\";"), 0);
}

#[test]
fn a_clock_in_a_pure_crate_is_found() {
    let wrong = |path, text| impure(&Source::planted(path, text)).len();
    assert_eq!(wrong("sip/src/agent.rs", "let now = Instant::now();"), 1);
    assert_eq!(wrong("simulation/src/bin/sim.rs", "let seed = std::env::args();"), 0);
    assert_eq!(wrong("server/src/app/clock.rs", "let now = SystemTime::now();"), 0);
}

fn rust() -> impl Iterator<Item = Source> {
    committed().into_iter().filter(|source| source.is_rust() && !source.is_test())
}

fn strayed(source: &Source) -> Vec<String> {
    let Some(module) = source.path.strip_prefix("server/src/").and_then(|path| path.strip_suffix(".rs")) else {
        return Vec::new();
    };
    let place: Vec<&str> = module.split('/').collect();
    let part = place[0];
    let found = source.lines().flat_map(|(at, line)| {
        let named = named_parts(line, place.len());
        let wrong = named.into_iter().filter(|named| !may_name(part, named));
        let foreign = line.contains("callfield_") && !line.contains("callfield_domain") && part == "db";
        wrong.chain(foreign.then(|| "another crate of ours".to_owned())).map(move |to| (at, to))
    });
    found.map(|(at, to)| format!("{}:{at}: {part} must not import {to}", source.path)).collect()
}

fn may_name(part: &str, named: &str) -> bool {
    let neighbours = APART.contains(&named) && part != named && (APART.contains(&part) || part == "app");
    let outside = NARROW.iter().any(|(narrow, may)| *narrow == part && !may.contains(&named));
    !neighbours && !outside
}

/// The modules at the crate's root that a line names, in a file `depth` modules below it.
fn named_parts(line: &str, depth: usize) -> Vec<String> {
    let mut named = Vec::new();
    let climb = "super::".repeat(depth);
    for prefix in ["crate::", climb.as_str()] {
        for (at, _) in line.match_indices(prefix) {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$' || letter == ':')
            {
                continue;
            }
            named.extend(first_names(&line[at + prefix.len()..]));
        }
    }
    named
}

/// `app` of `app::App`, or each first name of `{app::App, db::Db}`.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let mut depth = 0_u32;
    let mut names = vec![String::new()];
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            _ if depth == 0 => names.last_mut().unwrap().push(letter),
            _ => {}
        }
    }
    names.iter().map(|name| word(name.trim_start())).collect()
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

fn stray_sql(source: &Source) -> Vec<String> {
    if SQL_HOMES.iter().any(|home| source.path.starts_with(home)) || source.path.starts_with("tests/") {
        return Vec::new();
    }
    let found = source.lines().filter(|(_, line)| SQL.iter().any(|sql| line.contains(sql)));
    found.map(|(at, line)| format!("{}:{at}: {}", source.path, line.trim())).collect()
}

fn impure(source: &Source) -> Vec<String> {
    // A program beside a pure crate, such as the one that runs seeds, is a shell: it reads its arguments.
    let is_program = source.path.contains("/src/bin/");
    if is_program || !PURE_FOLDERS.iter().any(|folder| source.path.starts_with(folder)) {
        return Vec::new();
    }
    let found = source.lines().filter(|(_, line)| IMPURE.iter().any(|word| line.contains(word)));
    found.map(|(at, line)| format!("{}:{at}: {}", source.path, line.trim())).collect()
}
