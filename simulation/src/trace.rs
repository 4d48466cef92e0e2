//! The trace of a world: a hash that two runs of a seed must share, and lines for people.

use std::fmt::Display;

use callfield_domain::Timestamp;

/// What happened, as a hash (FNV-1a) and, if wanted, as text.
#[derive(Debug)]
pub struct Trace {
    start: Timestamp,
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace; `keeps_lines` for one that a person will read.
    pub const fn new(start: Timestamp, keeps_lines: bool) -> Self {
        Self { start, hash: 0xcbf2_9ce4_8422_2325, lines: if keeps_lines { Some(Vec::new()) } else { None } }
    }

    /// Adds what `who` did or met.
    pub fn add(&mut self, now: Timestamp, who: impl Display, what: &str) {
        let line = format!("{:>8} ms  {who:<9} {what}", now.since(self.start).as_millis());
        self.add_bytes(line.as_bytes());
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// Adds bytes that went over a link.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The hash of everything so far.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, if they were kept.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
