//! Test names are sentences.

use crate::sources::{Source, committed};

/// Words of the shortest sentence.
const WORDS_MIN: usize = 3;
/// The two tests that `db_test!` makes of every story; the story itself bears the sentence.
const ENGINES: &[&str] = &["on_sqlite", "on_postgres"];

#[test]
fn every_test_is_named_with_a_sentence() {
    let sources = committed();
    let tests: usize = sources.iter().map(|source| test_names(source).len()).sum();
    assert!(tests > 100, "only {tests} tests found");
    let wrong: Vec<String> = sources.iter().flat_map(nameless).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_test_without_a_sentence_is_found() {
    let wrong = |path, text: &str| nameless(&Source::planted(path, text)).len();
    assert_eq!(wrong("a.rs", "#[test]\nfn test_1() {\n"), 1);
    assert_eq!(wrong("a.rs", "#[tokio::test(start_paused = true)]\nasync fn works() {\n"), 1);
    assert_eq!(wrong("a.rs", "#[test]\n#[should_panic]\nfn parses_it() {\n"), 1);
    assert_eq!(wrong("a.rs", "db_test! {\n    async fn insert(db: Db) {\n"), 1);
    assert_eq!(wrong("a.rs", "db_test! {\n    async fn a_row_comes_back(db: Db) {\n}\nasync fn open(db: Db) {\n"), 0);
    assert_eq!(wrong("a.rs", "#[test]\nfn late_answer_is_cancelled() {\n"), 0);
    assert_eq!(wrong("a.rs", "macro_rules! db_test {\n#[tokio::test]\nasync fn on_sqlite() {\n"), 0);
    assert_eq!(wrong("ATest.kt", "@Test\nfun works() {\n"), 1);
    assert_eq!(wrong("ATest.kt", "@TestInstance(ONCE)\nclass ATest {\n@BeforeAll\nfun start() {\n"), 0);
    assert_eq!(wrong("ATest.kt", "@Test\nfun `a panic arrives as an exception`() {\n"), 0);
}

fn nameless(source: &Source) -> Vec<String> {
    let makes_engines = source.text.contains("macro_rules! db_test");
    let wrong = test_names(source).into_iter().filter(|name| {
        let words = name.split(['_', ' ']).filter(|word| !word.is_empty()).count();
        words < WORDS_MIN && !(makes_engines && ENGINES.contains(&name.as_str()))
    });
    wrong.map(|name| format!("{}: {name}", source.path)).collect()
}

fn test_names(source: &Source) -> Vec<String> {
    if source.path.ends_with(".kt") {
        return names_after(source, &["@Test"], "fun ");
    }
    if !source.is_rust() {
        return Vec::new();
    }
    let mut names = names_after(source, &["#[test]", "#[tokio::test"], "fn ");
    names.extend(stories(source));
    names
}

/// The stories of the `db_test!` blocks: their functions stand one level in.
fn stories(source: &Source) -> Vec<String> {
    let mut in_block = false;
    let mut names = Vec::new();
    for line in source.text.lines() {
        in_block = (in_block || line == "db_test! {") && line != "}";
        if in_block && line.starts_with("    async fn ") {
            names.push(function_name(line, "fn "));
        }
    }
    names
}

fn names_after(source: &Source, attributes: &[&str], keyword: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.text.lines().map(str::trim) {
        is_test |= attributes.iter().any(|attribute| is_attribute_of(line, attribute));
        let is_attribute = line.starts_with('#') || line.starts_with('@') && !line.contains(keyword);
        if is_test && !is_attribute && line.contains(keyword) {
            names.push(function_name(line, keyword));
            is_test = false;
        }
    }
    names
}

/// `@Test` is one, `@TestInstance` is another.
fn is_attribute_of(line: &str, attribute: &str) -> bool {
    let rest = line.strip_prefix(attribute);
    rest.is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_alphanumeric()))
}

/// The name between the keyword and the parenthesis; Kotlin's stands in backticks.
fn function_name(line: &str, keyword: &str) -> String {
    let name = line.split_once(keyword).map_or("", |(_, rest)| rest);
    name.split('(').next().unwrap_or("").trim_matches('`').to_owned()
}
