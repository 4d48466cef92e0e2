//! Mutants of a corpus: bytes changed, cut out, put in, copied, truncated.

use callfield_domain::Random;

/// Pieces that decide where a header or a body ends.
pub(crate) const MESSAGE_PIECES: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\r\n\t",
    b"\r\n\r\n",
    b":",
    b",",
    b"\"",
    b"<",
    b">",
    b";",
    b"\0",
    b"\xff",
    b"Content-Length: 1\r\n",
    b"l: 0\r\n",
];

/// One of the corpus after one to three changes; never empty.
pub(crate) fn mutant(corpus: &[Vec<u8>], pieces: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut position = |length: usize| usize::try_from(random.below(length as u64)).expect("a position in a message");
    let mut bytes = corpus[position(corpus.len())].clone();
    for _ in 0..=position(3) {
        let at = position(bytes.len());
        match position(5) {
            0 => bytes[at] = u8::try_from(position(256)).expect("a byte"),
            1 => drop(bytes.drain(at..(at + 1 + position(4)).min(bytes.len()))),
            2 => drop(bytes.splice(at..at, pieces[position(pieces.len())].iter().copied())),
            3 => {
                let end = (at + 1 + position(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = position(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(b'\r');
        }
    }
    bytes
}
