//! What a device hears of its transfer: NOTIFYs with a fragment of SIP (RFC 3515 §2.4.4).

use callfield_domain::{CallId, DeviceId, Timestamp};

use crate::dialog::Dialog;
use crate::message::{Message, Method};
use crate::switchboard::outer::reason;
use crate::switchboard::{RING_CAP, Side, Switchboard};
use crate::transaction::Input as Layer;

impl Switchboard {
    /// Tells the device that asked how far its target is.
    pub(in crate::switchboard) fn notify(&mut self, now: Timestamp, call: CallId, status: u16, is_last: bool) {
        let Some(transfer) = self.transfers.of.get(&call).filter(|transfer| !transfer.has_left) else { return };
        let (device, cseq) = (transfer.device, transfer.cseq);
        let flow = self.flow_of_desk((call, Side::Device), device);
        let contact = self.contact_for_device(flow);
        let Some(start) = self.referrer_dialog(call, device).map(|dialog| dialog.request(Method::Notify)) else {
            return;
        };
        let start = if flow.is_some() { start } else { start.header("Via", self.edge.via(&mut self.random)) };
        let state = if is_last {
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={}", RING_CAP.as_secs())
        };
        let request = start
            .header("Contact", contact)
            .header("Event", format!("refer;id={cseq}"))
            .header("Subscription-State", state)
            .body("message/sipfrag;version=2.0", format!("SIP/2.0 {status} {}\r\n", reason(status)))
            .build();
        let Some(flow) = flow else {
            let bytes = request.as_bytes().clone();
            if let Some(transfer) = self.transfers.of.get_mut(&call) {
                transfer.unheard.push(request);
            }
            return self.transmit_to(device, Some(bytes));
        };
        let id = self.new_client();
        self.transactions.handle(now, Layer::Request { id, flow, request });
    }

    /// A phone answered a NOTIFY.
    pub(in crate::switchboard) fn note_notified(&mut self, call: CallId, response: &Message) {
        if let Some(transfer) = self.transfers.of.get_mut(&call) {
            transfer.unheard.retain(|sent| sent.cseq() != response.cseq());
        }
    }

    /// Sends a phone again what it has not heard of its transfers.
    pub(in crate::switchboard) fn resume_transfers(&mut self, device: DeviceId) {
        let own = self.transfers.of.values().filter(|transfer| transfer.device == device);
        let missed: Vec<_> = own.flat_map(|transfer| &transfer.unheard).map(|sent| sent.as_bytes().clone()).collect();
        for bytes in missed {
            self.transmit_to(device, Some(bytes));
        }
    }

    fn referrer_dialog(&mut self, call: CallId, device: DeviceId) -> Option<&mut Dialog> {
        if self.outbound.contains(call) {
            return self.outbound.dialog_with(call, Side::Device);
        }
        self.inner.leg(device, call)?.dialog()
    }
}
