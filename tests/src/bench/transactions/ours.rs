//! Our store.

use anyhow::{Result, bail};
use callfield_domain::{Seed, Timestamp};
use callfield_sip::message::parse;
use callfield_sip::transaction::{Flow, Input, Output, Settings, Transactions};

use super::{LIVE, Request, Store};

pub(super) struct Ours(Transactions);

impl Ours {
    pub(super) fn new() -> Self {
        let settings = Settings { sent_by: "192.0.2.20".to_owned(), limit: 4 * LIVE };
        Self(Transactions::new(settings, Seed::from_number(1)))
    }
}

impl Store for Ours {
    fn take(&mut self, request: &Request) -> Result<()> {
        let now = Timestamp::from_millis(request.at_ms());
        self.0.handle_timeout(now);
        let flow = Flow::Udp(([192, 0, 2, 10], 5060).into());
        self.0.handle(now, Input::Received { flow, verdict: parse(request.text.clone().into()) });
        let mut is_answered = false;
        while let Some(output) = self.0.poll_output() {
            let Output::Request { id, request: seen, .. } = output else { continue };
            let (status, reason) = if request.is_invite() { (180, "Ringing") } else { (200, "OK") };
            let response = seen.response(status, reason).to_tag("e1").header("Contact", "<sip:192.0.2.20>").build();
            self.0.handle(now, Input::Respond { id, response });
            is_answered = true;
        }
        if is_answered { Ok(()) } else { bail!("request {} was not seen", request.number) }
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
