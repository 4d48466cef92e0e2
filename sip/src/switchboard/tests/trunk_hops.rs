//! Stories of calls that have more than one way out.

use callfield_domain::{CallFacts, Outcome};

use super::outbound::{ended, hop, id, plan};
use super::*;
use crate::agent::EndReason;

const SECOND: &str = "192.0.2.10:5061";

impl Story {
    /// The phone dials; both trunks may take the call, the ordinary one first.
    fn dials_over_two() -> Self {
        let mut story = Self::new();
        story.may_use(&[hop(TRUNK), hop(SECOND)]);
        story.dial_out(0);
        story
    }

    fn may_use(&mut self, hops: &[Hop]) {
        self.outbound = OutboundDecision::Dial(DialPlan { hops: hops.to_vec(), ..plan() });
    }

    /// A call of a phone besides the one of the ordinary story.
    fn dials_besides(&mut self, phone: usize, number: u64) -> CallId {
        let call = CallId::new(at(0), &mut Random::new(Seed::from_number(number)));
        self.tell_phone(phone, AgentInput::Dial { call, to: "0312345678".to_owned(), sdp: "v=phone".into() });
        call
    }

    /// Where each INVITE to a trunk went, one for each transaction.
    fn tried(&self) -> Vec<String> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (message, flow) in self.trunk.iter().zip(&self.flows).filter(|(message, _)| message.is_request()) {
            let (Flow::Udp(to), name) = (flow, message.call_id().to_owned()) else { continue };
            if message.method() == &Method::Invite && !found.iter().any(|(_, known)| *known == name) {
                found.push((to.to_string(), name));
            }
        }
        found.into_iter().map(|(to, _)| to).collect()
    }

    /// The steps at the trunks as the timeline tells them.
    fn way(&self) -> Vec<(Milestone, Option<String>)> {
        let steps = self.shell.iter().filter_map(|output| {
            let Output::Timeline { event, .. } = output else { return None };
            let is_at_trunk = matches!(event.milestone, Milestone::InviteForwarded | Milestone::Declined);
            is_at_trunk.then(|| (event.milestone, event.detail.clone()))
        });
        steps.collect()
    }

    fn row_of(&self, call: CallId) -> Option<&CallFacts> {
        self.shell.iter().find_map(|output| match output {
            Output::Persist(facts) if facts.id == call => Some(facts),
            _ => None,
        })
    }
}

#[test]
fn a_trunk_that_refuses_is_followed_by_the_next_and_the_timeline_tells_which_took_the_call() {
    let mut story = Story::dials_over_two();
    let first = story.last(&Method::Invite).clone();
    story.far_end(503, "b", "");
    let second = story.last(&Method::Invite).clone();
    assert_eq!(story.tried(), [TRUNK, SECOND]);
    assert_ne!(second.call_id(), first.call_id());
    assert_eq!((second.cseq().number, second.body()), (1, first.body()));
    assert_eq!(second.request_uri_text(), "sip:+81312345678@192.0.2.10:5061;user=phone");
    assert!(story.news(0).is_empty(), "the phone waits");

    story.far_end(200, "c", "v=far");
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.last(&Method::Bye).to().tag(), Some("c"));
    assert_eq!(story.facts().outcome, Some(Outcome::Completed));
    let trunk = |address| Some(hop(address).trunk.to_string());
    let expected = [
        (Milestone::InviteForwarded, trunk(TRUNK)),
        (Milestone::Declined, Some("503".to_owned())),
        (Milestone::InviteForwarded, trunk(SECOND)),
    ];
    assert_eq!(story.way(), expected);
}

#[test]
fn the_last_trunk_that_refuses_ends_the_call() {
    let mut story = Story::dials_over_two();
    story.far_end(503, "b", "");
    story.far_end(500, "c", "");
    assert_eq!(story.news(0), [&ended(EndReason::Failed)]);
    assert_eq!((story.tried().len(), story.facts().outcome), (2, Some(Outcome::Failed)));
}

#[test]
fn a_busy_person_is_not_called_again_over_another_trunk() {
    let mut story = Story::dials_over_two();
    story.far_end(486, "b", "");
    assert_eq!(story.news(0), [&ended(EndReason::Busy)]);
    assert_eq!(story.tried(), [TRUNK]);
}

#[test]
fn a_silent_trunk_is_left_after_four_seconds_and_is_told_so_if_it_answers_after_all() {
    let mut story = Story::dials_over_two();
    let first = story.last(&Method::Invite).clone();
    story.run_until(3_900);
    assert_eq!(story.tried(), [TRUNK]);
    story.run_until(4_100);
    assert_eq!(story.tried(), [TRUNK, SECOND]);
    assert_eq!(story.way()[1], (Milestone::Declined, Some("silent".to_owned())));

    let contact = ("Contact", "<sip:+81312345678@192.0.2.9:5060>");
    for _ in 0..2 {
        story.far_answer(&first, 200, "late", &[contact], "v=far");
        assert_eq!(story.last(&Method::Ack).to().tag(), Some("late"));
    }
    let byes = |story: &Story| story.trunk.iter().filter(|message| message.method() == &Method::Bye).count();
    assert_eq!((story.last(&Method::Bye).to().tag(), byes(&story)), (Some("late"), 1));
    assert!(story.news(0).is_empty(), "the phone still waits for the other one");
    story.far_end(200, "c", "v=far");
    story.run_until(60_000);
    assert_eq!(story.edge.live_calls(), 1);
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.facts().outcome, Some(Outcome::Completed));
}

#[test]
fn a_silent_trunk_that_rings_after_it_was_left_is_cancelled() {
    let mut story = Story::dials_over_two();
    let first = story.last(&Method::Invite).clone();
    story.run_until(4_100);
    story.far_answer(&first, 180, "late", &[], "");
    assert_eq!(story.last(&Method::Cancel).call_id(), first.call_id());
    assert!(story.news(0).is_empty());
    story.far_answer(&first, 487, "late", &[], "");
    story.far_end(180, "c", "");
    assert_eq!(story.news(0), [&AgentOutput::RemoteRinging { call: id() }]);
}

#[test]
fn a_trunk_that_is_there_may_take_its_time() {
    let mut story = Story::dials_over_two();
    story.far_end(100, "", "");
    story.run_until(60_000);
    assert_eq!(story.tried(), [TRUNK]);
}

#[test]
fn a_full_trunk_is_passed_over_until_one_of_its_calls_ends() {
    let mut story = Story::awake();
    let full = Hop { max_calls: Some(1), ..hop(TRUNK) };
    story.may_use(&[full.clone(), hop(SECOND)]);
    story.dial_out(0);
    story.far_end(200, "b", "v=far");
    story.dials_besides(1, 2);
    assert_eq!(story.tried(), [TRUNK, SECOND]);
    assert!(story.way().contains(&(Milestone::Declined, Some("full".to_owned()))));
    story.far_end(486, "c", "");

    story.tell_phone(0, AgentInput::HangUp { call: id() });
    story.may_use(&[full]);
    story.dials_besides(1, 3);
    assert_eq!(story.tried(), [TRUNK, SECOND, TRUNK]);
    let third = story.dials_besides(0, 4);
    assert_eq!(story.row_of(third).and_then(|facts| facts.outcome), Some(Outcome::Failed));
    assert_eq!(story.edge.refusals().find(|(reason, _)| *reason == "trunk_full"), Some(("trunk_full", 2)));
    story.far_end(503, "d", "");
    story.dials_besides(0, 5);
    assert_eq!(story.tried().len(), 4, "a call that failed is not counted any more");
}

#[test]
fn a_phone_that_gives_up_takes_back_what_is_out() {
    let mut story = Story::dials_over_two();
    story.far_end(503, "b", "");
    story.far_end(180, "c", "");
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.last(&Method::Cancel).call_id(), story.last(&Method::Invite).call_id());
    story.far_end(487, "c", "");
    assert_eq!(story.facts().outcome, Some(Outcome::Canceled));
    story.run_until(80_000);
    let next = story.edge.poll_timeout().map(|(_, why)| why);
    assert!(matches!(next, Some(Why::BindingExpiry | Why::Forget)), "{next:?}");
}

#[test]
fn a_user_who_has_enough_calls_gets_no_further_one_until_one_ends() {
    let mut story = Story::awake();
    let caps = OutboundCaps { user_calls: 1, ..OutboundCaps::default() };
    let settings = Settings { outbound_caps: caps, ..Settings::new("phones.test", "192.0.2.1:5060") };
    story.edge.settings = settings;
    story.dial_out(0);
    let second = story.dials_besides(1, 2);
    assert_eq!(story.tried(), [TRUNK]);
    assert_eq!(story.row_of(second).and_then(|facts| facts.outcome), Some(Outcome::Blocked));
    assert_eq!(story.edge.refusals().find(|(reason, _)| *reason == "cap_user_calls"), Some(("cap_user_calls", 1)));
    story.far_end(486, "b", "");
    story.dials_besides(1, 3);
    assert_eq!(story.tried().len(), 2);
}
