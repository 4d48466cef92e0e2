//! The registrations at trunks: who is registered where, and which calls come on them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use callfield_domain::{TenantId, Timestamp, TrunkId};

use super::trunk_registration::{Action, Event, RegisteringTrunk, RegistrationState, TrunkRegistration};
use super::{Alarm, Output, Switchboard, Why};
use crate::message::Message;
use crate::transaction::{ClientId, Ended, Flow, Input as Layer};

/// Names a registration; a trunk that is changed gets another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RegistrationId(u64);

/// The registrations of one node, those that are being removed too.
#[derive(Default)]
pub(super) struct Registrations {
    last: RegistrationId,
    live: BTreeMap<RegistrationId, TrunkRegistration>,
    /// The REGISTER whose answer counts.
    asked: BTreeMap<ClientId, RegistrationId>,
}

impl Registrations {
    /// The trunk, and whose it is, on whose registration a call to this user came from there.
    pub(super) fn called(&self, user: &str, source: SocketAddr) -> Option<(TenantId, TrunkId)> {
        let found = self.live.values().find(|registration| registration.is_called(user, source))?;
        Some((found.trunk().tenant, found.trunk().trunk))
    }

    fn holds(&self, trunk: &RegisteringTrunk) -> bool {
        self.live.values().any(|registration| registration.is_wanted() && registration.trunk() == trunk)
    }
}

impl Switchboard {
    /// These trunks, and no others, are to be registered at.
    pub(super) fn register_at(&mut self, now: Timestamp, wanted: Vec<RegisteringTrunk>) {
        let live = self.registrations.live.iter();
        let unwanted = live.filter(|(_, held)| held.is_wanted() && !wanted.contains(held.trunk()));
        let unwanted: Vec<RegistrationId> = unwanted.map(|(id, _)| *id).collect();
        for id in unwanted {
            self.tell_registration(now, id, Event::Removed);
        }
        for trunk in wanted {
            if !self.registrations.holds(&trunk) {
                self.begin_registration(now, trunk);
            }
        }
    }

    fn begin_registration(&mut self, now: Timestamp, trunk: RegisteringTrunk) {
        let name = trunk.trunk;
        let seed = self.random.seed();
        let Ok(registration) = TrunkRegistration::new(trunk, &self.settings.udp_address, seed, now) else {
            self.count("trunk_unusable");
            let state = RegistrationState::Failing { since: now, status: 400 };
            return self.outputs.push_back(Output::TrunkRegistration { trunk: name, state });
        };
        self.registrations.last.0 += 1;
        let id = self.registrations.last;
        self.registrations.live.insert(id, registration);
        self.act_on_registration(now, id);
    }

    pub(super) fn wake_registration(&mut self, now: Timestamp, id: RegistrationId) {
        if let Some(registration) = self.registrations.live.get_mut(&id) {
            registration.handle_timeout(now);
        }
        self.act_on_registration(now, id);
    }

    /// Takes in an answer; `false` if it is to no REGISTER.
    pub(super) fn take_registration_answer(&mut self, now: Timestamp, client: ClientId, answer: &Message) -> bool {
        let Some(id) = self.registrations.asked.get(&client).copied() else { return false };
        if answer.status().is_some_and(|status| status >= 200) {
            self.registrations.asked.remove(&client);
            self.tell_registration(now, id, Event::Answered(answer.detached()));
        }
        true
    }

    /// A REGISTER is over; `false` if it was none that still counts.
    pub(super) fn end_registration_request(&mut self, now: Timestamp, client: ClientId, ended: Ended) -> bool {
        let Some(id) = self.registrations.asked.remove(&client) else { return false };
        let status = match ended {
            Ended::Done | Ended::NoAck | Ended::Timeout => 408,
            Ended::FlowFailed | Ended::Full => 503,
        };
        self.tell_registration(now, id, Event::Lost(status));
        true
    }

    fn tell_registration(&mut self, now: Timestamp, id: RegistrationId, event: Event) {
        if let Some(registration) = self.registrations.live.get_mut(&id) {
            registration.handle(now, event);
        }
        self.act_on_registration(now, id);
    }

    fn act_on_registration(&mut self, now: Timestamp, id: RegistrationId) {
        while let Some((trunk, action)) = self.next_action(id) {
            match action {
                Action::Register { to, request } => {
                    let client = self.new_client();
                    self.registrations.asked.retain(|_, asking| *asking != id);
                    self.registrations.asked.insert(client, id);
                    self.transactions.handle(now, Layer::Request { id: client, flow: Flow::Udp(to), request });
                }
                Action::Changed(state) => self.outputs.push_back(Output::TrunkRegistration { trunk, state }),
            }
        }
        let Some(registration) = self.registrations.live.get(&id) else { return };
        let due = registration.poll_timeout().map(|at| (at, Why::TrunkRegister(registration.trunk().trunk)));
        let is_gone = registration.is_gone();
        self.agenda.set(Alarm::Registration(id), due);
        if is_gone {
            self.registrations.live.remove(&id);
        }
    }

    fn next_action(&mut self, id: RegistrationId) -> Option<(TrunkId, Action)> {
        let registration = self.registrations.live.get_mut(&id)?;
        let action = registration.poll_output()?;
        Some((registration.trunk().trunk, action))
    }
}
