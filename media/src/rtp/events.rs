//! Key presses as RFC 4733 events: reading them, and sending one as packets of growing duration.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Packet;

const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];
const VOLUME: u8 = 10;
const END: u8 = 0x80;
/// A key sounds for 100 ms, then 60 ms are silent.
const PRESS_MS: u32 = 100;
const PAUSE_MS: u32 = 60;
/// The end is said three times, as any of them may be lost (RFC 4733 §2.5.1.4).
const END_REPEATS: u32 = 3;
const QUEUE_MAX: usize = 64;

/// Reads key presses out of event packets: each press once, whichever of its packets arrive.
#[derive(Debug, Default)]
pub struct Listener {
    /// The source and timestamp of the last press: all packets of one press share them.
    last: Option<(u32, u32)>,
}

impl Listener {
    /// The key of an event packet, when it belongs to a press that was not heard before.
    pub fn hear(&mut self, packet: &Packet) -> Option<char> {
        let key = packet.payload.first().filter(|_| packet.payload.len() >= 4)?;
        let key = *KEYS.get(usize::from(*key))?;
        let press = (packet.ssrc, packet.timestamp);
        let is_older = self.last.is_some_and(|(ssrc, timestamp)| {
            ssrc == packet.ssrc && packet.timestamp.wrapping_sub(timestamp).cast_signed() <= 0
        });
        if is_older {
            return None;
        }
        self.last = Some(press);
        Some(key)
    }
}

/// Turns queued keys into packets, one per tick.
#[derive(Debug, Default)]
pub struct Presser {
    queue: VecDeque<u8>,
    press: Option<Press>,
}

#[derive(Debug)]
struct Press {
    key: u8,
    timestamp: u32,
    played_ms: u32,
    ends_sent: u32,
}

/// What the presser sends in this tick, in place of speech.
#[derive(Debug, PartialEq, Eq)]
pub enum Tick {
    /// An event packet's payload; all packets of a press carry `timestamp`.
    Event {
        /// The RTP time at which the key went down.
        timestamp: u32,
        /// True for the first packet of a press.
        marker: bool,
        /// Four bytes.
        payload: Bytes,
    },
    /// Nothing: the pause between two keys.
    Pause,
}

impl Presser {
    /// Queues keys; false, and nothing queued, when a character is no key or too many wait.
    pub fn queue(&mut self, keys: &str) -> bool {
        let codes = keys.chars().map(|key| KEYS.iter().position(|&known| known == key.to_ascii_uppercase()));
        let Some(codes) = codes.map(|code| u8::try_from(code?).ok()).collect::<Option<Vec<_>>>() else {
            return false;
        };
        let has_room = self.queue.len() + codes.len() <= QUEUE_MAX;
        self.queue.extend(codes.into_iter().filter(|_| has_room));
        has_room
    }

    /// The packet of this tick of `ptime_ms` at RTP time `now`; `None` when no key is down.
    pub fn tick(&mut self, now: u32, ptime_ms: u32) -> Option<Tick> {
        if self.press.is_none() {
            let key = self.queue.pop_front()?;
            self.press = Some(Press { key, timestamp: now, played_ms: 0, ends_sent: 0 });
        }
        let press = self.press.as_mut()?;
        let marker = press.played_ms == 0;
        press.played_ms += ptime_ms;
        if press.played_ms >= PRESS_MS + PAUSE_MS && press.ends_sent >= END_REPEATS {
            self.press = None;
            return Some(Tick::Pause);
        }
        let is_down = press.played_ms < PRESS_MS;
        if !is_down && press.ends_sent == END_REPEATS {
            return Some(Tick::Pause);
        }
        press.ends_sent += u32::from(!is_down);
        let duration = u16::try_from(press.played_ms.min(PRESS_MS) * 8).unwrap_or(u16::MAX).to_be_bytes();
        let flags = VOLUME | if is_down { 0 } else { END };
        let payload = Bytes::copy_from_slice(&[press.key, flags, duration[0], duration[1]]);
        Some(Tick::Event { timestamp: press.timestamp, marker, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(keys: &str) -> Vec<Packet> {
        let mut presser = Presser::default();
        assert!(presser.queue(keys));
        let (mut packets, mut now) = (Vec::new(), 1000_u32);
        while let Some(tick) = presser.tick(now, 20) {
            if let Tick::Event { timestamp, marker, payload } = tick {
                let sequence = packets.len() as u16;
                packets.push(Packet { marker, payload_type: 101, sequence, timestamp, ssrc: 1, payload });
            }
            now += 160;
        }
        packets
    }

    #[test]
    fn keys_come_out_in_order_and_each_once() {
        let mut listener = Listener::default();
        let heard: String = packets("112*#d").iter().filter_map(|packet| listener.hear(packet)).collect();
        assert_eq!(heard, "112*#D");
    }

    #[test]
    fn a_press_is_one_marker_growing_durations_and_three_ends() {
        let packets = packets("5");
        let shape: Vec<_> = packets.iter().map(|p| (p.marker, p.payload[1] >> 7, p.payload[3], p.payload[2])).collect();
        let duration = |units: u16| (units.to_be_bytes()[1], units.to_be_bytes()[0]);
        let expected: Vec<_> = [(true, 0, 160), (false, 0, 320), (false, 0, 480), (false, 0, 640)]
            .into_iter()
            .chain([(false, 1, 800); 3])
            .map(|(marker, end, units)| (marker, end, duration(units).0, duration(units).1))
            .collect();
        assert_eq!(shape, expected);
    }

    #[test]
    fn a_press_is_heard_when_all_but_one_packet_is_lost() {
        for survivor in 0..7 {
            let mut listener = Listener::default();
            assert_eq!(listener.hear(&packets("7")[survivor]), Some('7'));
        }
    }

    #[test]
    fn what_is_no_key_is_not_queued() {
        let mut presser = Presser::default();
        assert!(!presser.queue("12x"));
        assert!(presser.tick(0, 20).is_none());
        assert!(
            Listener::default()
                .hear(&Packet { payload: Bytes::from_static(&[16, 0, 0, 0]), ..packets("1")[0].clone() })
                .is_none()
        );
    }
}
