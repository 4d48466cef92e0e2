//! The most of everything that is read from the wire, checked while it is read.

use minicbor::{Decode, Decoder, decode::Error};

/// The longest request, in bytes after decompression (sync.md 4).
pub const MAX_REQUEST_BYTES: usize = 4 << 20;
/// The longest response, in bytes after decompression.
pub const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// The most changes in one request, over all its pushes (sync.md 5).
pub const MAX_CHANGES: usize = 1_000;
/// The longest change, in bytes (sync.md 5).
pub const MAX_CHANGE_BYTES: usize = 64 << 10;
/// The most scopes in one request.
pub const MAX_SCOPES: usize = 256;
/// The most records asked for by id in one request.
pub const MAX_WANTS: usize = 1_000;
/// The longest cursor, in bytes.
pub const MAX_CURSOR_BYTES: usize = 128;
/// The most pages in one response.
pub const MAX_PAGES: usize = 256;
/// The most records in one page.
pub const MAX_ITEMS: usize = 10_000;

/// An array of at most `MAX` values: what an attacker declares is never allocated ahead.
pub(super) fn at_most<'b, const MAX: usize, C, T: Decode<'b, C>>(
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    let mut left = d.array()?;
    loop {
        match left {
            Some(0) => break,
            Some(n) => left = Some(n - 1),
            None if d.datatype()? == minicbor::data::Type::Break => {
                d.skip()?;
                break;
            }
            None => {}
        }
        if values.len() == MAX {
            return Err(Error::message("more entries than allowed"));
        }
        values.push(T::decode(d, ctx)?);
    }
    Ok(values)
}

/// Text of at most `MAX` bytes.
pub(super) fn short_text<const MAX: usize, C>(d: &mut Decoder<'_>, _: &mut C) -> Result<String, Error> {
    let text = d.str()?;
    if text.len() > MAX {
        return Err(Error::message("longer than allowed"));
    }
    Ok(text.to_owned())
}
