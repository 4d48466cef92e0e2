//! Mutants of the torture messages against a second reader: where both accept, both must see the same headers and body.
//!
//! Two readers that cut one message differently are how requests are smuggled past a firewall.

use callfield_domain::{Random, Seed};
use callfield_sip::message::{Message, Verdict, parse};
use sipx_sip::parser::{Limits, parse_datagram};

use crate::mutation::{MESSAGE_PIECES, mutant};
use crate::torture_files;

#[test]
fn a_mutant_that_both_readers_accept_is_cut_the_same_way() {
    compare_mutants(5_000);
}

#[test]
#[ignore = "takes a minute; ./dev fuzz runs it"]
fn two_hundred_thousand_mutants_are_cut_the_same_way() {
    compare_mutants(200_000);
}

fn compare_mutants(mutants: u64) {
    let corpus: Vec<Vec<u8>> = torture_files::names().iter().map(|name| torture_files::read(name)).collect();
    let mut random = Random::new(Seed::from_number(4475));
    let mut accepted_by_both = 0;
    for number in 0..mutants {
        let mutant = mutant(&corpus, &MESSAGE_PIECES, &mut random);
        let Verdict::Ok(ours) = parse(mutant.clone().into()) else { continue };
        let Ok(theirs) = parse_datagram(mutant.clone().into(), &Limits::datagram()) else { continue };
        accepted_by_both += 1;
        let text = String::from_utf8_lossy(&mutant);
        assert_eq!(our_lines(&ours), their_lines(&theirs), "headers of mutant {number}:\n{text}");
        assert_eq!(ours.body(), *theirs.body(), "body of mutant {number}:\n{text}");
    }
    assert!(accepted_by_both > mutants / 10, "only {accepted_by_both} mutants were accepted by both");
}

/// Names in lower case and values without white space, since readers may unfold differently.
fn our_lines(message: &Message) -> Vec<(String, String)> {
    let line = |(name, value): (&str, &str)| {
        let name = sipx_sip::HeaderName::parse(&name.to_owned().into());
        (canonical(&name), without_space(value))
    };
    message.lines().map(line).collect()
}

fn their_lines(message: &sipx_sip::Message) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    let line = |header: &sipx_sip::Header| (canonical(header.name()), without_space(&text(&header.value())));
    message.headers().iter().map(line).collect()
}

/// Both readers may show a compact name in either form.
fn canonical(name: &sipx_sip::HeaderName) -> String {
    String::from_utf8_lossy(name.canonical()).to_ascii_lowercase()
}

fn without_space(value: &str) -> String {
    value.chars().filter(|character| !matches!(character, ' ' | '\t' | '\r' | '\n')).collect()
}
