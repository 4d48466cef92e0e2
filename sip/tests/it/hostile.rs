//! The fuzz targets on stable Rust: each file of the corpora, and mutants of them, through the same checks.

mod digest;
pub(crate) mod message;

use std::path::Path;

use callfield_domain::{Random, Seed};

use crate::mutation::{MESSAGE_PIECES, mutant};

const MUTANTS: u64 = 3_000;
const MANY_MUTANTS: u64 = 100_000;

/// Pieces of challenges and credentials.
const DIGEST_PIECES: [&[u8]; 14] = [
    b"Digest ",
    b",",
    b"\"",
    b"\\",
    b"=",
    b" ",
    b"qop=auth",
    b"nc=00000001",
    b"realm=\"example.com\"",
    b"algorithm=SHA-256",
    b"username*=UTF-8''%FF",
    b"userhash=true",
    b"\0",
    b"\xff",
];

#[test]
fn hostile_messages_keep_every_promise() {
    run("message", MUTANTS, &MESSAGE_PIECES, message::check);
}

#[test]
fn hostile_challenges_and_credentials_keep_every_promise() {
    run("digest", MUTANTS, &DIGEST_PIECES, digest::check);
}

#[test]
#[ignore = "takes a minute; ./dev fuzz runs it"]
fn many_hostile_messages_keep_every_promise() {
    run("message", MANY_MUTANTS, &MESSAGE_PIECES, message::check);
}

#[test]
#[ignore = "takes a minute; ./dev fuzz runs it"]
fn many_hostile_challenges_and_credentials_keep_every_promise() {
    run("digest", MANY_MUTANTS, &DIGEST_PIECES, digest::check);
}

fn run(target: &str, mutants: u64, pieces: &[&[u8]], check: impl Fn(&[u8])) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 8, "only {} files in the corpus of {target}", corpus.len());
    corpus.iter().for_each(|bytes| check(bytes));
    let mut random = Random::new(Seed::from_number(5118));
    for _ in 0..mutants {
        check(&mutant(&corpus, pieces, &mut random));
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(folder).expect("the corpus opens");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("its entries are readable").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("its files are readable")).collect()
}
