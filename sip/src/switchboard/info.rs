//! INFO in calls that talk: keys that are pressed (DTMF) go on to the other end, anything else ends here.
//!
//! Most legs send keys with their audio (RFC 4733), which the relay passes on; some older ones send them as INFO.

use callfield_domain::Timestamp;

use super::changes::{Arrival, Key};
use super::{Side, Switchboard};
use crate::message::{Message, Method};
use crate::transaction::Input as Layer;

/// The bodies that are keys.
const KEYS: &[&str] = &["application/dtmf-relay", "application/dtmf"];
/// The longest body of one key.
const KEY_BYTES_MAX: usize = 256;

impl Switchboard {
    /// Takes in an INFO of a leg; `None` if it belongs to none.
    pub(super) fn take_info(&mut self, now: Timestamp, leg: Option<Key>, arrival: Arrival, info: &Message) {
        let Some(key) = leg else { return self.refuse_change(now, arrival, info, 481) };
        self.refuse_change(now, arrival, info, 200);
        if !self.pass_key_on(now, (key.0, key.1.other()), info) {
            self.count("info_ignored");
        }
    }

    /// The leg of a trunk or a desk phone that a request in a dialog belongs to.
    pub(super) fn leg_of(&mut self, request: &Message) -> Option<Key> {
        let far = self.far_dialog(request).map(|call| self.side_of_far(call));
        far.or_else(|| self.dialog_of(request).map(|call| (call, Side::Outside))).or_else(|| self.desk_leg(request))
    }

    fn pass_key_on(&mut self, now: Timestamp, to: Key, info: &Message) -> bool {
        let kind = KEYS.iter().find(|kind| info.has_content_type(kind));
        let is_small = (1..=KEY_BYTES_MAX).contains(&info.body().len());
        let (Some(kind), true) = (kind, is_small && self.is_changeable(to) && self.is_confirmed(to)) else {
            return false;
        };
        let Some(start) = self.dialog_with(to).map(|dialog| dialog.request(Method::Info)) else { return false };
        let request = self.with_via(to, start).body(kind, info.body()).build();
        match self.flow_to(to) {
            Some(flow) => {
                let id = self.new_client();
                self.transactions.handle(now, Layer::Request { id, flow, request });
            }
            None => self.transmit_to_device_of(to, Some(request.as_bytes().clone())),
        }
        true
    }
}
