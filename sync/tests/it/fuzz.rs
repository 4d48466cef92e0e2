//! Our own valid changes, bent and given a right checksum again, as any client can make them.

use callfield_domain::{Random, Seed};
use callfield_sync::Actor;
use callfield_sync::protocol::VerdictCode::{BlockedBy, Ok, Rejected};
use callfield_sync::record::Change;
use callfield_sync::schema::RecordType;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::office::{Server, codes, push, reasons};

/// A change with one to three bytes changed behind its header, and a checksum that fits.
fn bend(change: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = change.to_vec();
    let body = 9 + change[9..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let below = |random: &mut Random, limit: usize| usize::try_from(random.below(limit as u64)).unwrap();
    for _ in 0..=random.below(3) {
        let at = body + below(random, bytes.len() - body);
        bytes[at] = match random.below(3) {
            0 => random.bytes::<1>()[0],
            1 => bytes[at].wrapping_add(1),
            _ => bytes[at] ^ (1 << random.below(8)),
        };
    }
    let digest = Sha256::digest([&bytes[8..9], &bytes[9..body], &bytes[body..]].concat());
    bytes[4..8].copy_from_slice(&digest[..4]);
    bytes
}

#[test]
fn no_bent_change_panics_or_commits_what_does_not_load_or_writes_a_field_of_the_server() {
    let mut server = Server::new(1);
    let mut random = Random::new(Seed::from_number(4711));
    let (id, user) = (server.id(), server.user());
    let mut device = server.device(1, user, RecordType::Contact);
    let made = device.edit(
        1_000,
        &json!({"last_name": "Tanaka", "description": "likes tea", "phones": {"+81312345678": {"raw": "03", "label": "desk"}}}),
    );
    server.push(&device, id, &made);
    let edits = [
        json!({"title": "boss", "last_name": "Tanaka Ichiro"}),
        json!({"description": "likes green tea, not cake"}),
        json!({"phones": {"+81312345678": null, "+819012345678": {"raw": "090", "primary": true}}, "tags": {"vip": true}}),
        json!({"last_name": null, "custom": {"size": 1.5, "colour": "red"}, "deleted_at": 1_700_000_000_000_i64}),
    ];
    let valid: Vec<Change> = edits.iter().flat_map(|patch| device.edit(2_000, patch)).collect();
    let prefixes: Vec<_> = (0..valid.len())
        .map(|count| {
            let mut copy = server.stored.clone();
            std::mem::swap(&mut copy, &mut server.stored);
            server.push(&device, id, &valid[..count]);
            std::mem::swap(&mut copy, &mut server.stored);
            copy
        })
        .collect();
    let (mut taken, mut found) = (0, None);
    for round in 0..2_000 {
        let target = round % valid.len();
        server.stored.clone_from(&prefixes[target]);
        let bent = Change { hash: valid[target].hash, bytes: bend(&valid[target].bytes, &mut random) };
        // `push` asserts that what is committed loads again as itself.
        let ingested = server.push(&device, id, std::slice::from_ref(&bent));
        if reasons(&ingested) == ["unsound"] {
            found.get_or_insert((target, bent));
        }
        taken += usize::from(codes(&ingested) == [Ok]);
    }
    assert!(taken > 20, "some bent changes are just other valid changes: {taken}");

    let (target, bent) = found.expect("some bent changes can be applied, but do not load again");
    server.stored.clone_from(&prefixes[target]);
    let mut other = server.device(2, user, RecordType::Contact);
    other.record = server.record(id);
    (other.key, other.actor) = (device.key, Actor::new(device.key, 2, &mut server.random));
    let before = other.edit(3_000, &json!({"department": "sales"}));
    let behind = other.edit(3_100, &json!({"salutation": "Dr."}));
    let pushes: Vec<_> = [before, vec![bent], behind]
        .iter()
        .map(|changes| push(server.txn(), id, RecordType::Contact, changes))
        .collect();
    let ingested = server.take(&other, &pushes);
    assert_eq!(codes(&ingested), [Ok, Rejected, BlockedBy], "in a whole request the culprit alone is refused");
    assert_eq!(ingested.verdicts[2].by, Some(ingested.verdicts[1].hash));
}
