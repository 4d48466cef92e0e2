//! One SQL text for both engines: migrations come in pairs, and statements for one engine are few.

use std::collections::BTreeSet;

use crate::sources::{Source, committed};

/// Statements that only one engine understands.
const DIALECT_STATEMENTS_MAX: usize = 5;
const STATEMENT_STARTS: &[&str] = &["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE ", "\"WITH "];

#[test]
fn migrations_of_the_two_engines_come_in_pairs() {
    let sources = committed();
    let paths: Vec<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    assert!(paths.iter().any(|path| path.starts_with("migrations/sqlite/")));
    assert_eq!(unpaired(&paths), [""; 0]);
}

#[test]
fn few_statements_are_for_one_engine_only() {
    let sources = committed();
    let of_db = sources.iter().filter(|source| source.path.starts_with("server/src/db") && !source.is_test());
    let found: Vec<String> = of_db.flat_map(dialect_statements).collect();
    assert!(found.len() <= DIALECT_STATEMENTS_MAX, "{}", found.join("\n"));
}

#[test]
fn a_migration_without_its_twin_is_found() {
    let paths = ["migrations/sqlite/0001_a.sql", "migrations/postgres/0001_a.sql", "migrations/postgres/0002_b.sql"];
    assert_eq!(unpaired(&paths), ["0002_b.sql"]);
    assert_eq!(unpaired(&["migrations/device/0001_a.sql"]), [""; 0]);
}

#[test]
fn a_statement_outside_the_list_counts_for_one_engine() {
    let found = |text| dialect_statements(&Source::planted("server/src/db/calls.rs", text)).len();
    assert_eq!(found("statements! {\n    ONE = \"SELECT 1\";\n    TWO = \"UPDATE a\";\n}\n"), 0);
    assert_eq!(found("bulks! {\n    ONE = \"INSERT INTO a\", \"(:1)\", 1, \"\";\n}\n"), 0);
    assert_eq!(found("statements! {\n    ONE = { sqlite: \"SELECT 1\", postgres: \"SELECT 2\" };\n}\n"), 1);
    assert_eq!(found("statements! {\n    ONE = \"SELECT 1\";\n}\nconst LOCK: &str = \"SELECT lock()\";\n"), 1);
}

fn unpaired(paths: &[&str]) -> Vec<String> {
    let of = |folder: &str| -> BTreeSet<String> {
        paths.iter().filter_map(|path| path.strip_prefix(folder)).map(str::to_owned).collect()
    };
    of("migrations/sqlite/").symmetric_difference(&of("migrations/postgres/")).cloned().collect()
}

/// Statements that stand outside `statements!` and `bulks!`, where no test prepares them on both engines, or have two texts in it.
fn dialect_statements(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_list = false;
    for (at, line) in source.lines() {
        let is_list = line.starts_with("statements! {") || line.starts_with("bulks! {");
        in_list = (in_list || is_list) && line != "}";
        let has_statement = STATEMENT_STARTS.iter().any(|start| line.contains(start));
        if line.contains("sqlite: \"") || (has_statement && !in_list) {
            found.push(format!("{}:{at}: {}", source.path, line.trim()));
        }
    }
    found
}
