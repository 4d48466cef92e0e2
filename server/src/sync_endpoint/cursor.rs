//! Cursors: where a device stands in a scope, signed so that only this server's own are believed.

use callfield_sync::protocol::Cursor;
use ring::hmac;
use uuid::Uuid;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 32;
const CURSOR_BYTES: usize = 1 + 16 + 8 + MAC_BYTES;

/// What a company's cursors are made with.
pub(super) struct Cursors {
    key: hmac::Key,
    incarnation: Uuid,
}

impl Cursors {
    /// The cursors of a company: `key` signs them, `incarnation` changes when its database was restored.
    pub(super) fn new(key: &[u8], incarnation: Uuid) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), incarnation }
    }

    /// The cursor behind `seq` of `scope`.
    pub(super) fn at(&self, scope: &str, seq: i64) -> Cursor {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.incarnation.as_bytes());
        bytes.extend_from_slice(&seq.to_be_bytes());
        let mac = hmac::sign(&self.key, &signed(scope, &bytes));
        bytes.extend_from_slice(mac.as_ref());
        // The constant is far below the protocol's limit.
        Cursor::from_bytes(bytes).unwrap_or_else(|| unreachable!("{CURSOR_BYTES} bytes fit a cursor"))
    }

    /// The place a cursor names; `None` for an old, foreign or forged one: the scope then starts again.
    pub(super) fn read(&self, scope: &str, cursor: &Cursor) -> Option<i64> {
        let (body, mac) = cursor.as_bytes().split_at_checked(CURSOR_BYTES - MAC_BYTES)?;
        let is_ours = hmac::verify(&self.key, &signed(scope, body), mac).is_ok();
        let (head, seq) = body.split_at(17);
        let is_current = head[0] == VERSION && head[1..] == *self.incarnation.as_bytes();
        let seq = i64::from_be_bytes(seq.try_into().ok()?);
        (is_ours && is_current).then_some(seq)
    }
}

fn signed(scope: &str, body: &[u8]) -> Vec<u8> {
    [body, scope.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_only_in_its_scope_and_incarnation() {
        let cursors = Cursors::new(&[1; 32], Uuid::from_u128(1));
        let cursor = cursors.at("tenant", 42);
        assert_eq!(cursors.read("tenant", &cursor), Some(42));
        assert_eq!(cursors.read("user:a", &cursor), None);
        assert_eq!(Cursors::new(&[1; 32], Uuid::from_u128(2)).read("tenant", &cursor), None);
        assert_eq!(Cursors::new(&[2; 32], Uuid::from_u128(1)).read("tenant", &cursor), None);
    }

    #[test]
    fn a_changed_or_cut_cursor_is_none_of_ours() {
        let cursors = Cursors::new(&[1; 32], Uuid::from_u128(1));
        let bytes = cursors.at("tenant", 42).as_bytes().to_vec();
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert_eq!(cursors.read("tenant", &Cursor::from_bytes(changed).unwrap()), None);
            assert_eq!(cursors.read("tenant", &Cursor::from_bytes(bytes[..position].to_vec()).unwrap()), None);
        }
    }
}
