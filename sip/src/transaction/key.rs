//! Which transaction a message belongs to, as a keyed 128-bit hash that no peer can aim at.

use callfield_domain::Random;
use ring::hmac;

use crate::message::{Message, Method, Via};

/// Makes keys; each store has a secret of its own.
pub(super) struct Keys(hmac::Key);

impl Keys {
    pub(super) fn new(random: &mut Random) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random.bytes::<32>()))
    }

    /// The client transaction of a branch that this layer made (RFC 3261 §17.1.3).
    pub(super) fn client(&self, branch: &str, method: &Method) -> u128 {
        self.hash(&["client", branch, method.as_str()])
    }

    /// The server transaction of a request (RFC 3261 §17.2.3); `method` is INVITE for the ACK or CANCEL to one.
    pub(super) fn server(&self, request: &Message, via: &Via, method: &Method) -> u128 {
        let port = via.port().unwrap_or(0).to_string();
        if via.has_magic_branch() {
            let branch = via.branch().unwrap_or_default();
            return self.hash(&["server", branch, via.host(), &port, method.as_str()]);
        }
        // RFC 2543: all that an INVITE, its ACK and its CANCEL have in common.
        let (from, number) = (request.from(), request.cseq().number.to_string());
        let branch = via.branch().unwrap_or_default();
        let call = [from.tag().unwrap_or_default(), request.call_id(), &number, request.request_uri_text()];
        self.hash(&[&["2543", branch, via.host(), &port, method.as_str()], call.as_slice()].concat())
    }

    /// The length goes in before each part, so that no two lists of parts are the same text.
    fn hash(&self, parts: &[&str]) -> u128 {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&part.len().to_le_bytes());
            context.update(part.as_bytes());
        }
        let tag = context.sign();
        tag.as_ref().iter().take(16).fold(0, |key, byte| (key << 8) | u128::from(*byte))
    }
}
