//! What two ends agree on between INVITE and BYE (RFC 3261 §12).
//!
//! A [`Dialog`] is one end's view: who speaks to whom under which tags, where the next request goes and which number it
//! has. It sends nothing; [`Dialog::request`] starts the messages that others send.

use crate::message::{Message, Method, NameAddr, RequestBuilder};
use crate::uri::Uri;

/// A dialog as one of its two ends sees it.
#[derive(Debug, Clone)]
pub struct Dialog {
    call_id: String,
    local: NameAddr,
    remote: NameAddr,
    target: Uri,
    routes: Vec<NameAddr>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
}

/// Why a request does not fit a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// It belongs to another dialog: 481.
    #[error("the request belongs to another dialog")]
    Stranger,
    /// Its CSeq is lower than one seen before: 500 (RFC 3261 §12.2.2).
    #[error("the request comes too late")]
    OutOfOrder,
}

impl Dialog {
    /// The view of the end that sent `request`, from a response with a To tag that creates a dialog (§12.1.2).
    pub fn of_caller(request: &Message, response: &Message) -> Option<Self> {
        response.to().tag()?;
        let mut routes: Vec<NameAddr> = response.record_routes().map(|route| route.detached()).collect();
        routes.reverse();
        Some(Self {
            call_id: request.call_id().to_owned(),
            local: request.from().detached(),
            remote: response.to().detached(),
            target: target_of(response).or_else(|| request.request_uri())?.detached(),
            routes,
            local_cseq: request.cseq().number,
            remote_cseq: None,
        })
    }

    /// The view of the end that received `request` and answers it with `tag` (§12.1.1).
    pub fn of_callee(request: &Message, tag: &str) -> Option<Self> {
        let local = request.to();
        Some(Self {
            call_id: request.call_id().to_owned(),
            local: if local.tag().is_some() { local.detached() } else { local.with_tag(tag) },
            remote: request.from().detached(),
            target: target_of(request)?.detached(),
            routes: request.record_routes().map(|route| route.detached()).collect(),
            local_cseq: 0,
            remote_cseq: Some(request.cseq().number),
        })
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// The tag of this end.
    pub fn local_tag(&self) -> &str {
        self.local.tag().unwrap_or_default()
    }

    /// The tag of the other end; empty if it is older than RFC 3261.
    pub fn remote_tag(&self) -> &str {
        self.remote.tag().unwrap_or_default()
    }

    /// Whether a request from the other end belongs to this dialog.
    pub fn holds(&self, request: &Message) -> bool {
        request.call_id() == self.call_id
            && request.to().tag() == Some(self.local_tag())
            && request.from().tag().unwrap_or_default() == self.remote_tag()
    }

    /// Takes in a request from the other end: its number must not go back, and its Contact may move the target.
    ///
    /// # Errors
    /// When the request is of another dialog or comes too late.
    pub fn take_in(&mut self, request: &Message) -> Result<(), DialogError> {
        if !self.holds(request) {
            return Err(DialogError::Stranger);
        }
        let number = request.cseq().number;
        if self.remote_cseq.is_some_and(|last| number < last) {
            return Err(DialogError::OutOfOrder);
        }
        self.remote_cseq = Some(number);
        if matches!(request.method(), Method::Invite | Method::Update) {
            self.refresh_target(request);
        }
        Ok(())
    }

    /// Takes the remote target from the Contact of a target refresh (§12.2).
    pub fn refresh_target(&mut self, message: &Message) {
        if let Some(target) = target_of(message) {
            self.target = target.detached();
        }
    }

    /// Where the next request goes first: the topmost route, or else the remote target.
    pub fn next_hop(&self) -> Uri {
        self.routes.first().and_then(|route| route.uri().ok()).unwrap_or_else(|| self.target.clone())
    }

    /// The number of the next request, for one that is sent again with it.
    pub fn next_number(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// Starts the next request: Request-URI, Route, From, To, Call-ID and a new CSeq are those of the dialog (§12.2.1.1).
    pub fn request(&mut self, method: Method) -> RequestBuilder {
        let number = self.next_number();
        self.numbered(method, number)
    }

    /// Starts the ACK of a 2xx: it has the number of its INVITE (§13.2.2.4).
    pub fn ack(&self, invite: &Message) -> RequestBuilder {
        self.numbered(Method::Ack, invite.cseq().number)
    }

    fn numbered(&self, method: Method, number: u32) -> RequestBuilder {
        let is_strict = self.routes.first().is_some_and(|route| route.uri().is_ok_and(|uri| !uri.params().has("lr")));
        let (uri, routes) = if is_strict { self.strict_route() } else { (self.target.clone(), self.routes.clone()) };
        let start = RequestBuilder::new(method, &uri);
        let start = routes.iter().fold(start, |start, route| start.header("Route", route));
        start.from(&self.local).to(&self.remote).call_id(&self.call_id).cseq(number)
    }

    /// A first hop without `lr` wants to be the Request-URI, and the target at the end of the route (§12.2.1.1).
    fn strict_route(&self) -> (Uri, Vec<NameAddr>) {
        let first = self.routes.first().and_then(|route| route.uri().ok());
        let last = NameAddr::new(None, &self.target);
        let rest = self.routes.iter().skip(1).cloned().chain([last]).collect();
        (first.unwrap_or_else(|| self.target.clone()), rest)
    }
}

fn target_of(message: &Message) -> Option<Uri> {
    message.contacts().next()?.uri().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Verdict, parse};

    fn message(text: &str) -> Message {
        let verdict = parse(text.replace('\n', "\r\n").into());
        let Verdict::Ok(message) = verdict else { panic!("{verdict:?}") };
        message
    }

    fn invite() -> Message {
        message(
            "INVITE sip:bob@b.test SIP/2.0\nVia: SIP/2.0/UDP a.test;branch=z9hG4bK1\nMax-Forwards: 70\n\
             Record-Route: <sip:p2.test;lr>, <sip:p1.test;lr>\nFrom: <sip:alice@a.test>;tag=a\nTo: <sip:bob@b.test>\n\
             Call-ID: c\nCSeq: 7 INVITE\nContact: <sip:alice@192.0.2.1>\nContent-Length: 0\n\n",
        )
    }

    fn answer(routes: &str) -> Message {
        message(&format!(
            "SIP/2.0 200 OK\nVia: SIP/2.0/UDP a.test;branch=z9hG4bK1\n{routes}From: <sip:alice@a.test>;tag=a\n\
             To: <sip:bob@b.test>;tag=b\nCall-ID: c\nCSeq: 7 INVITE\nContact: <sip:bob@192.0.2.2>\nContent-Length: 0\n\n",
        ))
    }

    fn bye(cseq: u32, to_tag: &str) -> Message {
        message(&format!(
            "BYE sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP a.test;branch=z9hG4bK2\nMax-Forwards: 70\n\
             From: <sip:alice@a.test>;tag=a\nTo: <sip:bob@b.test>;tag={to_tag}\nCall-ID: c\nCSeq: {cseq} BYE\n\
             Content-Length: 0\n\n",
        ))
    }

    #[test]
    fn the_callee_sends_its_requests_back_the_way_the_invite_came() {
        let mut dialog = Dialog::of_callee(&invite(), "b").unwrap();
        assert_eq!(dialog.next_hop().as_str(), "sip:p2.test;lr");
        insta::assert_snapshot!(dialog.request(Method::Bye).build().to_string().replace('\r', ""), @r"
        BYE sip:alice@192.0.2.1 SIP/2.0
        Route: <sip:p2.test;lr>
        Route: <sip:p1.test;lr>
        From: <sip:bob@b.test>;tag=b
        To: <sip:alice@a.test>;tag=a
        Call-ID: c
        CSeq: 1 BYE
        Max-Forwards: 70
        Content-Length: 0
        ");
    }

    #[test]
    fn the_caller_turns_the_recorded_route_round_and_acknowledges_with_the_number_of_its_invite() {
        let response = answer("Record-Route: <sip:p2.test;lr>, <sip:p1.test;lr>\n");
        let mut dialog = Dialog::of_caller(&invite(), &response).unwrap();
        let ack = dialog.ack(&invite()).build();
        assert_eq!((ack.cseq().number, ack.request_uri_text()), (7, "sip:bob@192.0.2.2"));
        let routes: Vec<String> = ack.routes().map(|route| route.to_string()).collect();
        assert_eq!(routes, ["<sip:p1.test;lr>", "<sip:p2.test;lr>"]);
        assert_eq!(dialog.request(Method::Bye).build().cseq().number, 8);
    }

    #[test]
    fn a_strict_router_gets_itself_as_request_uri() {
        let mut dialog = Dialog::of_caller(&invite(), &answer("Record-Route: <sip:p1.test>\n")).unwrap();
        let bye = dialog.request(Method::Bye).build();
        assert_eq!(bye.request_uri_text(), "sip:p1.test");
        assert_eq!(bye.header("Route"), Some("<sip:bob@192.0.2.2>"));
    }

    #[test]
    fn a_request_with_another_tag_or_an_old_number_is_refused() {
        let mut dialog = Dialog::of_callee(&invite(), "b").unwrap();
        assert_eq!(dialog.take_in(&bye(8, "x")), Err(DialogError::Stranger));
        assert_eq!(dialog.take_in(&bye(8, "b")), Ok(()));
        assert_eq!(dialog.take_in(&bye(7, "b")), Err(DialogError::OutOfOrder));
    }

    #[test]
    fn a_response_without_tag_makes_no_dialog() {
        let trying = invite().response(100, "Trying").build();
        assert!(Dialog::of_caller(&invite(), &trying).is_none());
    }
}
