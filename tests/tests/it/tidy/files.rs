//! Each file by itself: its length, its first line, its name, and words that do not belong in it.

use crate::sources::{Source, committed};

/// Lines of a Rust file without its unit tests.
const FILE_LINES_MAX: usize = 400;
/// File and folder names that say nothing.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager", "mod"];
/// Leftovers. Each word is put together here, so that this file does not find itself.
const LEFTOVERS: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
/// Lints are expected with a reason, never allowed.
const ALLOW: &[&str] = &[concat!("#[", "allow"), concat!("#![", "allow")];
/// Hosts of package registries, and paths of somebody's machine.
const FOREIGN: &[&str] = &[
    concat!("crates", ".io"),
    concat!("static.", "crates"),
    concat!("repo.", "maven"),
    concat!("repo1.", "maven"),
    concat!("deb.", "debian"),
    concat!("registry.", "npmjs"),
    concat!("pypi", ".org"),
    concat!("files.", "pythonhosted"),
    concat!("proxy.", "golang"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

#[test]
fn every_rust_file_is_short_and_says_what_it_is_for() {
    let wrong: Vec<String> = committed().iter().filter(|source| source.is_rust()).flat_map(unruly).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn no_file_holds_leftovers_hosts_or_machine_paths() {
    let wrong: Vec<String> = committed().iter().flat_map(stray_words).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_crate_has_one_integration_binary() {
    let wrong: Vec<String> = committed().iter().filter_map(lone_test).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn an_unruly_file_is_found() {
    let wrong = |path, text: &str| unruly(&Source::planted(path, text)).len();
    let long = format!("//! Long.\n{}", "let a = 1;\n".repeat(FILE_LINES_MAX));
    assert_eq!(wrong("sip/src/a.rs", &long), 1);
    assert_eq!(wrong("sip/src/tests.rs", &long), 0);
    let tested = format!("//! Tested.\n#[cfg(test)]\nmod tests {{\n{}", "let a = 1;\n".repeat(FILE_LINES_MAX));
    assert_eq!(wrong("sip/src/a.rs", &tested), 0);
    assert_eq!(wrong("sip/src/a.rs", "use std::fmt;\n"), 1);
    assert_eq!(wrong("sip/src/util.rs", "//! Everything.\n"), 1);
    assert_eq!(wrong("sip/src/message/mod.rs", "//! Old style.\n"), 1);
    assert_eq!(wrong("sip/src/message/helpers/text.rs", "//! Whose?\n"), 1);
    assert_eq!(wrong("sip/src/a.rs", &format!("//! Quiet.\n{}(dead_code)]\n", ALLOW[0])), 1);
}

#[test]
fn a_stray_word_is_found_in_any_text() {
    let wrong = |path, text: &str| stray_words(&Source::planted(path, text)).len();
    for word in LEFTOVERS {
        assert_eq!(wrong("docs/a.md", &format!("fine\n{word}: later\n")), 1, "{word}");
        assert_eq!(wrong("docs/a.md", &format!("{word}S and UN{word}\n")), 0, "{word}");
    }
    for foreign in FOREIGN {
        assert_eq!(wrong("docs/a.md", &format!("see {foreign}somewhere\n")), 1, "{foreign}");
    }
    assert_eq!(wrong("Cargo.lock", &format!("see {}\n", FOREIGN[0])), 0);
}

#[test]
fn a_second_integration_binary_is_found() {
    let wrong = |path| lone_test(&Source::planted(path, "")).is_some();
    assert!(wrong("sip/tests/torture.rs"));
    assert!(!wrong("sip/tests/it/torture.rs"));
    assert!(!wrong("tests/tests/it/main.rs"));
    assert!(!wrong("server/src/push/tests/wake.rs"));
    assert!(!wrong("sip/tests/data/invite.sip"));
}

fn unruly(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = source.code().lines().count();
    if lines > FILE_LINES_MAX && !source.is_test() {
        wrong.push(format!("{}: {lines} lines", source.path));
    }
    if !source.text.starts_with("//!") {
        wrong.push(format!("{}: does not say what it is for", source.path));
    }
    let names = source.path.trim_end_matches(".rs").split('/');
    wrong.extend(names.filter(|name| EMPTY_NAMES.contains(name)).map(|name| format!("{}: {name}", source.path)));
    let allowed = source.text.lines().enumerate().filter(|(_, line)| ALLOW.iter().any(|allow| line.contains(allow)));
    wrong.extend(allowed.map(|(at, line)| format!("{}:{}: {}", source.path, at + 1, line.trim())));
    wrong
}

fn stray_words(source: &Source) -> Vec<String> {
    // Cargo writes its registry into the lock file itself.
    if source.path == "Cargo.lock" {
        return Vec::new();
    }
    let lines = source.text.lines().enumerate();
    let stray = lines.filter(|(_, line)| {
        LEFTOVERS.iter().any(|word| has_word(line, word)) || FOREIGN.iter().any(|foreign| line.contains(foreign))
    });
    stray.map(|(at, line)| format!("{}:{}: {}", source.path, at + 1, line.trim())).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_letter) && !line[at + word.len()..].starts_with(is_letter))
}

/// Each file directly in a crate's `tests` folder would be linked as a program of its own.
fn lone_test(source: &Source) -> Option<String> {
    let (before, name) = source.path.rsplit_once('/')?;
    let in_tests = before.ends_with("/tests") && !before.contains("/src/") && name.ends_with(".rs");
    in_tests.then(|| format!("{}: belongs in tests/it", source.path))
}
