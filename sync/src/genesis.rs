//! The first change of every record: fixed bytes a type, the same on every device and for ever.
//!
//! It makes all containers, because two devices that make one at the same time hide each other's (sync.md 1). The
//! bytes are files, written once by the test below and never edited: a later container comes as a further fixed change.

use crate::ChangeHash;
use crate::schema::RecordType;

/// The genesis chunk of a record type.
pub const fn bytes(record_type: RecordType) -> &'static [u8] {
    match record_type {
        RecordType::Contact => include_bytes!("genesis/contact.change"),
        RecordType::Task => include_bytes!("genesis/task.change"),
        RecordType::Call => include_bytes!("genesis/call.change"),
    }
}

/// The hash of a type's genesis.
pub fn hash(record_type: RecordType) -> ChangeHash {
    crate::hash::of_chunk_content(1, content(bytes(record_type)))
}

/// What follows the 9 bytes of magic, checksum and type, and the length.
fn content(chunk: &'static [u8]) -> &'static [u8] {
    let length_bytes = chunk[9..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    &chunk[9 + length_bytes..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Kind;
    use automerge::transaction::{CommitOptions, Transactable as _};
    use automerge::{ActorId, Automerge, ObjType, ROOT, ReadDoc as _};

    /// How the files were made.
    fn made_from_the_table(record_type: RecordType) -> Vec<u8> {
        let mut doc = Automerge::new().with_actor(ActorId::from([0; 16].as_slice()));
        let mut transaction = doc.transaction();
        for field in record_type.fields().iter().filter(|field| field.kind.is_container()) {
            let object = if field.kind == Kind::LongText { ObjType::Text } else { ObjType::Map };
            transaction.put_object(ROOT, field.name, object).unwrap();
        }
        let options = CommitOptions::default().with_message(format!("genesis {record_type}")).with_time(0);
        transaction.commit_with(options);
        doc.get_last_local_change().unwrap().raw_bytes().to_vec()
    }

    #[test]
    fn the_genesis_of_every_type_has_its_golden_hash() {
        let hashes: Vec<_> =
            RecordType::ALL.iter().map(|record_type| format!("{record_type} {}", hash(*record_type))).collect();
        insta::assert_snapshot!(hashes.join("\n"), @"
        contact fc6710947747f2036d99e3f5c837527654e7e232225322353d16004d1756f61a
        task c7019f220fcfa52d47537c8e04284fc35c8d2adf3cb0d6875af76ddd0c33dd2c
        call 9239b57025f294f80acb53c7f6d4666c811321aab670cb06e51d5be5f8c4c02a
        ");
    }

    #[test]
    fn the_fixed_bytes_make_exactly_the_containers_of_the_table() {
        for record_type in RecordType::ALL {
            assert_eq!(bytes(*record_type), made_from_the_table(*record_type), "{record_type}");
            let mut doc = Automerge::new();
            let change = automerge::Change::from_bytes(bytes(*record_type).to_vec()).unwrap();
            assert_eq!(change.hash().0, *hash(*record_type).as_bytes());
            doc.apply_changes([change]).unwrap();
            let made: Vec<_> = doc.keys(ROOT).collect();
            let mut wanted: Vec<_> =
                record_type.fields().iter().filter(|field| field.kind.is_container()).map(|field| field.name).collect();
            wanted.sort_unstable();
            assert_eq!(made, wanted, "{record_type}");
        }
    }
}
