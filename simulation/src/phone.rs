//! A simulated phone: the real agent, an operating system that may kill it, and somebody who holds it.

use std::collections::BTreeSet;

use callfield_domain::{CallId, DeviceId, Random, TenantId, Timestamp, UserId};
use callfield_sip::agent::{Agent, Identity};
use callfield_sip::switchboard::DeviceIdentity;

/// What a user does about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Answers.
    Answer,
    /// Declines.
    Decline,
    /// Holds the call.
    Hold,
    /// Resumes it.
    Resume,
    /// Hangs up.
    HangUp,
}

/// A simulated phone.
pub struct Phone {
    /// Whose device it is, as its token says.
    pub device: DeviceIdentity,
    /// The app.
    pub agent: Agent,
    /// How often the app was started.
    pub life: u32,
    /// Whether the app has a push token.
    pub has_push: bool,
    /// The stream the app uses.
    pub stream: Option<u64>,
    /// Until when the operating system lets the app do nothing.
    pub suspended_until: Timestamp,
    /// The calls that somebody has already looked at, by the life of the app.
    pub seen: BTreeSet<(CallId, u32)>,
    identity: Identity,
}

impl Phone {
    /// A phone that is asleep.
    pub fn new(
        number: usize,
        domain: &str,
        tenant: TenantId,
        user: UserId,
        random: &mut Random,
        now: Timestamp,
    ) -> Self {
        let device = DeviceIdentity { tenant, user, device: DeviceId::new(now, random) };
        let identity = Identity { domain: domain.to_owned(), user, device: device.device };
        let agent = start(&identity, random, now);
        // The first phone can always be reached by push.
        let has_push = number == 0 || random.chance(80);
        let (stream, seen) = (None, BTreeSet::new());
        Self { device, agent, life: 0, has_push, stream, suspended_until: now, seen, identity }
    }

    /// The app is killed and, whenever something wants it, starts anew knowing nothing.
    pub fn restart(&mut self, random: &mut Random, now: Timestamp) {
        self.agent = start(&self.identity, random, now);
        self.life += 1;
        self.stream = None;
        self.suspended_until = now;
    }

    /// The app's earliest deadline; a suspended app comes too late.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.agent.poll_timeout().map(|(at, _)| at.max(self.suspended_until))
    }
}

fn start(identity: &Identity, random: &mut Random, now: Timestamp) -> Agent {
    Agent::new(identity, random.seed(), now).expect("the domain of the world is a host name")
}
