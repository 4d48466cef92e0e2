//! The chunks that made Automerge 0.12 panic or save what it could not load again.

use std::fs;
use std::path::{Path, PathBuf};

use callfield_sync::DeviceKey;
use callfield_sync::ingest::Role;
use callfield_sync::protocol::{Push, VerdictCode};
use callfield_sync::record::Record;
use callfield_sync::schema::RecordType;
use serde_json::json;

use crate::office::{Server, codes};

/// The corpus lies beside the checkout, in one of the folders above this crate.
fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let folder = above.map(|folder| folder.join("shared/data/automerge-poison")).find(|folder| folder.is_dir());
    let folder = folder.expect("shared/data/automerge-poison must lie in a folder above this crate");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_poisoned_chunk_is_refused_and_the_record_stays_as_it_was() {
    let corpus = corpus();
    assert_eq!(corpus.len(), 218);
    let mut server = Server::new(1);
    let (id, user) = (server.id(), server.user());
    let mut device = server.device(1, user, RecordType::Contact);
    let made = device.edit(1_000, &json!({"last_name": "Tanaka"}));
    server.push(&device, id, &made);
    let before = server.record(id).heads();
    device.role = Role::Admin;
    for (path, bytes) in corpus {
        // As an attacker who owns the actor that the chunk names.
        for key in [device.key, DeviceKey::from_bytes([1; 8]), DeviceKey::from_bytes([2; 8])] {
            device.key = key;
            let txn = server.txn();
            let push =
                Push { txn, doc: id, record_type: "contact".to_owned(), epoch: 0, changes: vec![bytes.clone().into()] };
            let ingested = server.take(&device, &[push]);
            assert!(ingested.records.is_empty(), "{}", path.display());
            assert_ne!(codes(&ingested), [VerdictCode::Ok], "{}", path.display());
        }
        assert!(Record::load(RecordType::Contact, &bytes).is_err(), "{}", path.display());
        // A phone only merges what a server verified, so here it is enough that nothing escapes.
        let _outcome = server.record(id).apply(&[&bytes]);
    }
    assert_eq!(server.record(id).heads(), before);
}
