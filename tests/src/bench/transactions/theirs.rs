//! The layer of sipx-sip, with the clock of each transaction that its driver has to keep.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result, bail};
use sipx_sip::transaction::{Dispatch, Output, Reliability, Timer, Timers, TransactionKey, TransactionLayer, TuEvent};
use sipx_sip::{HeaderName, Limits, ResponseBuilder, StatusCode, parse_datagram};

use super::{Request, Store};

pub(super) struct Theirs {
    layer: TransactionLayer,
    now_ms: i64,
    /// When which transaction's absorbing timer runs out; the others are of no account here.
    ends: BTreeMap<i64, VecDeque<(TransactionKey, Timer)>>,
}

impl Theirs {
    pub(super) fn new() -> Self {
        Self { layer: TransactionLayer::new(Timers::default()), now_ms: 0, ends: BTreeMap::new() }
    }

    fn keep_clock(&mut self, key: &TransactionKey, outputs: &[Output]) {
        for output in outputs {
            if let Output::SetTimer { timer: timer @ Timer::J, after } = output {
                let at = self.now_ms + i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
                self.ends.entry(at).or_default().push_back((key.clone(), *timer));
            }
        }
    }

    fn end_what_is_due(&mut self) {
        while let Some(due) = self.ends.first_entry().filter(|due| *due.key() <= self.now_ms) {
            for (key, timer) in due.remove() {
                self.layer.on_timer(&key, timer);
            }
        }
    }
}

impl Store for Theirs {
    fn take(&mut self, request: &Request) -> Result<()> {
        self.now_ms = request.at_ms();
        self.end_what_is_due();
        let message = parse_datagram(request.text.clone().into(), &Limits::datagram())?;
        let Dispatch::Created { key, outputs } = self.layer.receive(message, Reliability::Unreliable) else {
            bail!("request {} was not seen", request.number)
        };
        let seen = outputs.iter().find_map(|output| {
            let Output::ToTu(event) = output else { return None };
            let TuEvent::Request(request) = event.as_ref() else { return None };
            Some(request)
        });
        let (status, reason) = if request.is_invite() { (180, "Ringing") } else { (200, "OK") };
        let status = StatusCode::new(status).context("a status")?;
        let response = ResponseBuilder::to_request(seen.context("a request")?, status, reason)?
            .header(HeaderName::Contact, "<sip:192.0.2.20>")?
            .build();
        let answered = self.layer.send_response(&key, response);
        self.keep_clock(&key, &outputs);
        self.keep_clock(&key, &answered);
        Ok(())
    }

    fn len(&self) -> usize {
        let (clients, servers) = self.layer.len();
        clients + servers
    }
}
