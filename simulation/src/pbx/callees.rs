//! People whom the PBX rings when the edge calls them.

use std::collections::BTreeMap;
use std::time::Duration;

use callfield_domain::Timestamp;
use callfield_sip::dialog::Dialog;
use callfield_sip::message::{Message, Method};
use callfield_sip::transaction::{ServerId, T1, T2};

use super::PBX;

/// 64·T1: how long an ACK is waited for.
const PATIENCE: Duration = Duration::from_secs(32);

/// Somebody who is called.
struct Callee {
    server: ServerId,
    invite: Message,
    dialog: Option<Dialog>,
    /// The 200 that has no ACK: when it goes out again, after which pause, and until when.
    unacknowledged: Option<(Timestamp, Duration, Timestamp)>,
    /// Hangs up as soon as the ACK is here (RFC 3261 §15).
    wants_to_hang_up: bool,
    is_over: bool,
}

/// Everybody whom the edge called, in that order.
#[derive(Default)]
pub(super) struct Callees {
    callees: BTreeMap<usize, Callee>,
}

impl Callees {
    /// An INVITE came; the number of who is called.
    pub(super) fn ring(&mut self, server: ServerId, invite: &Message) -> usize {
        let callee = self.callees.len();
        let ringing = Callee {
            server,
            invite: invite.detached(),
            dialog: None,
            unacknowledged: None,
            wants_to_hang_up: false,
            is_over: false,
        };
        self.callees.insert(callee, ringing);
        callee
    }

    /// An answer to the INVITE, unless the call is over: 180, a refusal, or 200.
    pub(super) fn answer(&mut self, now: Timestamp, callee: usize, status: u16) -> Option<(ServerId, Message)> {
        let found = self.callees.get_mut(&callee).filter(|found| !found.is_over && found.dialog.is_none())?;
        let tag = format!("callee{callee}");
        if status == 200 {
            found.dialog = Dialog::of_callee(&found.invite, &tag);
            // Its own numbers begin at 2, so that no re-INVITE looks like the INVITE that began a call.
            found.dialog.iter_mut().for_each(|dialog| drop(dialog.request(Method::Options)));
            found.unacknowledged = Some((now + T1, T1, now + PATIENCE));
        }
        found.is_over = status > 200;
        Some((found.server, response(&found.invite, status, &tag)))
    }

    /// The caller took the INVITE back.
    pub(super) fn cancel(&mut self, now: Timestamp, server: ServerId) -> Option<(ServerId, Message)> {
        let callee = self.callees.iter().find(|(_, callee)| callee.server == server).map(|(number, _)| *number)?;
        self.answer(now, callee, 487)
    }

    /// An ACK came; the BYE that waited for it.
    pub(super) fn acknowledge(&mut self, ack: &Message) -> Option<(usize, Message)> {
        let holds = |callee: &Callee| callee.dialog.as_ref().is_some_and(|dialog| dialog.holds(ack));
        let (number, callee) = self.callees.iter_mut().find(|(_, callee)| holds(callee))?;
        callee.unacknowledged = None;
        let number = *number;
        if callee.wants_to_hang_up { Some((number, self.hang_up(number)?)) } else { None }
    }

    /// A BYE came; the status to answer it with.
    pub(super) fn take_bye(&mut self, bye: &Message) -> Option<u16> {
        let found = self
            .callees
            .values_mut()
            .find_map(|callee| callee.dialog.as_mut()?.take_in(bye).is_ok().then_some(callee))?;
        found.is_over = true;
        found.unacknowledged = None;
        Some(200)
    }

    /// The BYE of a callee who hangs up, unless the call is over or the BYE has to wait.
    pub(super) fn hang_up(&mut self, callee: usize) -> Option<Message> {
        let found = self.callees.get_mut(&callee).filter(|found| !found.is_over)?;
        found.wants_to_hang_up = found.unacknowledged.is_some();
        if found.wants_to_hang_up {
            return None;
        }
        let bye = found.dialog.as_mut()?.request(Method::Bye).build();
        found.is_over = true;
        Some(bye)
    }

    /// The 200s that are due again; a callee whose answer nobody acknowledges gives up.
    pub(super) fn repeat(&mut self, now: Timestamp) -> Vec<(ServerId, Message)> {
        let mut due = Vec::new();
        for (number, callee) in &mut self.callees {
            let Some((at, pause, until)) = &mut callee.unacknowledged else { continue };
            if *until <= now {
                callee.unacknowledged = None;
                callee.is_over = true;
            } else if *at <= now {
                *pause = (*pause * 2).min(T2);
                *at = now + *pause;
                due.push((callee.server, response(&callee.invite, 200, &format!("callee{number}"))));
            }
        }
        due
    }

    /// When [`Self::repeat`] is due.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.callees.values().filter_map(|callee| callee.unacknowledged.map(|(at, _, until)| at.min(until))).min()
    }

    /// The dialog of a callee who talks.
    pub(super) fn dialog(&mut self, callee: usize) -> Option<&mut Dialog> {
        let found = self.callees.get_mut(&callee)?;
        found.dialog.as_mut().filter(|_| !found.is_over && found.unacknowledged.is_none())
    }

    /// The dialog that a message belongs to, unless its call is over.
    pub(super) fn dialog_of(&mut self, message: &Message) -> Option<&mut Dialog> {
        let live = self.callees.values_mut().filter(|callee| !callee.is_over);
        live.filter_map(|callee| callee.dialog.as_mut()).find(|dialog| dialog.call_id() == message.call_id())
    }

    /// The numbers of the callees who answered and still talk.
    pub(super) fn talking(&self) -> Vec<String> {
        let talking = self.callees.values().filter(|callee| callee.dialog.is_some() && !callee.is_over);
        let uris = talking.filter_map(|callee| callee.invite.request_uri());
        uris.filter_map(|uri| uri.user_decoded().map(|user| user.into_owned())).collect()
    }
}

fn response(invite: &Message, status: u16, tag: &str) -> Message {
    let start = invite.response(status, "Whatever").to_tag(tag).header("Contact", format!("<sip:callee@{PBX}>"));
    if status == 200 { start.body("application/sdp", "v=callee\r\n").build() } else { start.build() }
}
