//! Links with faults: datagrams that are lost, doubled and overtaken; streams that keep order until they break.

use std::collections::BTreeMap;

use callfield_domain::{Random, Timestamp};

use crate::schedule::ms;

/// How bad the world's links are; drawn once a seed, so that some worlds are kind and some are not.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Percent of datagrams that are lost.
    pub loss: u64,
    /// Percent of datagrams that arrive twice.
    pub doubled: u64,
    /// The longest delay of a datagram or of a stream's piece, in milliseconds.
    pub delay_ms: u64,
    /// Percent of streams that break some day.
    pub breaks: u64,
    /// Percent of connection attempts that fail.
    pub refused: u64,
    /// Percent of pushes that are lost.
    pub push_loss: u64,
    /// Percent of pushes that arrive twice.
    pub push_doubled: u64,
    /// The longest delay of a push, in milliseconds.
    pub push_delay_ms: u64,
}

impl Weather {
    /// The weather of a seed.
    pub fn draw(random: &mut Random) -> Self {
        let is_kind = random.chance(20);
        let mut up_to = |limit: u64| if is_kind { 0 } else { random.below(limit + 1) };
        Self {
            loss: up_to(25),
            doubled: up_to(20),
            delay_ms: 5 + up_to(1_500),
            breaks: up_to(60),
            refused: up_to(40),
            push_loss: up_to(40),
            push_doubled: up_to(40),
            push_delay_ms: 50 + up_to(9_000),
        }
    }

    /// When the copies of a datagram arrive, if any does.
    pub fn datagram(&self, now: Timestamp, random: &mut Random) -> Vec<Timestamp> {
        let copies = if random.chance(self.loss) { 0 } else { 1 + u64::from(random.chance(self.doubled)) };
        (0..copies).map(|_| now + ms(1 + random.below(self.delay_ms))).collect()
    }

    /// When the copies of a push arrive, if any does; now and then one is a minute late.
    pub fn push(&self, now: Timestamp, random: &mut Random) -> Vec<Timestamp> {
        let copies = if random.chance(self.push_loss) { 0 } else { 1 + u64::from(random.chance(self.push_doubled)) };
        let late = |random: &mut Random| if random.chance(self.push_loss / 8) { 60_000 } else { 0 };
        (0..copies).map(|_| now + ms(20 + random.below(self.push_delay_ms) + late(random))).collect()
    }
}

/// One stream between a phone and the edge.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The phone at one end.
    pub phone: usize,
    /// Whether the edge still has it.
    pub is_open_at_edge: bool,
    /// From when on nothing gets through any more.
    pub broken_at: Option<Timestamp>,
    to_edge_at: Timestamp,
    to_phone_at: Timestamp,
}

/// Which way something goes through a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the phone.
    ToEdge,
    /// To the phone.
    ToPhone,
}

/// All streams there ever were, by the number the edge knows them by.
#[derive(Debug, Default)]
pub struct Streams(BTreeMap<u64, Stream>);

impl Streams {
    /// A new stream of a phone; returns its number.
    pub fn open(&mut self, phone: usize, broken_at: Option<Timestamp>) -> u64 {
        let number = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        let (to_edge_at, to_phone_at) = (Timestamp::ZERO, Timestamp::ZERO);
        self.0.insert(number, Stream { phone, is_open_at_edge: false, broken_at, to_edge_at, to_phone_at });
        number
    }

    /// A stream by its number.
    pub fn stream(&mut self, number: u64) -> Option<&mut Stream> {
        self.0.get_mut(&number)
    }

    /// From `at` on nothing gets through the stream.
    pub fn break_at(&mut self, number: u64, at: Timestamp) {
        if let Some(stream) = self.0.get_mut(&number) {
            stream.broken_at = Some(stream.broken_at.map_or(at, |earlier| earlier.min(at)));
        }
    }

    /// The phone closes the stream: what it sent still arrives, unless the stream is broken.
    pub fn close_after_sent(&mut self, number: u64, now: Timestamp) {
        if let Some(last) = self.0.get(&number).map(|stream| stream.to_edge_at.max(now)) {
            self.break_at(number, last + ms(1));
        }
    }

    /// When a piece arrives: after everything sent before it, and never once the stream is broken.
    pub fn carry(
        &mut self,
        number: u64,
        way: Way,
        now: Timestamp,
        weather: &Weather,
        random: &mut Random,
    ) -> Option<Timestamp> {
        let stream = self.0.get_mut(&number)?;
        let last = match way {
            Way::ToEdge => &mut stream.to_edge_at,
            Way::ToPhone => &mut stream.to_phone_at,
        };
        let at = (now + ms(1 + random.below(weather.delay_ms / 2 + 1))).max(*last);
        *last = at;
        stream.broken_at.is_none_or(|broken_at| at < broken_at).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::Seed;

    use super::*;

    #[test]
    fn a_stream_keeps_its_order_and_carries_nothing_once_broken() {
        let mut random = Random::new(Seed::from_number(3));
        let weather = Weather { delay_ms: 1_000, ..Weather::draw(&mut random) };
        let mut streams = Streams::default();
        let number = streams.open(0, Some(Timestamp::from_millis(10_000)));
        let arrivals: Vec<Option<Timestamp>> = (0..100)
            .map(|piece| streams.carry(number, Way::ToEdge, Timestamp::from_millis(piece), &weather, &mut random))
            .collect();
        assert!(arrivals.is_sorted() && arrivals.iter().all(Option::is_some));
        let late = streams.carry(number, Way::ToEdge, Timestamp::from_millis(10_000), &weather, &mut random);
        assert_eq!(late, None);
    }
}
