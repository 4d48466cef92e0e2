//! Changes that a trunk wants proven (401, 407): they are sent again with the proof, once (RFC 3261 §22.2).

use callfield_domain::Timestamp;

use super::{Key, Sent, Side, Switchboard};
use crate::message::{Message, RequestBuilder};
use crate::transaction::Input as Layer;

impl Switchboard {
    /// Proves a change of the edge's own to a trunk; `false` if its answer is no such refusal, or nothing is known that helps.
    pub(super) fn prove_change(&mut self, now: Timestamp, key: Key, refusal: &Message) -> bool {
        if !matches!(refusal.status(), Some(401 | 407)) {
            return false;
        }
        let Some(request) = self.proven_change(key, refusal) else { return false };
        let Some(flow) = self.flow_to(key) else { return false };
        let id = self.new_client();
        self.changes.by_client.insert(id, key);
        self.note_sent(key, Sent { has_proved: true, ..Sent::new(request.clone(), Some(id)) });
        self.transactions.handle(now, Layer::Request { id, flow, request });
        true
    }

    fn proven_change(&mut self, key: Key, refusal: &Message) -> Option<Message> {
        let outside = (key.1 == Side::Outside).then_some(key.0);
        let account = self.outbound.account(self.target_at(key).or(outside)?)?;
        let sent = self.changes.legs.get(&key)?.sent.as_ref().filter(|sent| !sent.is_answered && !sent.has_proved)?;
        let request = sent.request.clone();
        let number = self.dialog_with(key)?.next_number();
        let next = request.edit().set("CSeq", format!("{number} {}", request.method().as_str())).build();
        account.prove(&next, refusal, &mut self.random)
    }
}

/// An ACK carries the proof of its INVITE: it cannot be challenged itself (RFC 3261 §22.1).
pub(super) fn proofs_of(invite: &Message, ack: RequestBuilder) -> RequestBuilder {
    let proofs = ["Authorization", "Proxy-Authorization"];
    let proofs = proofs.into_iter().filter_map(|name| Some((name, invite.header(name)?)));
    proofs.fold(ack, |ack, (name, proof)| ack.header(name, proof))
}
