//! Stories of foreign softphones that sleep: what they say about pushes, how they are woken and reminded.

use super::desk::{USER, account, signed};
use super::*;
use crate::digest::challenges;

const PHONE: &str = "192.0.2.60:40123";
const INSTANCE: &str = "+sip.instance=\"<urn:uuid:00000000-0000-0000-0000-000000000001>\";reg-id=1";

fn phone() -> Flow {
    Flow::Udp(PHONE.parse::<SocketAddr>().unwrap())
}

/// A Contact with these parameters in its URI, of the one installation.
fn contact(params: &str) -> String {
    format!("Contact: <sip:{USER}@10.0.0.5:5070;transport=udp{params}>;{INSTANCE}\n")
}

const FCM: &str = ";pn-provider=fcm;pn-param=project;pn-prid=dQw4w9WgXcQ:APA91b";

struct Sleeper {
    story: Story,
    cseq: u32,
    /// What the shell keeps.
    kept: Option<Installation>,
    verdict: PushVerdict,
}

impl Sleeper {
    fn new() -> Self {
        let mut story = Story::new();
        let mut random = Random::new(Seed::from_number(8));
        let settings = Settings::new("phones.test", "192.0.2.1:5060");
        let settings = Settings { push_providers: vec![PushProvider::Apns, PushProvider::Fcm], ..settings };
        story.edge = Switchboard::new(settings, random.seed(), at(0));
        story.answers = false;
        Self { story, cseq: 0, kept: None, verdict: PushVerdict::Kept }
    }

    fn device(&self) -> DeviceId {
        account(self.story.phones[0].identity, USER).unwrap().identity.device
    }

    /// Registers in two rounds; the answer to the second.
    fn register(&mut self, headers: &str) -> Message {
        self.register_from(phone(), headers)
    }

    fn register_from(&mut self, flow: Flow, headers: &str) -> Message {
        let asked = self.ask(flow, &self.request(headers));
        assert_eq!(asked.status(), Some(401));
        self.cseq += 1;
        let request = signed(&challenges(&asked)[0], &self.request(headers), USER, "secret");
        let answer = self.ask(flow, &request);
        self.cseq += 1;
        answer
    }

    fn request(&self, headers: &str) -> Message {
        let cseq = self.cseq + 1;
        let text = format!(
            "REGISTER sip:phones.test SIP/2.0\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bKs{cseq};rport\nMax-Forwards: 70\n\
             From: <sip:{USER}@phones.test>;tag=f\nTo: <sip:{USER}@phones.test>\nCall-ID: r1\nCSeq: {cseq} REGISTER\n\
             {headers}Content-Length: 0\n\n"
        );
        read(&text.replace('\n', "\r\n").into())
    }

    fn ask(&mut self, flow: Flow, request: &Message) -> Message {
        let before = self.story.trunk.len();
        self.story.tell(Input::Received { flow, bytes: request.as_bytes().clone() });
        self.answer();
        self.story.trunk[before].clone()
    }

    /// The shell answers what it was asked last.
    fn answer(&mut self) {
        while let Some(answer) = self.next_answer() {
            self.story.shell.push(Output::CloseConnection { connection: ConnectionId(0) });
            self.story.tell(answer);
        }
    }

    fn next_answer(&mut self) -> Option<Input> {
        match self.story.shell.last()?.clone() {
            Output::CredentialsWanted { login, user } => {
                let account = account(self.story.phones[0].identity, &user);
                let account = account.map(|account| Account { push: self.kept.clone(), ..account });
                Some(Input::Credentials { login, account })
            }
            Output::PushOffered { login, offer, .. } => {
                if self.verdict == PushVerdict::Kept {
                    self.kept = offer.map(|offer| offer.installation);
                }
                Some(Input::PushStored { login, verdict: self.verdict })
            }
            _ => None,
        }
    }

    fn offers(&self) -> Vec<Option<PushOffer>> {
        let offers = self.story.shell.iter().filter_map(|output| match output {
            Output::PushOffered { offer, .. } => Some(offer.clone()),
            _ => None,
        });
        offers.collect()
    }

    /// When it was reminded, in seconds since the story began, and which time it was.
    fn reminders(&mut self, until_s: i64) -> Vec<(i64, u32)> {
        let mut reminders = Vec::new();
        while let Some((due, _)) = self.story.edge.poll_timeout().filter(|(due, _)| *due <= at(until_s * 1_000)) {
            let before = self.story.shell.len();
            self.story.now = due;
            self.story.edge.handle_timeout(due);
            self.story.settle();
            reminders.extend(self.story.shell[before..].iter().filter_map(|output| match output {
                Output::RefreshWanted { attempt, .. } => Some((due.since(at(0)).as_secs() as i64, *attempt)),
                _ => None,
            }));
        }
        self.story.now = at(until_s * 1_000);
        reminders
    }

    /// A customer calls; the softphone is the only device.
    fn dial(&mut self) -> CallId {
        self.story.dial();
        let (call, device) = (self.story.call(), self.device());
        let Decision::Ring(mut plan) = self.story.ring() else { unreachable!() };
        plan.targets = vec![Target { device, has_push: self.kept.is_some() }];
        self.story.tell(Input::Routed { call, decision: Decision::Ring(plan) });
        self.offer_branch();
        call
    }

    fn offer_branch(&mut self) {
        let (call, device) = (self.story.call(), self.device());
        if self.story.shell.iter().any(|output| matches!(output, Output::BranchOfferWanted { .. })) {
            self.story.tell(Input::BranchOffered { call, device, sdp: Some("v=offer".into()) });
        }
    }

    fn wakes(&self) -> usize {
        self.story.shell.iter().filter(|output| matches!(output, Output::Wake(_))).count()
    }

    fn invites(&self) -> Vec<&Message> {
        let is_invite = |message: &&Message| message.is_request() && message.method() == &Method::Invite;
        self.story.trunk.iter().filter(is_invite).collect()
    }
}

fn offer_of(params: &str) -> Option<PushOffer> {
    let mut sleeper = Sleeper::new();
    let answer = sleeper.register(&contact(params));
    let offer = sleeper.offers().into_iter().next().flatten();
    assert_eq!(answer.status() == Some(200), offer.is_some(), "{params}: {answer:?}");
    offer
}

#[test]
fn the_parameters_of_rfc_8599_are_kept_and_the_indicator_tells_that_they_are() {
    let mut sleeper = Sleeper::new();
    let answer = sleeper.register(&contact(FCM));
    assert_eq!((answer.status(), answer.header("Feature-Caps")), (Some(200), Some("*;+sip.pns=\"fcm\"")));
    let offer = sleeper.offers()[0].clone().unwrap();
    assert_eq!((offer.provider, offer.app.as_str()), (PushProvider::Fcm, "project"));
    assert_eq!(offer.wake_token.as_deref(), Some("dQw4w9WgXcQ:APA91b"));
    assert_eq!(offer.installation.reg_id, 1);
    assert!(offer.installation.instance.contains("000000000001"));
    let registered = answer.contacts().next().unwrap();
    assert_eq!(registered.param("expires"), Some("3600"), "one that sleeps need not keep the way to it open");

    let offer = offer_of(";pn-provider=apns;pn-param=TEAM123456.app.example.phone.voip;pn-prid=AB12").unwrap();
    assert_eq!((offer.team.as_deref(), offer.app.as_str()), (Some("TEAM123456"), "app.example.phone"));
    assert_eq!((offer.wake_token.as_deref(), offer.quiet_token), (Some("AB12"), None));
}

#[test]
fn linphones_two_tokens_and_the_parameters_before_the_rfc_are_understood() {
    for prid in ["AA:remote&BB:voip", "AA%3Aremote&BB%3Avoip", "BB:voip&AA:remote"] {
        let params = format!(";pn-prid={prid};pn-provider=apns;pn-param=TEAM123456.org.linphone.phone.remote&voip");
        let offer = offer_of(&params).unwrap();
        assert_eq!((offer.provider, offer.app.as_str()), (PushProvider::Apns, "org.linphone.phone"));
        let tokens = (offer.wake_token.as_deref(), offer.quiet_token.as_deref());
        assert_eq!(tokens, (Some("BB"), Some("AA")), "{prid}");
    }
    let old = ";app-id=org.linphone.phone.voip.prod;pn-type=apple;pn-tok=CC;pn-msg-str=IM_MSG;pn-call-str=IC_MSG";
    let offer = offer_of(old).unwrap();
    assert_eq!((offer.provider, offer.app.as_str()), (PushProvider::Apns, "org.linphone.phone"));
    assert_eq!((offer.wake_token.as_deref(), offer.team), (Some("CC"), None));
    let old = offer_of(";app-id=929724111839;pn-type=firebase;pn-tok=dQw:APA;pn-timeout=0;pn-silent=1").unwrap();
    assert_eq!((old.provider, old.app.as_str()), (PushProvider::Fcm, "929724111839"));
}

#[test]
fn a_service_or_an_app_without_a_sender_is_refused_with_555_and_broken_parameters_with_400() {
    let mut sleeper = Sleeper::new();
    for (params, status) in [
        (";pn-provider=webpush;pn-param=x;pn-prid=y", 555),
        (";pn-provider=apns.dev;pn-param=TEAM.app;pn-prid=AB", 555),
        (";app-id=x;pn-type=wp;pn-tok=y", 555),
        (";pn-provider=webpush", 555),
        (";pn-provider=fcm;pn-prid=y", 400),
        (";pn-provider=apns;pn-param=nodot;pn-prid=AB", 400),
        (";app-id=x;pn-tok=y", 400),
    ] {
        let answer = sleeper.register(&contact(params));
        assert_eq!(answer.status(), Some(status), "{params}");
        assert_eq!(answer.header("Feature-Caps"), None);
    }
    sleeper.verdict = PushVerdict::Unsupported;
    assert_eq!(sleeper.register(&contact(FCM)).status(), Some(555));
    sleeper.verdict = PushVerdict::Unavailable;
    assert_eq!(sleeper.register(&contact(FCM)).status(), Some(503));
    assert_eq!(sleeper.story.edge.registered_devices(), 0);
    let refused = |reason| sleeper.story.edge.refusals().find(|(name, _)| *name == reason).unwrap().1;
    assert_eq!((refused("push_unsupported"), refused("register_refused")), (5, 4));
}

#[test]
fn a_softphone_that_only_asks_is_told_what_there_is_and_not_woken() {
    let mut sleeper = Sleeper::new();
    let answer = sleeper.register(&contact(";pn-provider"));
    let told: Vec<&str> = answer.headers("Feature-Caps").collect();
    assert_eq!(told, ["*;+sip.pns=\"apns\"", "*;+sip.pns=\"fcm\""]);
    let answer = sleeper.register(&contact(";pn-provider=fcm"));
    assert_eq!((answer.status(), answer.header("Feature-Caps")), (Some(200), Some("*;+sip.pns=\"fcm\"")));
    assert_eq!(sleeper.register(&contact("")).header("Feature-Caps"), None);
    assert!(sleeper.offers().is_empty());
}

#[test]
fn the_same_installation_ends_its_pushes_and_another_one_does_not() {
    let mut sleeper = Sleeper::new();
    sleeper.register(&contact(FCM));
    sleeper.register(&contact(FCM));
    assert_eq!(sleeper.offers().len(), 1, "nothing changed");
    let other = contact("").replace("000000000001", "000000000002");
    assert_eq!(sleeper.register(&other).status(), Some(200));
    assert_eq!(sleeper.offers().len(), 1, "a desk phone of the same account is another installation");
    assert_eq!(sleeper.register(&contact("")).status(), Some(200));
    assert_eq!(sleeper.offers().last(), Some(&None), "it registers without, so it is not woken any more");
    sleeper.register(&contact(FCM));
    assert_eq!(sleeper.register(&contact(FCM).replace("reg-id=1", "reg-id=1;expires=0")).status(), Some(200));
    assert_eq!((sleeper.offers().len(), sleeper.kept.clone()), (4, None));
    assert_eq!(sleeper.story.edge.registered_devices(), 0);
}

#[test]
fn the_token_goes_nowhere_but_back_to_its_softphone() {
    let mut sleeper = Sleeper::new();
    let answer = sleeper.register(&contact(FCM));
    assert!(answer.contacts().next().unwrap().uri_text().contains("pn-prid"), "it finds its own contact");
    sleeper.dial();
    let invite = sleeper.invites()[0].clone();
    assert_eq!(invite.request_uri_text(), format!("sip:{USER}@10.0.0.5:5070;transport=udp"));
    for message in sleeper.story.trunk.iter().filter(|message| message.method() != &Method::Register) {
        let text = message.to_string();
        assert!(!text.contains("pn-") && !text.contains("APA91b"), "{text}");
    }
}

#[test]
fn a_softphone_whose_registration_is_over_is_still_woken_and_gets_the_call_that_its_push_named() {
    let mut sleeper = Sleeper::new();
    sleeper.register(&contact(FCM));
    sleeper.story.run_until(3_600_000);
    assert_eq!(sleeper.story.edge.registered_devices(), 0);
    let call = sleeper.dial();
    assert_eq!((sleeper.wakes(), sleeper.invites().len()), (1, 0));
    let elsewhere = Flow::Udp("198.51.100.9:1024".parse().unwrap());
    assert_eq!(sleeper.register_from(elsewhere, &contact(FCM)).status(), Some(200));
    sleeper.offer_branch();
    let invites = sleeper.invites();
    assert_eq!(invites.len(), 1);
    assert_eq!(invites[0].call_id(), softphone_call_id(call, sleeper.device()));
}

#[test]
fn the_round_of_the_401_releases_nothing() {
    let mut sleeper = Sleeper::new();
    sleeper.register(&contact(FCM));
    sleeper.story.run_until(3_600_000);
    sleeper.dial();
    let asked = sleeper.ask(phone(), &sleeper.request(&contact(FCM)));
    assert_eq!(asked.status(), Some(401));
    let wanted = |output: &Output| matches!(output, Output::BranchOfferWanted { .. });
    assert!(!sleeper.story.shell.iter().any(wanted));
}

#[test]
fn a_sleeping_softphone_is_reminded_before_its_registration_lapses_and_again_and_again_if_it_does_not_come() {
    let mut sleeper = Sleeper::new();
    sleeper.register(&contact(FCM));
    let reminders = sleeper.reminders(3_600 + 24 * 3_600 + 1);
    assert_eq!(reminders[..4], [(3_000, 0), (3_060, 1), (3_180, 2), (3_420, 3)]);
    assert!(reminders.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 4 * 3_600));
    assert!((10..20).contains(&reminders.len()), "{reminders:?}");
    assert!(sleeper.reminders(10 * 24 * 3_600).is_empty(), "one that is gone for good is left alone");
    sleeper.dial();
    assert_eq!(sleeper.wakes(), 1, "but a call still wakes it");
}

#[test]
fn one_missed_reminder_does_not_make_a_softphone_unreachable() {
    let mut sleeper = Sleeper::new();
    sleeper.register(&contact(FCM));
    assert_eq!(sleeper.reminders(3_050), [(3_000, 0)]);
    assert_eq!(sleeper.reminders(3_100), [(3_060, 1)]);
    sleeper.register(&contact(FCM));
    assert_eq!(sleeper.reminders(3_100 + 2_999), [], "it came");
    assert_eq!(sleeper.reminders(3_100 + 3_000), [(6_100, 0)]);
}

#[test]
fn a_softphone_with_nothing_but_a_token_for_calls_or_that_left_is_not_reminded() {
    let mut sleeper = Sleeper::new();
    sleeper.register(&contact(";pn-provider=apns;pn-param=TEAM123456.app.example.voip;pn-prid=AB"));
    assert_eq!(sleeper.reminders(4_000), [], "iOS kills an app whose VoIP push shows no call");
    let mut sleeper = Sleeper::new();
    sleeper.register(&contact(FCM));
    let device = sleeper.device();
    sleeper.story.tell(Input::DeviceRevoked { device });
    assert_eq!(sleeper.reminders(4_000), []);
    let mut sleeper = Sleeper::new();
    sleeper.register(&contact(FCM));
    sleeper.register("Contact: *\nExpires: 0\n");
    assert_eq!((sleeper.reminders(4_000), sleeper.kept), (vec![], None));
}

#[test]
fn a_softphone_that_can_refresh_by_itself_is_told_when_it_must() {
    let mut sleeper = Sleeper::new();
    let own = contact(FCM).replace("reg-id=1", "reg-id=1;+sip.pnsreg");
    let answer = sleeper.register(&own);
    assert_eq!(answer.header("Feature-Caps"), Some("*;+sip.pns=\"fcm\";+sip.pnsreg=\"720\""));
    assert_eq!(sleeper.reminders(2_880), [], "720 s before the end it still has two minutes");
}
