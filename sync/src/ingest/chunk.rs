//! Looking at a change chunk without Automerge: what it is called, and whether it is safe to hand over.
//!
//! Automerge unpacks before it checks, and both deflate and run-length encoding let a few bytes stand for billions of
//! operations. So a chunk is walked here first, without unpacking anything, and refused as soon as it promises more
//! than a change may hold.

use super::Rejection;
use super::columns;
use super::reader::{Reader, Short};
use crate::hash::of_chunk_content;
use crate::protocol::MAX_CHANGE_BYTES;
use crate::{Actor, Author, ChangeHash};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE: u8 = 1;

/// What a chunk says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) actor: Option<Actor>,
    pub(super) author: Option<Author>,
    pub(super) seq: u64,
    pub(super) start_op: u64,
    pub(super) claimed_at: i64,
    pub(super) deps: Vec<ChangeHash>,
    pub(super) other_actors: Vec<Vec<u8>>,
}

/// The name of a chunk; of bytes that are none, as if they were a change's content.
pub(super) fn name(bytes: &[u8]) -> ChangeHash {
    match header(bytes) {
        Ok((chunk_type, _, content)) => of_chunk_content(chunk_type, content),
        Err(_) => of_chunk_content(CHANGE, bytes),
    }
}

/// Reads a chunk's own words, and walks its columns.
pub(super) fn parse(bytes: &[u8]) -> Result<Chunk, Rejection> {
    if bytes.len() > MAX_CHANGE_BYTES {
        return Err(Rejection::TooLarge);
    }
    let (chunk_type, checksum, content) = header(bytes)?;
    if chunk_type != CHANGE || of_chunk_content(chunk_type, content).as_bytes()[..4] != checksum {
        return Err(Rejection::Malformed);
    }
    let mut reader = Reader::new(content);
    let chunk = words(&mut reader)?;
    columns::check(&mut reader)?;
    // What follows the columns would be kept with the change for ever, and mean something to other readers.
    if reader.is_at_end() { Ok(chunk) } else { Err(Rejection::Malformed) }
}

fn header(bytes: &[u8]) -> Result<(u8, [u8; 4], &[u8]), Short> {
    let mut reader = Reader::new(bytes);
    if reader.take(4)? != MAGIC {
        return Err(Short);
    }
    let mut checksum = [0; 4];
    checksum.copy_from_slice(reader.take(4)?);
    let chunk_type = reader.take(1)?[0];
    let length = reader.length()?;
    let content = reader.take(length)?;
    if reader.is_at_end() { Ok((chunk_type, checksum, content)) } else { Err(Short) }
}

fn words(reader: &mut Reader<'_>) -> Result<Chunk, Short> {
    let deps_count = reader.length()?;
    let mut deps = Vec::new();
    for _ in 0..deps_count {
        deps.push(ChangeHash::from_bytes(reader.take(32)?.try_into().map_err(|_| Short)?));
    }
    let actor = reader.prefixed()?.try_into().ok().map(Actor::from_bytes);
    let (seq, start_op, claimed_at) = (reader.unsigned()?, reader.unsigned()?, reader.signed()?);
    let message = std::str::from_utf8(reader.prefixed()?).map_err(|_| Short)?;
    let mut other_actors = Vec::new();
    for _ in 0..reader.length()? {
        other_actors.push(reader.prefixed()?.to_vec());
    }
    Ok(Chunk { actor, author: Author::from_message(message), seq, start_op, claimed_at, deps, other_actors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(chunk_type: u8, content: &[u8]) -> Vec<u8> {
        let hash = of_chunk_content(chunk_type, content);
        let mut bytes = [&MAGIC[..], &hash.as_bytes()[..4], &[chunk_type]].concat();
        assert!(content.len() < 128);
        bytes.push(u8::try_from(content.len()).unwrap());
        bytes.extend(content);
        bytes
    }

    /// No dependencies, actor 16 × 1, first of its actor, first operation 1, time 0, no message, no other actors.
    fn content(columns: &[u8]) -> Vec<u8> {
        [&[0, 16][..], &[1; 16], &[1, 1, 0, 0, 0], columns].concat()
    }

    #[test]
    fn a_chunk_tells_who_made_it() {
        let read = parse(&chunk(1, &content(&[0]))).unwrap();
        assert_eq!((read.actor, read.seq, read.start_op), (Some(Actor::from_bytes([1; 16])), 1, 1));
    }

    #[test]
    fn only_whole_uncompressed_change_chunks_with_a_right_checksum_are_read() {
        let good = chunk(1, &content(&[0]));
        for chunk_type in [0, 2, 3, 9] {
            assert_eq!(parse(&chunk(chunk_type, &content(&[0]))), Err(Rejection::Malformed));
        }
        let mut flipped = good.clone();
        flipped[5] ^= 1;
        assert_eq!(parse(&flipped), Err(Rejection::Malformed));
        assert_eq!(parse(&good[..good.len() - 1]), Err(Rejection::Malformed));
        assert_eq!(parse(&[&good[..], &[0]].concat()), Err(Rejection::Malformed));
        assert_eq!(parse(&chunk(1, &content(&[0, 7]))), Err(Rejection::Malformed), "bytes after the columns");
        assert_eq!(parse(&vec![0; MAX_CHANGE_BYTES + 1]), Err(Rejection::TooLarge));
        assert_eq!(parse(&[]), Err(Rejection::Malformed));
    }

    #[test]
    fn a_run_of_billions_of_operations_is_refused_before_anything_unpacks_it() {
        // One column, action (id 4, integer): a run of 2^34 times the value 1.
        let run = [0x80, 0x80, 0x80, 0x80, 0xc0, 0x00, 1];
        let columns = [&[1, 0x42, 7][..], &run].concat();
        assert_eq!(parse(&chunk(1, &content(&columns))), Err(Rejection::TooLarge));
    }
}
