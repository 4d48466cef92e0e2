//! Stories of desk phones: who may register, where they are reached, and the calls that they ring for and begin.

use super::*;
use crate::digest::{Algorithm, Challenge, Ha1, Login, challenges};

const DESK: &str = "192.0.2.50:5062";
pub(super) const USER: &str = "desk7";

pub(super) fn desk() -> Flow {
    Flow::Udp(DESK.parse::<SocketAddr>().unwrap())
}

/// The only account: a desk phone of the user of the phones.
pub(super) fn account(owner: DeviceIdentity, user: &str) -> Option<Account> {
    let device = DeviceId::new(at(0), &mut Random::new(Seed::from_number(41)));
    let hash = |algorithm| Ha1::new(algorithm, USER, "phones.test", "secret");
    let hashes = [Algorithm::Md5, Algorithm::Sha256].map(hash).to_vec();
    let identity = DeviceIdentity { device, ..owner };
    (user == USER).then(|| Account { identity, user: USER.to_owned(), hashes, push: None })
}

/// A REGISTER of the desk phone, without an answer to a challenge.
fn register(cseq: u32, headers: &str) -> Message {
    let text = format!(
        "REGISTER sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP {DESK};branch=z9hG4bKr{cseq};rport\nMax-Forwards: 70\n\
         From: <sip:{USER}@192.0.2.1>;tag=f\nTo: <sip:{USER}@192.0.2.1>\nCall-ID: r1\nCSeq: {cseq} REGISTER\n\
         {headers}Content-Length: 0\n\n"
    );
    read(&text.replace('\n', "\r\n").into())
}

pub(super) const CONTACT: &str = "Contact: <sip:desk7@192.168.1.9:5062;line=a>\n";

impl Story {
    /// Sends from somewhere, and gives what came back there.
    fn ask(&mut self, flow: Flow, request: &Message) -> Message {
        let before = self.trunk.len();
        self.tell(Input::Received { flow, bytes: request.as_bytes().clone() });
        assert_eq!(self.flows[before], flow);
        self.trunk[before].clone()
    }

    /// Registers with a password, in two rounds; the answer to the second.
    pub(super) fn log_in(&mut self, flow: Flow, cseq: u32, headers: &str, user: &str, password: &str) -> Message {
        let asked = self.ask(flow, &register(cseq, headers));
        assert_eq!(asked.status(), Some(401));
        let signed = signed(&challenges(&asked)[0], &register(cseq + 1, headers), user, password);
        self.ask(flow, &signed)
    }

    fn refused(&self, reason: &str) -> u64 {
        self.edge.refusals().find(|(name, _)| *name == reason).map_or(0, |(_, count)| count)
    }
}

pub(super) fn signed(challenge: &Challenge, request: &Message, user: &str, password: &str) -> Message {
    challenge.authorize(&Login::new(user, password), request, 1, "c")
}

#[test]
fn a_desk_phone_is_challenged_strongest_first_and_registers_with_either_algorithm() {
    for algorithm in [0, 1] {
        let mut story = Story::new();
        let asked = story.ask(desk(), &register(1, CONTACT));
        assert_eq!(asked.status(), Some(401));
        let offered = challenges(&asked);
        let algorithms: Vec<Algorithm> = offered.iter().map(|challenge| challenge.algorithm).collect();
        assert_eq!(algorithms, [Algorithm::Sha256, Algorithm::Md5]);
        let response = story.ask(desk(), &signed(&offered[algorithm], &register(2, CONTACT), USER, "secret"));
        assert_eq!(response.status(), Some(200));
        let contact = response.contacts().next().unwrap();
        assert_eq!(contact.uri_text(), "sip:desk7@192.168.1.9:5062;line=a");
        assert!(story.shell.contains(&Output::Proven { flow: desk() }), "it is no stranger any more");
        assert_eq!(contact.param("expires"), Some("300"), "no longer than the edge likes");
        assert_eq!((story.edge.registered_devices(), story.refused("challenged")), (1, 1));
        story.run_until(300_000);
        assert_eq!(story.edge.registered_devices(), 0);
    }
}

#[test]
fn an_unknown_user_a_wrong_password_and_no_password_get_the_same_answer() {
    let mut story = Story::new();
    let shape = |response: &Message| {
        let text = response.to_string();
        let is_fixed = |line: &&str| !line.starts_with("WWW-") && !line.starts_with("To:") && !line.starts_with("Via:");
        let fixed: Vec<&str> = text.lines().filter(is_fixed).filter(|line| !line.starts_with("CSeq")).collect();
        (fixed.join("\n"), response.headers("WWW-Authenticate").map(str::len).collect::<Vec<_>>())
    };
    let nobody = shape(&story.ask(desk(), &register(1, CONTACT)));
    let unknown = shape(&story.log_in(desk(), 2, CONTACT, "desk8", "secret"));
    let wrong = shape(&story.log_in(desk(), 4, CONTACT, USER, "guess"));
    assert!(nobody.0.starts_with("SIP/2.0 401 Unauthorized"), "{}", nobody.0);
    assert_eq!((&unknown, &wrong), (&nobody, &nobody));
    assert_eq!((story.refused("wrong_credentials"), story.edge.registered_devices()), (2, 0));
    assert!(!story.shell.iter().any(|output| matches!(output, Output::Proven { .. })));
}

#[test]
fn an_answer_to_a_challenge_works_once() {
    let mut story = Story::new();
    let asked = story.ask(desk(), &register(1, CONTACT));
    let challenge = &challenges(&asked)[0];
    assert_eq!(story.ask(desk(), &signed(challenge, &register(2, CONTACT), USER, "secret")).status(), Some(200));
    let stolen = Flow::Udp("198.51.100.1:5060".parse().unwrap());
    let again = story.ask(stolen, &signed(challenge, &register(3, CONTACT), USER, "secret"));
    assert_eq!(again.status(), Some(401));
    assert!(challenges(&again)[0].is_stale);
    assert_eq!(story.refused("stale_nonce"), 1);
}

#[test]
fn nobody_registers_another_user_with_a_password_of_its_own() {
    let mut story = Story::new();
    let asked = story.ask(desk(), &register(1, CONTACT));
    let other = register(2, CONTACT).to_string().replace(USER, "desk8");
    let other = signed(&challenges(&asked)[0], &read(&other.into()), USER, "secret");
    assert_eq!(story.ask(desk(), &other).status(), Some(403));
    assert_eq!(story.edge.registered_devices(), 0);
}

#[test]
fn a_brief_registration_and_two_contacts_are_refused_and_an_old_contact_may_go_in_the_same_message() {
    let mut story = Story::new();
    let brief = story.log_in(desk(), 1, &format!("{CONTACT}Expires: 3\n"), USER, "secret");
    assert_eq!((brief.status(), brief.header("Min-Expires")), (Some(423), Some("10")));
    let second = "Contact: <sip:desk7@192.168.1.8>\n";
    let two = story.log_in(desk(), 3, &format!("{CONTACT}{second}"), USER, "secret");
    assert_eq!(two.status(), Some(400));
    let moved = format!("{CONTACT}{}", second.replace(">\n", ">;expires=0\n"));
    assert_eq!(story.log_in(desk(), 5, &moved, USER, "secret").status(), Some(200));
    assert_eq!(story.edge.registered_devices(), 1);
    let gone = story.log_in(desk(), 7, "Contact: *\nExpires: 0\n", USER, "secret");
    assert_eq!((gone.status(), gone.contacts().count(), story.edge.registered_devices()), (Some(200), 0, 0));
}

#[test]
fn a_desk_phone_over_tcp_is_gone_with_its_connection() {
    let mut story = Story::new();
    let connection = ConnectionId(900);
    story.tell(Input::ConnectionOpened {
        connection,
        peer: Peer::Trunk(DESK.parse().unwrap()),
        transport: Transport::Tcp,
    });
    let asked = over_stream(&mut story, connection, &register(1, CONTACT));
    let request = signed(&challenges(&asked)[0], &register(2, CONTACT), USER, "secret");
    assert_eq!(over_stream(&mut story, connection, &request).status(), Some(200));
    assert_eq!(story.edge.registered_devices(), 1);
    story.tell(Input::ConnectionClosed { connection });
    assert_eq!(story.edge.registered_devices(), 0);
}

/// Sends a request over a stream that is not a phone's, and gives the answer.
fn over_stream(story: &mut Story, connection: ConnectionId, request: &Message) -> Message {
    let flow = Flow::Stream(connection);
    story.edge.handle(story.now, Input::Received { flow, bytes: request.as_bytes().clone() });
    let mut answer = None;
    while let Some(output) = story.edge.poll_output() {
        match output {
            Output::Transmit { flow: to, bytes } if to == flow => answer = Some(read(&bytes)),
            other => {
                if let Some(input) = story.answer_to(&other) {
                    story.edge.handle(story.now, input);
                }
            }
        }
    }
    answer.unwrap()
}

/// A desk phone that is registered over TLS, and rings; what it was offered.
fn ring_over_tls() -> (Story, Flow) {
    let (mut story, connection) = (Story::awake(), ConnectionId(901));
    let (peer, transport) = (Peer::Trunk(DESK.parse().unwrap()), Transport::Tls);
    story.tell(Input::ConnectionOpened { connection, peer, transport });
    let flow = Flow::Stream(connection);
    assert_eq!(story.log_in(flow, 1, CONTACT, USER, "secret").status(), Some(200));
    story.dial();
    (story, flow)
}

impl Story {
    /// What media each INVITE to the desk phone was to offer.
    fn kinds_offered(&self) -> Vec<DeviceKind> {
        let device = self.desk_device();
        let asked = self.shell.iter().filter_map(|output| match output {
            Output::BranchOfferWanted { device: to, kind, .. } if *to == device => Some(*kind),
            _ => None,
        });
        asked.collect()
    }

    /// The desk phone answers its newest INVITE on a stream.
    fn desk_answers_on(&mut self, flow: Flow, status: u16) {
        let mut sent = self.flows.iter().zip(&self.trunk).filter(|(to, _)| **to == flow).map(|(_, message)| message);
        let invite = sent.rfind(|message| message.is_request() && message.method() == &Method::Invite).unwrap();
        let response = invite.response(status, "X").to_tag("d").header("Contact", "<sip:desk7@192.168.1.9:5062>");
        let bytes = response.build().as_bytes().clone();
        self.tell(Input::Received { flow, bytes });
    }
}

#[test]
fn a_desk_phone_over_tls_is_offered_keys_and_plain_media_once_it_has_refused_them() {
    let (mut story, flow) = ring_over_tls();
    assert_eq!(story.kinds_offered(), [DeviceKind::SecureDesk]);
    story.desk_answers_on(flow, 488);
    assert_eq!(story.kinds_offered(), [DeviceKind::SecureDesk, DeviceKind::Desk]);
    // The first INVITE's transaction ends, the second one rings on.
    story.desk_answers_on(flow, 180);
    story.run_until(40_000);
    story.desk_answers_on(flow, 200);
    assert!(story.shell.iter().any(|output| matches!(output, Output::AnswerWanted { .. })));
}

#[test]
fn a_desk_phone_that_refuses_plain_media_too_is_not_asked_again() {
    let (mut story, flow) = ring_over_tls();
    story.desk_answers_on(flow, 488);
    story.desk_answers_on(flow, 488);
    assert_eq!(story.kinds_offered().len(), 2);
}

#[test]
fn a_keep_alive_is_answered_to_a_registered_phone_only() {
    let mut story = Story::new();
    let ping = Input::Received { flow: desk(), bytes: "\r\n\r\n".into() };
    story.edge.handle(story.now, ping.clone());
    assert_eq!(story.edge.poll_output(), None);
    story.log_in(desk(), 1, CONTACT, USER, "secret");
    story.edge.handle(story.now, ping);
    assert_eq!(story.edge.poll_output(), Some(Output::Transmit { flow: desk(), bytes: "\r\n".into() }));
    story.edge.handle(story.now, Input::Received { flow: desk(), bytes: "\r\n".into() });
    assert_eq!(story.edge.poll_output(), None, "an answer to a keep-alive is none");
}

#[test]
fn a_device_whose_account_is_gone_is_not_reached_any_more() {
    let mut story = Story::awake();
    story.log_in(desk(), 1, CONTACT, USER, "secret");
    let device = account(story.phones[0].identity, USER).unwrap().identity.device;
    story.tell(Input::DeviceRevoked { device });
    assert_eq!(story.edge.registered_devices(), 2);
}

impl Story {
    /// Both phones and the desk phone are registered.
    fn with_desk() -> Self {
        let mut story = Self::awake();
        let response = story.log_in(desk(), 1, CONTACT, USER, "secret");
        assert_eq!(response.status(), Some(200));
        story
    }

    /// What the desk phone got of a method, without answers.
    fn at_desk(&self, method: &Method) -> Vec<&Message> {
        let sent = self.flows.iter().zip(&self.trunk).filter(|(flow, _)| **flow == desk());
        sent.map(|(_, message)| message).filter(|message| message.is_request() && message.method() == method).collect()
    }

    /// The desk phone answers its INVITE.
    fn desk_answers(&mut self, status: u16, body: &str) {
        let invite = self.at_desk(&Method::Invite)[0];
        let response = invite.response(status, "X").to_tag("d").header("Contact", "<sip:desk7@192.168.1.9:5062>");
        let bytes = response.body("application/sdp", body.to_owned()).build().as_bytes().clone();
        self.tell(Input::Received { flow: desk(), bytes });
    }

    fn desk_device(&self) -> DeviceId {
        account(self.phones[0].identity, USER).unwrap().identity.device
    }

    /// What the edge told the trunk.
    fn to_trunk(&self) -> Vec<u16> {
        let told = self.flows.iter().zip(&self.trunk).filter(|(flow, _)| **flow == trunk());
        told.filter_map(|(_, message)| message.status()).collect()
    }
}

#[test]
fn a_call_rings_the_desk_phone_with_the_phones_and_its_answer_gets_it() {
    let mut story = Story::with_desk();
    story.dial();
    let invite = story.at_desk(&Method::Invite)[0];
    assert_eq!(invite.request_uri_text(), "sip:desk7@192.168.1.9:5062;line=a");
    assert_eq!(invite.to().uri_text(), "sip:desk7@phones.test");
    assert_eq!(invite.from().uri_text(), "sip:+81312345678@phones.test;user=phone");
    assert_eq!(invite.top_via().unwrap().transport(), "UDP");
    assert_eq!(invite.vias().count(), 1);
    assert_eq!(invite.header("X-Callfield-Call"), None, "what is ours stays here");
    let (call, device) = (story.call(), story.desk_device());
    let wanted = |output: &&Output| matches!(output, Output::BranchOfferWanted { kind: DeviceKind::Desk, .. });
    assert_eq!(story.shell.iter().filter(wanted).count(), 1);

    story.desk_answers(180, "");
    story.desk_answers(200, "v=desk");
    assert_eq!(story.at_desk(&Method::Ack).len(), 1);
    let asked = Output::AnswerWanted { call, device, device_sdp: "v=desk".into() };
    assert!(story.shell.contains(&asked));
    assert_eq!(story.to_trunk(), [100, 180, 200]);
    let elsewhere = AgentOutput::Ended { call, reason: crate::agent::EndReason::AnsweredElsewhere };
    assert!(story.phones.iter().all(|phone| phone.news.contains(&elsewhere)));

    story.desk_answers(200, "v=desk");
    assert_eq!(story.at_desk(&Method::Ack).len(), 2, "its ACK was lost");
    story.send(&story.in_dialog("ACK", 1, ""));
    story.send(&story.in_dialog("BYE", 2, ""));
    assert_eq!(story.rows(), [callfield_domain::Outcome::Completed]);
    assert_eq!(story.at_desk(&Method::Bye)[0].to().tag(), Some("d"));
}

#[test]
fn a_desk_phone_that_hangs_up_hears_200_when_the_row_is_durable() {
    let mut story = Story::with_desk();
    story.late_rows = true;
    story.dial();
    story.desk_answers(200, "v=desk");
    story.send(&story.in_dialog("ACK", 1, ""));
    let invite = story.at_desk(&Method::Invite)[0];
    let text = format!(
        "BYE sip:edge@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP {DESK};branch=z9hG4bKdb;rport\nMax-Forwards: 70\n\
         From: <sip:{USER}@phones.test>;tag=d\nTo: {}\nCall-ID: {}\nCSeq: 1 BYE\nContent-Length: 0\n\n",
        invite.from(),
        invite.call_id()
    );
    story.tell(Input::Received { flow: desk(), bytes: text.replace('\n', "\r\n").into() });
    let heard =
        |story: &Story| {
            story.flows.iter().zip(&story.trunk).any(|(flow, message)| {
                *flow == desk() && message.status() == Some(200) && message.method() == &Method::Bye
            })
        };
    assert!(!heard(&story));
    story.tell(Input::Persisted { call: story.call() });
    assert!(heard(&story));
    assert_eq!(story.edge.live_calls(), 0);
}

#[test]
fn an_invite_to_a_desk_phone_is_repeated_and_taken_back_when_another_device_answers() {
    let mut story = Story::with_desk();
    story.dial();
    story.run_until(4_000);
    assert_eq!(story.at_desk(&Method::Invite).len(), 4, "at 0, 0.5, 1.5 and 3.5 s");
    story.desk_answers(180, "");
    story.answer(0);
    let cancel = story.at_desk(&Method::Cancel)[0];
    assert_eq!(cancel.header("Reason"), Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    story.desk_answers(487, "");
    assert_eq!(story.at_desk(&Method::Ack).len(), 1);
    story.run_until(60_000);
    assert!(story.at_desk(&Method::Bye).is_empty());
}

#[test]
fn a_desk_phone_that_answers_too_late_is_acknowledged_and_hung_up() {
    let mut story = Story::with_desk();
    story.dial();
    story.answer(0);
    assert!(story.at_desk(&Method::Cancel).is_empty(), "nothing came from it yet (RFC 3261 section 9.1)");
    story.desk_answers(200, "v=desk");
    let reason = Some("SIP;cause=200;text=\"Call completed elsewhere\"");
    assert_eq!(story.at_desk(&Method::Ack)[0].header("Reason"), reason);
    assert_eq!(story.at_desk(&Method::Bye)[0].header("Reason"), reason);
}

#[test]
fn a_desk_phone_that_is_dead_times_out_and_the_others_ring_on() {
    let mut story = Story::with_desk();
    story.dial();
    story.run_until(32_000);
    assert_eq!(story.edge.live_calls(), 1);
    story.answer(1);
    assert_eq!(story.to_trunk(), [100, 180, 200]);
}

#[test]
fn a_desk_phone_that_declines_stops_all_and_one_that_is_busy_does_not() {
    let mut story = Story::with_desk();
    story.dial();
    story.desk_answers(486, "");
    assert_eq!((story.edge.live_calls(), story.at_desk(&Method::Ack).len()), (1, 1));
    let mut story = Story::with_desk();
    story.dial();
    story.desk_answers(603, "");
    assert_eq!((story.to_trunk(), story.rows()), (vec![100, 180, 603], vec![callfield_domain::Outcome::Rejected]));
}

#[test]
fn a_desk_phone_that_registers_while_the_call_waits_rings_once() {
    let mut story = Story::new();
    story.dial();
    story.log_in(desk(), 1, CONTACT, USER, "secret");
    assert_eq!(story.at_desk(&Method::Invite).len(), 1);
    story.log_in(desk(), 3, CONTACT, USER, "secret");
    assert_eq!(story.at_desk(&Method::Invite).len(), 1, "a refresh releases nothing");
}

/// An INVITE of the desk phone, without an answer to a challenge.
fn desk_invite(cseq: u32) -> Message {
    let text = format!(
        "INVITE sip:0312345678@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP {DESK};branch=z9hG4bKo{cseq};rport\nMax-Forwards: 70\n\
         From: <sip:{USER}@192.0.2.1>;tag=o\nTo: <sip:0312345678@192.0.2.1>\nCall-ID: o1\nCSeq: {cseq} INVITE\n\
         Contact: <sip:desk7@192.168.1.9:5062>\nContent-Type: application/sdp\nContent-Length: 6\n\nv=desk"
    );
    read(&text.replace('\n', "\r\n").into())
}

impl Story {
    /// The desk phone calls out, in two rounds.
    fn desk_dials() -> Self {
        let mut story = Self::with_desk();
        let asked = story.ask(desk(), &desk_invite(1));
        assert_eq!(asked.status(), Some(401), "also from where it is registered");
        let ack = asked_ack(&asked, 1);
        story.tell(Input::Received { flow: desk(), bytes: ack.as_bytes().clone() });
        let request = signed(&challenges(&asked)[0], &desk_invite(2), USER, "secret");
        story.tell(Input::Received { flow: desk(), bytes: request.as_bytes().clone() });
        story
    }

    fn desk_talks() -> Self {
        let mut story = Self::desk_dials();
        story.far_answers(180, "");
        story.far_answers(200, "v=far");
        story
    }

    /// The far end answers the INVITE of the edge.
    fn far_answers(&mut self, status: u16, body: &str) {
        let invite = self.at_trunk(&Method::Invite)[0];
        let response = invite.response(status, "X").to_tag("b").header("Contact", "<sip:1@192.0.2.9:5060>");
        let bytes = response.body("application/sdp", body.to_owned()).build().as_bytes().clone();
        self.tell(Input::Received { flow: trunk(), bytes });
    }

    fn at_trunk(&self, method: &Method) -> Vec<&Message> {
        let sent = self.flows.iter().zip(&self.trunk).filter(|(flow, _)| **flow == trunk());
        sent.map(|(_, message)| message).filter(|message| message.is_request() && message.method() == method).collect()
    }

    /// The answers to the INVITE of the desk phone, without the challenge.
    fn desk_hears(&self) -> Vec<u16> {
        let told = self.flows.iter().zip(&self.trunk).filter(|(flow, message)| {
            **flow == desk() && message.method() == &Method::Invite && message.call_id() == "o1"
        });
        told.filter_map(|(_, message)| message.status()).filter(|status| *status != 401).collect()
    }

    /// A request of the desk phone in the dialog of its call.
    fn desk_in_dialog(&mut self, method: &str, cseq: u32) {
        let body = if method == "INVITE" { "v=hold" } else { "" };
        let tag =
            self.trunk.iter().rev().find(|message| message.call_id() == "o1").unwrap().to().tag().map(str::to_owned);
        let text = format!(
            "{method} sip:edge@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP {DESK};branch=z9hG4bK{method}{cseq};rport\n\
             Max-Forwards: 70\nFrom: <sip:{USER}@192.0.2.1>;tag=o\nTo: <sip:0312345678@192.0.2.1>;tag={}\n\
             Call-ID: o1\nCSeq: {cseq} {method}\nContent-Type: application/sdp\nContent-Length: {}\n\n{body}",
            tag.unwrap(),
            body.len()
        );
        self.tell(Input::Received { flow: desk(), bytes: text.replace('\n', "\r\n").into() });
    }
}

/// The ACK of the refusal of an INVITE.
fn asked_ack(refusal: &Message, cseq: u32) -> Message {
    let text = desk_invite(cseq).to_string();
    let text = text.replace("INVITE", "ACK").replace("v=desk", "").replace("Length: 6", "Length: 0");
    read(&text.into()).edit().to(&refusal.to()).build()
}

#[test]
fn a_desk_phone_proves_itself_for_each_call_and_is_joined_with_the_far_end() {
    let mut story = Story::desk_talks();
    let invite = story.at_trunk(&Method::Invite)[0];
    assert_eq!(invite.from().uri_text(), "sip:+81350001000@phones.test;user=phone");
    assert_eq!(invite.header("Authorization"), None, "what it proved itself with stays here");
    let wanted = |output: &&Output| matches!(output, Output::TrunkOfferWanted { kind: DeviceKind::Desk, .. });
    assert_eq!(story.shell.iter().filter(wanted).count(), 1);
    assert_eq!(story.desk_hears(), [100, 180, 200]);
    let told = story.trunk.last().unwrap();
    assert_eq!(told.contacts().next().unwrap().uri_text(), "sip:edge@192.0.2.1:5060");
    story.run_until(1_000);
    assert_eq!(story.desk_hears(), [100, 180, 200, 200], "until its ACK");
    story.desk_in_dialog("ACK", 2);
    story.run_until(10_000);
    assert_eq!(story.desk_hears().len(), 4);

    story.late_rows = true;
    story.desk_in_dialog("BYE", 3);
    assert_eq!(story.at_trunk(&Method::Bye).len(), 1);
    let Some(Output::Persist(facts)) = story.shell.iter().rfind(|output| matches!(output, Output::Persist(_))) else {
        panic!("no row")
    };
    assert_eq!((facts.device, facts.outcome), (Some(story.desk_device()), Some(callfield_domain::Outcome::Completed)));
    let (call, is_heard) = (facts.id, |story: &Story| story.trunk.last().unwrap().status() == Some(200));
    assert!(!is_heard(&story));
    story.tell(Input::Persisted { call });
    assert!(is_heard(&story));
    assert_eq!(story.edge.live_calls(), 0);
}

#[test]
fn a_far_end_that_hangs_up_before_the_ack_of_the_desk_phone_is_passed_on_after_it() {
    let mut story = Story::desk_talks();
    let invite = story.at_trunk(&Method::Invite)[0];
    let bye = format!(
        "BYE sip:edge@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bKfb;rport\nMax-Forwards: 70\n\
         From: {};tag=b\nTo: {}\nCall-ID: {}\nCSeq: 1 BYE\nContent-Length: 0\n\n",
        invite.to(),
        invite.from(),
        invite.call_id()
    );
    story.send(&bye);
    assert!(story.at_desk(&Method::Bye).is_empty());
    story.desk_in_dialog("ACK", 2);
    let bye = story.at_desk(&Method::Bye)[0];
    assert_eq!((bye.call_id(), bye.vias().count()), ("o1", 1));
    let bytes = bye.response(200, "OK").build().as_bytes().clone();
    story.tell(Input::Received { flow: desk(), bytes });
    assert_eq!(story.rows(), [callfield_domain::Outcome::Completed]);
}

#[test]
fn a_desk_phone_that_never_acknowledges_is_given_up_after_half_a_minute() {
    let mut story = Story::desk_talks();
    story.run_until(32_000);
    assert_eq!((story.at_trunk(&Method::Bye).len(), story.at_desk(&Method::Bye).len()), (1, 1));
    assert_eq!(story.rows(), [callfield_domain::Outcome::Completed]);
    story.run_until(120_000);
    assert_eq!(story.edge.live_calls(), 0);
}

#[test]
fn a_desk_phone_that_gives_up_gets_487_and_one_that_is_refused_the_status_of_the_far_end() {
    let mut story = Story::desk_dials();
    story.far_answers(180, "");
    let text =
        desk_invite(2).to_string().replace("INVITE", "CANCEL").replace("v=desk", "").replace("Length: 6", "Length: 0");
    story.tell(Input::Received { flow: desk(), bytes: text.into() });
    assert_eq!(story.at_trunk(&Method::Cancel).len(), 1);
    assert_eq!((story.desk_hears(), story.rows()), (vec![100, 180, 487], vec![callfield_domain::Outcome::Canceled]));

    let mut story = Story::desk_dials();
    story.far_answers(486, "");
    assert_eq!((story.desk_hears(), story.rows()), (vec![100, 486], vec![callfield_domain::Outcome::Busy]));
}

#[test]
fn a_desk_phone_that_is_not_registered_or_does_not_know_the_password_calls_nobody() {
    let mut story = Story::with_desk();
    let asked = story.ask(desk(), &desk_invite(1));
    let request = signed(&challenges(&asked)[0], &desk_invite(2), USER, "guess");
    assert_eq!(story.ask(desk(), &request).status(), Some(401));

    story.run_until(299_000);
    let asked = story.ask(desk(), &desk_invite(3));
    story.run_until(301_000);
    let request = signed(&challenges(&asked)[0], &desk_invite(4), USER, "secret");
    assert_eq!(story.ask(desk(), &request).status(), Some(403), "its registration ran out");

    let device = story.desk_device();
    story.log_in(desk(), 3, CONTACT, USER, "secret");
    let asked = story.ask(desk(), &desk_invite(5));
    story.tell(Input::DeviceRevoked { device });
    let request = signed(&challenges(&asked)[0], &desk_invite(6), USER, "secret");
    assert_eq!(story.ask(desk(), &request).status(), Some(401));
    assert!(story.at_trunk(&Method::Invite).is_empty());
    assert_eq!(story.edge.live_calls(), 0);
}

#[test]
fn a_desk_phone_that_is_gone_ends_its_call_a_minute_after_its_registration_ran_out() {
    let mut story = Story::desk_talks();
    story.desk_in_dialog("ACK", 2);
    story.run_until(359_900);
    assert_eq!(story.edge.live_calls(), 1);
    story.run_until(360_100);
    assert_eq!((story.edge.live_calls(), story.at_trunk(&Method::Bye).len()), (0, 1));
}

#[test]
fn a_desk_phone_that_calls_may_hold_and_hears_when_the_far_end_does() {
    let mut story = Story::desk_talks();
    story.desk_in_dialog("ACK", 2);
    story.change = Some("v=new".to_owned());
    story.desk_in_dialog("INVITE", 3);
    let answer = story.trunk.last().unwrap();
    assert_eq!((answer.status(), answer.body().as_ref()), (Some(200), &b"v=new Device answer"[..]));
    story.desk_in_dialog("ACK", 3);
    let heard = story.desk_hears().len();
    story.run_until(40_000);
    assert_eq!((story.desk_hears().len(), story.edge.live_calls()), (heard, 1), "it was acknowledged");

    let Some(Output::ChangeWanted { call, side, .. }) =
        story.shell.iter().rfind(|output| matches!(output, Output::ChangeWanted { .. })).cloned()
    else {
        panic!("nothing was asked")
    };
    assert_eq!(side, Side::Device);
    story.tell(Input::Renew { call, side });
    let renewal = story.at_desk(&Method::Invite).pop().unwrap().clone();
    assert_eq!((renewal.vias().count(), renewal.body().as_ref()), (1, &b"v=new Device offer"[..]));
    assert_eq!(renewal.contacts().next().unwrap().uri_text(), "sip:edge@192.0.2.1:5060");
    let answer = renewal.response(200, "OK").header("Contact", "<sip:desk7@192.168.1.9:5062>");
    let bytes = answer.body("application/sdp", "v=desk").build().as_bytes().clone();
    story.tell(Input::Received { flow: desk(), bytes });
    assert_eq!(
        story.at_desk(&Method::Ack).pop().unwrap().cseq(),
        &crate::message::CSeq { number: 1, method: Method::Ack }
    );
}

#[test]
fn a_desk_phone_that_was_rung_is_told_of_a_change_over_its_own_flow() {
    let mut story = Story::with_desk();
    story.dial();
    story.desk_answers(200, "v=desk");
    story.send(&story.in_dialog("ACK", 1, ""));
    story.change = Some("v=new".to_owned());
    story.tell(Input::Renew { call: story.call(), side: Side::Device });
    let renewal = story.at_desk(&Method::Invite).pop().unwrap();
    assert_eq!((renewal.cseq().number, renewal.vias().count()), (2, 1));
    assert_eq!(renewal.to().tag(), Some("d"));
}

#[test]
fn a_desk_phone_proves_itself_before_it_passes_its_far_end_on() {
    let mut story = Story::desk_talks();
    story.desk_in_dialog("ACK", 2);
    let refer = |story: &Story, cseq: u32| {
        let told = story.trunk.iter().rfind(|message| message.call_id() == "o1" && message.to().tag().is_some());
        let text = format!(
            "REFER sip:edge@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP {DESK};branch=z9hG4bKrefer{cseq};rport\n\
             Max-Forwards: 70\nFrom: <sip:{USER}@192.0.2.1>;tag=o\nTo: {}\nCall-ID: o1\nCSeq: {cseq} REFER\n\
             Contact: <sip:desk7@192.168.1.9:5062>\nRefer-To: \"Bob\" <sip:0398765432@192.0.2.1>\nContent-Length: 0\n\n",
            told.unwrap().to()
        );
        read(&text.replace('\n', "\r\n").into())
    };
    let asked = story.ask(desk(), &refer(&story, 3));
    assert_eq!((asked.status(), story.at_trunk(&Method::Invite).len()), (Some(401), 1));
    let signed = signed(&challenges(&asked)[0], &refer(&story, 4), USER, "secret");
    assert_eq!(story.ask(desk(), &signed).status(), Some(202));
    let notify = story.at_desk(&Method::Notify)[0];
    assert_eq!(notify.header("Event"), Some("refer;id=4"));
    assert_eq!((notify.body().as_ref(), notify.vias().count()), (&b"SIP/2.0 100 Trying\r\n"[..], 1));
    assert_eq!(notify.contacts().next().unwrap().uri_text(), "sip:edge@192.0.2.1:5060");
    let target = story.at_trunk(&Method::Invite)[1];
    assert_eq!(target.header("Authorization"), None);
    let response = target.response(200, "OK").to_tag("t").header("Contact", "<sip:2@192.0.2.9:5060>");
    let bytes = response.body("application/sdp", "v=target").build().as_bytes().clone();
    story.tell(Input::Received { flow: trunk(), bytes });
    assert_eq!(story.at_desk(&Method::Notify)[1].body().as_ref(), b"SIP/2.0 200 OK\r\n");
    let bye = story.at_desk(&Method::Bye)[0];
    let bytes = bye.response(200, "OK").build().as_bytes().clone();
    story.tell(Input::Received { flow: desk(), bytes });
    story.run_until(320_000);
    assert_eq!(
        (story.edge.live_calls(), story.rows().len()),
        (1, 0),
        "it goes on without the phone, also unregistered"
    );
}

impl Story {
    /// As [`Story::dial`]; the desk phone is one that can be pushed.
    fn dial_a_pushable_desk(&mut self) {
        self.answers = false;
        self.dial();
        self.answers = true;
        let (call, device) = (self.call(), self.desk_device());
        let Decision::Ring(mut plan) = self.ring() else { unreachable!() };
        plan.targets = vec![Target { device, has_push: true }];
        self.tell(Input::Routed { call, decision: Decision::Ring(plan) });
    }

    fn desk_wakes(&self) -> Vec<u32> {
        let device = self.desk_device();
        let wakes = self.shell.iter().filter_map(|output| match output {
            Output::Wake(wake) if wake.device == device => Some(wake.attempt),
            _ => None,
        });
        wakes.collect()
    }

    /// What a phone at `flow` got of INVITEs.
    fn invites_at(&self, flow: Flow) -> Vec<&Message> {
        let sent = self.flows.iter().zip(&self.trunk).filter(|(to, _)| **to == flow);
        sent.map(|(_, message)| message)
            .filter(|message| message.is_request() && message.method() == &Method::Invite)
            .collect()
    }
}

#[test]
fn a_pushed_desk_phone_whose_contact_is_dead_still_gets_the_call_when_it_is_back() {
    let mut story = Story::new();
    story.log_in(desk(), 1, CONTACT, USER, "secret");
    story.dial_a_pushable_desk();
    story.run_until(2_000);
    assert_eq!(story.desk_wakes(), [0], "nothing came within two seconds");
    story.run_until(33_000);
    assert_eq!((story.rows(), story.edge.live_calls()), (vec![], 1), "the dead contact did not end the call");
    let before = story.at_desk(&Method::Invite).len();
    story.log_in(desk(), 3, CONTACT, USER, "secret");
    assert_eq!(story.at_desk(&Method::Invite).len(), before + 1);
    story.desk_answers_last(200, "v=desk");
    assert_eq!(story.to_trunk().last(), Some(&200));
}

#[test]
fn a_pushed_desk_phone_that_comes_by_another_way_gets_the_same_invite_there_at_once() {
    let mut story = Story::new();
    story.log_in(desk(), 1, CONTACT, USER, "secret");
    story.dial_a_pushable_desk();
    story.run_until(5_000);
    let elsewhere = Flow::Udp("198.51.100.7:40000".parse().unwrap());
    story.log_in(elsewhere, 3, CONTACT, USER, "secret");
    let there = story.invites_at(elsewhere);
    assert_eq!(there.len(), 1);
    let first = story.invites_at(desk())[0];
    assert_eq!((there[0].call_id(), there[0].from().tag()), (first.call_id(), first.from().tag()));
    assert_ne!(there[0].top_via(), first.top_via(), "it is a transaction of its own");
    let answer = there[0].response(200, "OK").to_tag("d").header("Contact", "<sip:desk7@192.168.1.9:5062>");
    let bytes = answer.body("application/sdp", "v=desk").build().as_bytes().clone();
    story.tell(Input::Received { flow: elsewhere, bytes });
    assert_eq!(story.to_trunk().last(), Some(&200));
    story.run_until(60_000);
    assert_eq!(story.rows(), [callfield_domain::Outcome::Failed], "only for want of the caller's ACK");
}

#[test]
fn a_woken_desk_phone_that_registers_as_before_need_not_wait_for_the_next_repetition() {
    let mut story = Story::new();
    story.log_in(desk(), 1, CONTACT, USER, "secret");
    story.dial_a_pushable_desk();
    story.run_until(8_000);
    let before = story.at_desk(&Method::Invite).len();
    story.log_in(desk(), 3, CONTACT, USER, "secret");
    story.log_in(desk(), 5, CONTACT, USER, "secret");
    assert_eq!(story.at_desk(&Method::Invite).len(), before + 1, "once");
    story.desk_answers_last(482, "");
    assert_eq!(story.edge.live_calls(), 1, "it had the first one: that counts");
    story.desk_answers(200, "v=desk");
    assert_eq!(story.to_trunk().last(), Some(&200));
}

impl Story {
    /// The desk phone answers the last INVITE that it got.
    fn desk_answers_last(&mut self, status: u16, body: &str) {
        let invite = self.at_desk(&Method::Invite).pop().unwrap();
        let response = invite.response(status, "X").to_tag("d").header("Contact", "<sip:desk7@192.168.1.9:5062>");
        let bytes = response.body("application/sdp", body.to_owned()).build().as_bytes().clone();
        self.tell(Input::Received { flow: desk(), bytes });
    }
}

#[test]
fn a_late_fork_reaches_every_device_of_the_user_also_over_tls() {
    let mut story = Story::new();
    story.dial();
    let (connection, peer) = (ConnectionId(901), Peer::Trunk(DESK.parse().unwrap()));
    story.tell(Input::ConnectionOpened { connection, peer, transport: Transport::Tls });
    let flow = Flow::Stream(connection);
    assert_eq!(story.log_in(flow, 1, CONTACT, USER, "secret").status(), Some(200));
    let invites = story.invites_at(flow);
    assert_eq!((invites.len(), invites[0].top_via().unwrap().transport()), (1, "TLS"));
    for phone in 0..2 {
        story.tell_phone(phone, AgentInput::Register { call: None });
        let invites = story.phones[phone].got.iter().filter(|message| message.method() == &Method::Invite).count();
        assert_eq!(invites, 1);
    }
}

#[test]
fn an_ack_goes_to_where_the_phone_is_and_not_to_its_stale_contact() {
    let mut story = Story::with_desk();
    story.dial();
    story.desk_answers(180, "");
    let elsewhere = Flow::Udp("198.51.100.7:40000".parse().unwrap());
    story.log_in(elsewhere, 3, CONTACT, USER, "secret");
    assert!(story.invites_at(elsewhere).is_empty(), "it rings already");
    story.desk_answers(200, "v=desk");
    let acks = |story: &Story, wanted: Flow| {
        let sent = story.flows.iter().zip(&story.trunk).filter(|(flow, _)| **flow == wanted);
        sent.filter(|(_, message)| message.method() == &Method::Ack && message.is_request()).count()
    };
    assert_eq!((acks(&story, elsewhere), acks(&story, desk())), (1, 0));
    story.send(&story.in_dialog("ACK", 1, ""));
    story.run_until(60_000);
    assert_eq!(story.edge.live_calls(), 1, "the call outlives the 32 s in which an answer is repeated");
}

#[test]
fn a_desk_phone_calls_a_colleague_and_either_hangs_up() {
    for is_desk in [true, false] {
        let mut story = Story::house();
        story.tell_phone(1, AgentInput::Register { call: None });
        story.log_in(desk(), 1, CONTACT, USER, "secret");
        let asked = story.ask(desk(), &desk_invite(1));
        let ack = asked_ack(&asked, 1);
        story.tell(Input::Received { flow: desk(), bytes: ack.as_bytes().clone() });
        let request = signed(&challenges(&asked)[0], &desk_invite(2), USER, "secret");
        story.tell(Input::Received { flow: desk(), bytes: request.as_bytes().clone() });
        let asked = story.shell.iter().find_map(|output| {
            let Output::OutboundRouteWanted(question) = output else { return None };
            Some(question.call)
        });
        let call = asked.unwrap();
        story.tell_phone(1, AgentInput::Answer { call });
        assert_eq!(story.desk_hears(), [100, 180, 200]);
        story.desk_in_dialog("ACK", 2);
        story.change = Some("v=new".to_owned());
        story.renews = true;
        story.desk_in_dialog("INVITE", 3);
        assert_eq!(story.trunk.last().unwrap().body().as_ref(), b"v=new Outside answer");
        story.desk_in_dialog("ACK", 3);
        let renewal = story.phones[1].got.iter().rfind(|message| message.method() == &Method::Invite).unwrap();
        assert_eq!(renewal.body().as_ref(), b"v=new Device offer");
        if is_desk {
            story.desk_in_dialog("BYE", 4);
            assert_eq!(story.trunk.last().unwrap().status(), Some(200));
        } else {
            story.tell_phone(1, AgentInput::HangUp { call });
            let bye = story.at_desk(&Method::Bye)[0].clone();
            let bytes = bye.response(200, "OK").build().as_bytes().clone();
            story.tell(Input::Received { flow: desk(), bytes });
        }
        assert_eq!(story.rows(), [callfield_domain::Outcome::Completed]);
        assert_eq!(story.edge.live_calls(), 0);
        assert!(story.at_trunk(&Method::Invite).is_empty());
    }
}
