//! Stories of trunks at which the edge registers.

use callfield_domain::TrunkId;

use super::*;
use crate::digest::{Algorithm, Login, Verifier};

fn provider(number: u64) -> RegisteringTrunk {
    let mut random = Random::new(Seed::from_number(number));
    RegisteringTrunk {
        trunk: TrunkId::new(at(0), &mut random),
        tenant: TenantId::new(at(0), &mut random),
        addresses: vec![TRUNK.parse().unwrap()],
        user: "0350001000".to_owned(),
        account: TrunkAccount { login: Login::new("desk", "secret"), realm: None },
    }
}

impl Story {
    fn registers(trunks: &[RegisteringTrunk]) -> Self {
        let mut story = Self::new();
        story.tell(Input::TrunksChanged { registering: trunks.to_vec() });
        story
    }

    /// The REGISTERs, each once however often it was repeated.
    fn registers_sent(&self) -> Vec<&Message> {
        let mut sent: Vec<&Message> = Vec::new();
        for message in self.trunk.iter().filter(|message| message.method() == &Method::Register) {
            let is_known = |known: &&Message| (known.call_id(), known.cseq()) == (message.call_id(), message.cseq());
            if message.is_request() && !sent.iter().any(is_known) {
                sent.push(message);
            }
        }
        sent
    }

    fn provider_answers(&mut self, register: &Message, status: u16, headers: &[(&str, &str)]) {
        self.far_answer(register, status, "r", headers, "");
    }

    fn states(&self) -> Vec<RegistrationState> {
        let states = self.shell.iter().filter_map(|output| match output {
            Output::TrunkRegistration { state, .. } => Some(*state),
            _ => None,
        });
        states.collect()
    }

    /// Somebody calls the contact of a REGISTER from somewhere.
    fn called_at(&mut self, register: &Message, source: &str) {
        let contact = register.contacts().next().unwrap();
        let text = invite("v=0\n").replace("sip:0350001000@edge.test SIP", &format!("{} SIP", contact.uri_text()));
        let flow = Flow::Udp(source.parse().unwrap());
        self.tell(Input::Received { flow, bytes: text.replace('\n', "\r\n").into() });
    }

    fn question(&self) -> &RouteQuestion {
        let asked = self.shell.iter().find_map(|output| match output {
            Output::RouteWanted(question) => Some(question),
            _ => None,
        });
        asked.unwrap()
    }
}

#[test]
fn a_trunk_that_challenges_is_registered_at_and_refreshed_in_time() {
    let mut story = Story::registers(&[provider(1)]);
    let challenge = Verifier::new("pbx", &[Algorithm::Md5], Seed::from_number(3)).challenges(at(0), false).remove(0);
    let first = story.registers_sent()[0].clone();
    story.provider_answers(&first, 401, &[("WWW-Authenticate", &challenge)]);
    let second = story.registers_sent()[1].clone();
    assert!(second.header("Authorization").is_some());
    story.provider_answers(&second, 200, &[("Expires", "100")]);
    assert_eq!(story.states(), [RegistrationState::Registered { at: TRUNK.parse().unwrap(), since: at(0) }]);
    story.run_until(79_000);
    assert_eq!(story.registers_sent().len(), 2);
    story.run_until(90_100);
    assert_eq!(story.registers_sent().len(), 3);
}

#[test]
fn a_call_on_a_registration_belongs_to_its_company_and_is_for_the_number_in_to() {
    let mut story = Story::registers(&[provider(1), provider(2)]);
    let registers: Vec<Message> = story.registers_sent().into_iter().cloned().collect();
    for register in &registers {
        story.provider_answers(register, 200, &[]);
    }
    story.called_at(&registers[1], TRUNK);
    let second = provider(2);
    assert_eq!(story.question().registration, Some((second.tenant, second.trunk)));
    assert_eq!(story.question().to, "0350001000");
}

#[test]
fn a_contact_that_is_called_from_elsewhere_is_no_registration() {
    let mut story = Story::registers(&[provider(1)]);
    let register = story.registers_sent()[0].clone();
    story.provider_answers(&register, 200, &[]);
    story.called_at(&register, "198.51.100.1:5060");
    assert_eq!(story.question().registration, None);
}

#[test]
fn a_trunk_that_never_answers_is_told_as_failing_and_asked_again() {
    let mut story = Story::registers(&[provider(1)]);
    story.run_until(32_100);
    assert_eq!(story.states(), [RegistrationState::Failing { since: at(32_000), status: 408 }]);
    let asked = story.registers_sent().len();
    story.run_until(41_000);
    assert!(story.registers_sent().len() > asked);
}

#[test]
fn only_what_changed_is_registered_anew_and_what_is_gone_is_taken_back() {
    let mut story = Story::registers(&[provider(1), provider(2)]);
    let registers: Vec<Message> = story.registers_sent().into_iter().cloned().collect();
    for register in &registers {
        story.provider_answers(register, 200, &[]);
    }
    let changed = RegisteringTrunk { user: "other".to_owned(), ..provider(2) };
    story.tell(Input::TrunksChanged { registering: vec![provider(1), changed] });
    let sent = story.registers_sent();
    let [.., taken_back, anew] = sent.as_slice() else { panic!() };
    assert_eq!(
        (sent.len(), taken_back.call_id(), taken_back.header("Expires")),
        (4, registers[1].call_id(), Some("0"))
    );
    assert!(anew.to().uri_text().contains("other"));
    let taken_back = (*taken_back).clone();
    story.provider_answers(&taken_back, 200, &[]);
    story.called_at(&taken_back, TRUNK);
    assert_eq!(story.question().registration, None);
}
