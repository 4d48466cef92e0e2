//! The four transaction machines beside those of a second implementation: same events, same observable steps.
//!
//! A story is a machine, a transport and a list of events. Each side writes down what can be seen from outside: what is
//! sent, what its user hears, when it ends. Thousands of random stories must read the same on both sides, but for the
//! [`DIFFERENCES`], of which each has a story of its own.

mod ours;
mod theirs;

use std::time::Duration;

use callfield_domain::{Random, Seed};

/// Which of the four machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    ClientInvite,
    Client,
    ServerInvite,
    Server,
}

impl Machine {
    fn is_client(self) -> bool {
        matches!(self, Self::ClientInvite | Self::Client)
    }

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::ClientInvite | Self::ServerInvite => "INVITE",
            Self::Client | Self::Server => "OPTIONS",
        }
    }
}

/// What happens to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// An answer comes (client) or the user gives one (server).
    Answer(u16),
    /// The request comes again (server).
    Again,
    /// The ACK comes, with the branch of its INVITE (server).
    Ack,
    /// Time passes.
    Wait(Duration),
}

/// A machine with a clock of its own: it is told of events and writes down what it does.
pub(crate) trait Player {
    fn answer(&mut self, status: u16);
    fn again(&mut self);
    fn ack(&mut self);
    /// When its next clock runs out, in milliseconds.
    fn due(&self) -> Option<i64>;
    fn timeout(&mut self, now: i64);
    /// What was seen since the last call.
    fn seen(&mut self) -> Vec<String>;
}

struct Story {
    machine: Machine,
    is_reliable: bool,
    events: Vec<Event>,
}

impl Story {
    fn of_ours(&self) -> Vec<String> {
        tell(&mut ours::Ours::start(self.machine, self.is_reliable), &self.events)
    }

    fn of_theirs(&self) -> Vec<String> {
        tell(&mut theirs::Theirs::start(self.machine, self.is_reliable), &self.events)
    }
}

/// Plays the events; each line is the time and what was seen. Nothing is told to a machine that ended.
fn tell(player: &mut impl Player, events: &[Event]) -> Vec<String> {
    let mut now = 0;
    let mut lines = Vec::new();
    let mut is_over = note(now, player, &mut lines);
    for event in events {
        if is_over {
            break;
        }
        match event {
            Event::Answer(status) => player.answer(*status),
            Event::Again => player.again(),
            Event::Ack => player.ack(),
            Event::Wait(duration) => {
                let until = now + i64::try_from(duration.as_millis()).expect("a short wait");
                while let Some(at) = player.due().filter(|at| *at <= until && !is_over) {
                    player.timeout(at);
                    is_over = note(at, player, &mut lines);
                }
                now = until;
            }
        }
        is_over |= note(now, player, &mut lines);
    }
    lines
}

/// Writes down what was seen and says whether that was the end.
fn note(now: i64, player: &mut impl Player, lines: &mut Vec<String>) -> bool {
    lines.extend(player.seen().into_iter().map(|what| format!("{now} {what}")));
    lines.last().is_some_and(|line| line.contains(" end "))
}

const fn seconds(seconds: u64) -> Event {
    Event::Wait(Duration::from_secs(seconds))
}

/// Where the two differ on purpose.
struct Difference {
    why: &'static str,
    machine: Machine,
    is_reliable: bool,
    events: &'static [Event],
    ours: &'static [&'static str],
    theirs: &'static [&'static str],
}

static DIFFERENCES: [Difference; 5] = [
    Difference {
        why: "timer C (RFC 3261 §16.6): an INVITE that only rings is withdrawn here; there its user must",
        machine: Machine::ClientInvite,
        is_reliable: true,
        events: &[Event::Answer(180), seconds(300)],
        ours: &["0 send INVITE", "0 deliver 180", "181000 send CANCEL", "213000 end timeout"],
        theirs: &["0 send INVITE", "0 deliver 180"],
    },
    Difference {
        why: "only a refusal is acknowledged again (RFC 3261 §17.1.1.2, RFC 6026 §8.4); there any late answer is",
        machine: Machine::ClientInvite,
        is_reliable: false,
        events: &[Event::Answer(486), Event::Answer(180), Event::Answer(200)],
        ours: &["0 send INVITE", "0 send ACK", "0 deliver 486"],
        theirs: &["0 send INVITE", "0 send ACK", "0 deliver 486", "0 send ACK", "0 send ACK"],
    },
    Difference {
        why: "an INVITE that comes again before 200 ms is a lost 100 or a slow user (RFC 3261 §17.2.1): 100 at once",
        machine: Machine::ServerInvite,
        is_reliable: false,
        events: &[Event::Again, seconds(1)],
        ours: &["0 deliver INVITE", "0 send 100"],
        theirs: &["0 deliver INVITE", "200 send 100"],
    },
    Difference {
        why: "nothing lives for ever: an INVITE that its user forgot ends; there it is the driver's to abandon",
        machine: Machine::ServerInvite,
        is_reliable: true,
        events: &[Event::Answer(180), seconds(700)],
        ours: &["0 deliver INVITE", "0 send 180", "600000 end timeout"],
        theirs: &["0 deliver INVITE", "0 send 180"],
    },
    Difference {
        why: "nothing lives for ever: a request that its user forgot ends; there it is the driver's to abandon",
        machine: Machine::Server,
        is_reliable: false,
        events: &[seconds(700)],
        ours: &["0 deliver OPTIONS", "64000 end timeout"],
        theirs: &["0 deliver OPTIONS"],
    },
];

#[test]
fn each_difference_between_the_machines_is_named() {
    for difference in &DIFFERENCES {
        let Difference { why, machine, is_reliable, events, .. } = *difference;
        let story = Story { machine, is_reliable, events: events.to_vec() };
        assert_eq!(story.of_ours(), difference.ours, "ours: {why}");
        assert_eq!(story.of_theirs(), difference.theirs, "theirs: {why}");
    }
}

#[test]
fn thousands_of_random_stories_read_the_same_on_both_sides() {
    const STORIES: usize = 4_000;
    let mut random = Random::new(Seed::from_number(3261));
    let (mut ended, mut longest) = (0, 0);
    for number in 0..STORIES {
        let story = random_story(&mut random);
        let ours = story.of_ours();
        let Story { machine, is_reliable, events } = &story;
        assert_eq!(ours, story.of_theirs(), "story {number}: {machine:?}, reliable: {is_reliable}, {events:?}");
        ended += usize::from(ours.last().is_some_and(|line| line.contains(" end ")));
        longest = longest.max(ours.len());
    }
    assert!(ended > STORIES / 3, "only {ended} stories came to an end");
    assert!(longest > 15, "the longest story has {longest} lines");
}

/// The states of RFC 6026: behind a 2xx every further 2xx and every ACK is delivered, and nothing is refused any more.
#[test]
fn behind_a_2xx_both_sides_do_as_rfc_6026_says() {
    let accepted = [Event::Answer(200), Event::Answer(200), Event::Answer(486), seconds(31), seconds(2)];
    for is_reliable in [false, true] {
        let story = Story { machine: Machine::ClientInvite, is_reliable, events: accepted.to_vec() };
        assert_eq!(story.of_ours(), ["0 send INVITE", "0 deliver 200", "0 deliver 200", "32000 end done"]);
        assert_eq!(story.of_theirs(), story.of_ours());
        let events = [Event::Answer(200), Event::Again, Event::Ack, Event::Ack, Event::Answer(486), seconds(33)];
        let story = Story { machine: Machine::ServerInvite, is_reliable, events: events.to_vec() };
        let expected = ["0 deliver INVITE", "0 send 200", "0 deliver ACK", "0 deliver ACK", "32000 end done"];
        assert_eq!(story.of_ours(), expected);
        assert_eq!(story.of_theirs(), expected);
    }
}

/// A story that keeps clear of the [`DIFFERENCES`]: what a machine does once its user forgot it is not told here.
fn random_story(random: &mut Random) -> Story {
    const MACHINES: [Machine; 4] = [Machine::ClientInvite, Machine::Client, Machine::ServerInvite, Machine::Server];
    const WAITS_MS: [u64; 8] = [0, 100, 250, 500, 1_000, 2_345, 5_000, 7_000];
    let machine = pick(random, &MACHINES);
    let is_reliable = random.chance(40);
    let mut events = Vec::new();
    let mut final_status = None;
    // Then the user of a server's machine was slow enough for 100, or the first answer is there.
    if machine == Machine::ServerInvite {
        events.push(if random.chance(50) { Event::Wait(Duration::from_millis(250)) } else { Event::Answer(180) });
    }
    for _ in 0..random.below(8) {
        let event = match random.below(10) {
            0..4 => Event::Wait(Duration::from_millis(pick(random, &WAITS_MS))),
            4 if machine == Machine::ServerInvite => Event::Ack,
            5 | 6 if !machine.is_client() => Event::Again,
            7 if !is_refused(final_status) || machine != Machine::ClientInvite => Event::Answer(180),
            8 => Event::Answer(if is_refused(final_status) { 486 } else { 200 }),
            _ if final_status == Some(200) => Event::Again,
            _ => Event::Answer(486),
        };
        if let Event::Answer(status @ 200..) = event {
            final_status = final_status.or(Some(status));
        }
        if !(machine.is_client() && matches!(event, Event::Again | Event::Ack)) {
            events.push(event);
        }
    }
    // Long enough for the absorbing clocks of those that are answered, too short for the others to be given up.
    if final_status.is_some() || machine == Machine::Client {
        events.push(Event::Wait(Duration::from_secs(70)));
    } else if !matches!(machine, Machine::Server) {
        events.push(Event::Wait(Duration::from_secs(33)));
    }
    Story { machine, is_reliable, events }
}

fn is_refused(final_status: Option<u16>) -> bool {
    final_status.is_some_and(|status| status >= 300)
}

fn pick<T: Copy>(random: &mut Random, list: &[T]) -> T {
    list[usize::try_from(random.below(list.len() as u64)).expect("a position in a list")]
}
