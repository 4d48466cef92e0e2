//! Stories of one registration, told in REGISTERs and answers.

use super::*;
use crate::digest::{Algorithm, Login, Verifier};

struct Story {
    registration: TrunkRegistration,
    now: Timestamp,
    sent: Vec<(SocketAddr, Message)>,
    states: Vec<RegistrationState>,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Story {
    fn of(addresses: &[&str]) -> Self {
        let (now, mut random) = (Timestamp::from_millis(1_000), Random::new(Seed::from_number(4)));
        let trunk = RegisteringTrunk {
            trunk: TrunkId::new(now, &mut random),
            tenant: TenantId::new(now, &mut random),
            addresses: addresses.iter().map(|text| address(text)).collect(),
            user: "0350001000".to_owned(),
            account: TrunkAccount { login: Login::new("desk", "secret"), realm: None },
        };
        let registration = TrunkRegistration::new(trunk, "192.0.2.1:5060", random.seed(), now).unwrap();
        let mut story = Self { registration, now, sent: Vec::new(), states: Vec::new() };
        story.drain();
        story
    }

    fn drain(&mut self) {
        while let Some(action) = self.registration.poll_output() {
            match action {
                Action::Register { to, request } => self.sent.push((to, request)),
                Action::Changed(state) => self.states.push(state),
            }
        }
    }

    fn tell(&mut self, event: Event) {
        self.registration.handle(self.now, event);
        self.drain();
    }

    fn answered(&mut self, status: u16, headers: &[(&str, &str)]) {
        let response = self.last().1.response(status, "X").to_tag("r");
        let response = headers.iter().fold(response, |response, (name, value)| response.header(name, value));
        self.tell(Event::Answered(response.build()));
    }

    fn challenged(&mut self) {
        let challenge =
            Verifier::new("pbx", &[Algorithm::Md5], Seed::from_number(3)).challenges(self.now, false).remove(0);
        self.answered(401, &[("WWW-Authenticate", &challenge)]);
    }

    /// Waits for the next deadline and says how long that was.
    fn wait(&mut self) -> f64 {
        let at = self.registration.poll_timeout().unwrap();
        let waited = at.since(self.now).as_secs_f64();
        self.now = at;
        self.registration.handle_timeout(at);
        self.drain();
        waited
    }

    fn last(&self) -> &(SocketAddr, Message) {
        self.sent.last().unwrap()
    }
}

#[test]
fn the_first_register_names_the_account_and_a_contact_that_nobody_can_guess() {
    let story = Story::of(&["192.0.2.9:5060"]);
    let (to, register) = story.last();
    assert_eq!(*to, address("192.0.2.9:5060"));
    assert_eq!(register.request_uri_text(), "sip:192.0.2.9:5060");
    assert_eq!(register.to().uri_text(), "sip:0350001000@192.0.2.9:5060");
    let contact = register.contacts().next().unwrap().uri().unwrap();
    assert_eq!((contact.host(), contact.port()), ("192.0.2.1", Some(5060)));
    let user = contact.user().unwrap();
    assert!(user.len() >= 20);
    assert!(story.registration.is_called(user, address("192.0.2.9:40000")));
    assert!(!story.registration.is_called(user, address("192.0.2.10:5060")));
    assert!(!story.registration.is_called("0350001000", address("192.0.2.9:5060")));
}

#[test]
fn a_challenge_is_answered_once_with_the_next_number_of_the_same_dialog() {
    let mut story = Story::of(&["192.0.2.9:5060"]);
    story.challenged();
    let [(_, first), (_, second)] = story.sent.as_slice() else { panic!("{:?}", story.sent) };
    assert_eq!((second.call_id(), second.from().tag()), (first.call_id(), first.from().tag()));
    assert_eq!((first.cseq().number, second.cseq().number), (1, 2));
    assert!(second.header("Authorization").unwrap().contains("username=\"desk\""));
    story.challenged();
    assert_eq!(story.sent.len(), 2);
    assert_eq!(story.states, [RegistrationState::Failing { since: story.now, status: 401 }]);
    assert!(story.wait() >= 30.0, "a wrong password is not tried often");
}

#[test]
fn a_registration_is_refreshed_at_80_to_90_percent_of_what_was_granted() {
    let mut story = Story::of(&["192.0.2.9:5060"]);
    let since = story.now;
    for granted in [600, 100, 3_600] {
        let contact = format!("{};expires={granted}", story.last().1.contacts().next().unwrap());
        story.answered(200, &[("Contact", "<sip:other@192.0.2.5>;expires=7"), ("Contact", &contact), ("Expires", "9")]);
        let share = story.wait() / f64::from(granted);
        assert!((0.8..=0.9).contains(&share), "{share}");
    }
    story.answered(200, &[("Expires", "100")]);
    assert!((80.0..=90.0).contains(&story.wait()));
    assert_eq!(story.states, [RegistrationState::Registered { at: address("192.0.2.9:5060"), since }], "told once");
}

#[test]
fn a_trunk_that_wants_longer_registrations_gets_them() {
    let mut story = Story::of(&["192.0.2.9:5060"]);
    story.answered(423, &[("Min-Expires", "1800")]);
    assert_eq!(story.last().1.header("Expires"), Some("1800"));
    story.answered(423, &[("Min-Expires", "1800")]);
    assert_eq!(story.sent.len(), 2, "asked for again it is a failure");
}

#[test]
fn failures_are_spaced_out_with_jitter_up_to_five_minutes() {
    let mut story = Story::of(&["192.0.2.9:5060"]);
    let since = story.now;
    for expected in [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0] {
        story.tell(Event::Lost(408));
        let waited = story.wait() / expected;
        assert!((0.5..=1.5).contains(&waited), "{waited} of {expected}");
    }
    assert_eq!(story.states, [RegistrationState::Failing { since, status: 408 }], "one state while nothing changes");
    story.answered(200, &[]);
    story.wait();
    story.answered(503, &[]);
    assert!(story.wait() <= 7.5, "after a success it begins anew");
}

#[test]
fn the_next_address_is_asked_at_once_and_the_pause_comes_after_the_last() {
    let mut story = Story::of(&["192.0.2.9:5060", "192.0.2.10:5060"]);
    story.tell(Event::Lost(408));
    assert_eq!(story.last().0, address("192.0.2.10:5060"));
    story.answered(200, &[]);
    let state = RegistrationState::Registered { at: address("192.0.2.10:5060"), since: story.now };
    assert_eq!(story.states.last(), Some(&state));
    story.wait();
    assert_eq!(story.last().0, address("192.0.2.10:5060"), "what works is kept");
    story.tell(Event::Lost(408));
    assert_eq!(story.last().0, address("192.0.2.9:5060"));
    story.tell(Event::Lost(408));
    assert_eq!(story.sent.len(), 4);
    assert!(story.wait() >= 2.5);
}

#[test]
fn a_trunk_that_is_removed_is_told_so() {
    let mut story = Story::of(&["192.0.2.9:5060"]);
    story.answered(200, &[]);
    story.tell(Event::Removed);
    assert_eq!(story.last().1.header("Expires"), Some("0"));
    story.challenged();
    assert_eq!(story.last().1.header("Expires"), Some("0"));
    assert!(story.last().1.header("Authorization").is_some());
    story.answered(200, &[]);
    assert!(story.registration.is_gone() && story.registration.poll_timeout().is_none());
    let user = story.last().1.contacts().next().unwrap().uri().unwrap().user().unwrap().to_owned();
    assert!(!story.registration.is_called(&user, address("192.0.2.9:5060")));
}
