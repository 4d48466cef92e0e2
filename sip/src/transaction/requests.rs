//! The messages that this layer makes itself: ACK to a refusal, CANCEL, 100.

use bytes::Bytes;

use crate::message::{Message, Method, RequestBuilder};
use crate::uri::Uri;

/// The ACK to the refusal of an INVITE: its top Via, its target, the To of the answer (RFC 3261 §17.1.1.3).
pub(super) fn ack(invite: &Message, refusal: &Message) -> Option<Bytes> {
    Some(follow_up(Method::Ack, invite)?.to(&refusal.to()).build().as_bytes().clone())
}

/// The CANCEL of an INVITE: same branch, same target, same To (RFC 3261 §9.1).
pub(super) fn cancel(invite: &Message, reason: Option<&str>) -> Option<Message> {
    let mut cancel = follow_up(Method::Cancel, invite)?.to(&invite.to());
    if let Some(reason) = reason {
        cancel = cancel.header("Reason", reason);
    }
    Some(cancel.build())
}

/// The answer that says "heard you"; it has no tag.
pub(super) fn trying(invite: &Message) -> Bytes {
    invite.response(100, "Trying").build().as_bytes().clone()
}

fn follow_up(method: Method, invite: &Message) -> Option<RequestBuilder> {
    let uri: Uri = invite.request_uri()?;
    let mut request = RequestBuilder::new(method, &uri).via(&invite.top_via()?);
    for route in invite.headers("Route") {
        request = request.header("Route", route);
    }
    Some(request.from(&invite.from()).call_id(invite.call_id()).cseq(invite.cseq().number))
}
