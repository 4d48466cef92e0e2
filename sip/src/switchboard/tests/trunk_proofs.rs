//! Stories of trunks that want proof before they take a call (RFC 3261 §22).

use callfield_domain::Outcome;

use super::outbound::{ended, hop, id, plan};
use super::*;
use crate::agent::EndReason;
use crate::digest::{Algorithm, Check, Credentials, Ha1, Login, Signed, Verifier};

/// What a trunk knows of the company.
struct Guard(Verifier);

impl Guard {
    fn new() -> Self {
        Self(Verifier::new("pbx", &[Algorithm::Md5, Algorithm::Sha256], Seed::from_number(3)))
    }

    fn challenge(&mut self) -> String {
        self.0.challenges(at(0), false).remove(0)
    }

    /// Whether a request proves that it is the company's.
    fn lets_in(&mut self, request: &Message, header: &str) -> bool {
        let credentials = Credentials::read(request.header(header).unwrap()).unwrap();
        let stored = Ha1::new(Algorithm::Sha256, "desk", "pbx", "secret");
        Signed::of(request, |signed| self.0.verify(at(0), &credentials, signed, Some(&stored))) == Check::Accepted
    }
}

impl Story {
    /// The phone dials over a trunk at which the company has an account.
    fn dials_with_account(realm: Option<&str>) -> Self {
        let mut story = Self::new();
        let account = TrunkAccount { login: Login::new("desk", "secret"), realm: realm.map(str::to_owned) };
        story.outbound =
            OutboundDecision::Dial(DialPlan { hops: vec![Hop { account: Some(account), ..hop(TRUNK) }], ..plan() });
        story.dial_out(0);
        story
    }

    /// The far end wants proof for the last request of a method.
    fn challenged(&mut self, method: &Method, status: u16, guard: &mut Guard) {
        let name = if status == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let request = self.last(method).clone();
        self.far_answer(&request, status, "guard", &[(name, &guard.challenge())], "");
    }

    fn count(&self, method: &Method) -> usize {
        self.trunk.iter().filter(|message| message.is_request() && message.method() == method).count()
    }
}

#[test]
fn a_challenged_invite_is_sent_again_with_the_proof() {
    for (status, header) in [(401, "Authorization"), (407, "Proxy-Authorization")] {
        let (mut story, mut guard) = (Story::dials_with_account(None), Guard::new());
        let first = story.last(&Method::Invite).clone();
        assert_eq!(first.header(header), None);
        story.challenged(&Method::Invite, status, &mut guard);
        assert_eq!(story.last(&Method::Ack).to().tag(), Some("guard"));
        let second = story.last(&Method::Invite).clone();
        assert_eq!((second.call_id(), second.from().tag()), (first.call_id(), first.from().tag()));
        assert_eq!((second.cseq().number, second.to().tag(), second.body()), (2, None, first.body()));
        assert_ne!(second.top_via().unwrap().branch(), first.top_via().unwrap().branch());
        assert!(guard.lets_in(&second, header));

        story.far_end(200, "b", "v=far");
        let ack = story.last(&Method::Ack);
        assert_eq!((ack.cseq().number, ack.header(header)), (2, second.header(header)));
        story.tell_phone(0, AgentInput::HangUp { call: id() });
        assert_eq!(story.last(&Method::Bye).cseq().number, 3);
        assert_eq!(story.facts().outcome, Some(Outcome::Completed));
    }
}

#[test]
fn a_second_refusal_ends_the_call() {
    let (mut story, mut guard) = (Story::dials_with_account(None), Guard::new());
    story.challenged(&Method::Invite, 407, &mut guard);
    story.challenged(&Method::Invite, 407, &mut guard);
    assert_eq!(story.count(&Method::Invite), 2);
    assert_eq!(story.facts().outcome, Some(Outcome::Failed));
    assert_eq!(story.news(0), [&ended(EndReason::Failed)]);
}

#[test]
fn nothing_is_proved_without_an_account_or_to_a_foreign_realm() {
    for mut story in [Story::dials(0), Story::dials_with_account(Some("other"))] {
        story.challenged(&Method::Invite, 401, &mut Guard::new());
        assert_eq!(story.count(&Method::Invite), 1);
        assert_eq!(story.facts().outcome, Some(Outcome::Failed));
    }
}

#[test]
fn a_phone_that_gives_up_meanwhile_is_not_called_for_again() {
    let (mut story, mut guard) = (Story::dials_with_account(None), Guard::new());
    story.far_end(100, "", "");
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.count(&Method::Cancel), 1);
    story.challenged(&Method::Invite, 407, &mut guard);
    assert_eq!((story.count(&Method::Invite), story.facts().outcome), (1, Some(Outcome::Canceled)));
}

#[test]
fn a_proved_invite_is_taken_back_in_its_own_transaction() {
    let (mut story, mut guard) = (Story::dials_with_account(None), Guard::new());
    story.challenged(&Method::Invite, 401, &mut guard);
    story.far_end(180, "b", "");
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    let (invite, cancel) = (story.last(&Method::Invite), story.last(&Method::Cancel));
    assert_eq!(cancel.cseq().number, 2);
    assert_eq!(cancel.top_via().unwrap().branch(), invite.top_via().unwrap().branch());
}

#[test]
fn a_challenged_bye_is_proved_once_too() {
    let (mut story, mut guard) = (Story::dials_with_account(None), Guard::new());
    story.far_end(200, "b", "v=far");
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    story.challenged(&Method::Bye, 407, &mut guard);
    let bye = story.last(&Method::Bye).clone();
    assert_eq!(bye.cseq().number, 3);
    assert!(guard.lets_in(&bye, "Proxy-Authorization"));
    story.challenged(&Method::Bye, 407, &mut guard);
    assert_eq!(story.count(&Method::Bye), 2);
    story.run_until(70_000);
    let next = story.edge.poll_timeout().map(|(_, why)| why);
    assert!(matches!(next, Some(Why::BindingExpiry | Why::Forget)), "{next:?}");
}
