//! The frame of every bench: rows with a bar each, a table for people, JSON lines for machines, an exit status.
//!
//! A bench runs us and its peer alternately in one run and quotes ratios: the machines are small and noisy, and what
//! two programs did in the same minute can be compared where absolute figures cannot.

pub mod allocations;
pub mod parse;
pub mod processor;
pub mod sip;
pub mod transactions;
pub mod wake;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// What a measured value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// Ours is at most this.
    AtMost(f64),
    /// Ours is at least this.
    AtLeast(f64),
    /// Ours divided by the peer's is at most this.
    RatioAtMost(f64),
    /// No bar: reported only.
    None,
}

/// One measured quantity.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// In which unit.
    pub unit: &'static str,
    /// What we did.
    pub ours: f64,
    /// What the peer did in the same run.
    pub peer: Option<f64>,
    /// What must hold.
    pub bar: Bar,
}

#[derive(Serialize)]
struct Line<'a> {
    what: &'a str,
    unit: &'a str,
    ours: f64,
    peer: Option<f64>,
    ratio: Option<f64>,
    bar: Option<String>,
    holds: bool,
}

impl Row {
    /// Ours divided by the peer's.
    pub fn ratio(&self) -> Option<f64> {
        self.peer.filter(|peer| *peer > 0.0).map(|peer| self.ours / peer)
    }

    /// Whether the bar holds; a ratio without a peer does not.
    pub fn holds(&self) -> bool {
        match self.bar {
            Bar::AtMost(limit) => self.ours <= limit,
            Bar::AtLeast(limit) => self.ours >= limit,
            Bar::RatioAtMost(limit) => self.ratio().is_some_and(|ratio| ratio <= limit),
            Bar::None => true,
        }
    }

    fn bar_text(&self) -> Option<String> {
        match self.bar {
            Bar::AtMost(limit) => Some(format!("≤ {limit}")),
            Bar::AtLeast(limit) => Some(format!("≥ {limit}")),
            Bar::RatioAtMost(limit) => Some(format!("ratio ≤ {limit}")),
            Bar::None => None,
        }
    }
}

/// The rows as an aligned table.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<44} {:>10} {:>10} {:>7} {:>14}  unit\n", "what", "ours", "peer", "ratio", "bar");
    for row in rows {
        let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        let bar = row.bar_text().unwrap_or_else(|| "–".to_owned());
        let verdict = if row.holds() { "" } else { "   FAILS" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<44} {:>10} {:>10} {:>7} {:>14}  {}{verdict}",
            row.what,
            number(Some(row.ours)),
            number(row.peer),
            number(row.ratio()),
            bar,
            row.unit
        );
    }
    text
}

/// The rows as JSON, one object a line.
pub fn json_lines(rows: &[Row]) -> Result<String> {
    let mut text = String::new();
    for row in rows {
        let line = Line {
            what: &row.what,
            unit: row.unit,
            ours: row.ours,
            peer: row.peer,
            ratio: row.ratio(),
            bar: row.bar_text(),
            holds: row.holds(),
        };
        text.push_str(&serde_json::to_string(&line)?);
        text.push('\n');
    }
    Ok(text)
}

/// Writes the rows' JSON lines to `file`.
pub fn write_json(rows: &[Row], file: &Path) -> Result<()> {
    std::fs::write(file, json_lines(rows)?).with_context(|| format!("cannot write {}", file.display()))
}

/// The value below which `percent` of the samples lie; 0 of no samples.
pub fn percentile(samples: &mut [f64], percent: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let last = samples.len().saturating_sub(1);
    let index = (percent / 100.0 * last as f64).ceil() as usize;
    samples.get(index.min(last)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, peer: Option<f64>, bar: Bar) -> Row {
        Row { what: "calls".to_owned(), unit: "µs", ours, peer, bar }
    }

    #[test]
    fn a_ratio_without_a_peer_does_not_hold() {
        assert!(!row(1.0, None, Bar::RatioAtMost(1.0)).holds());
        assert!(row(1.0, Some(2.0), Bar::RatioAtMost(0.5)).holds());
        assert!(!row(1.1, Some(2.0), Bar::RatioAtMost(0.5)).holds());
    }

    #[test]
    fn a_failed_bar_is_shown_in_both_forms() {
        let rows = [row(12.0, None, Bar::AtMost(10.0))];
        assert!(table(&rows).contains("FAILS"));
        assert_eq!(
            json_lines(&rows).unwrap(),
            "{\"what\":\"calls\",\"unit\":\"µs\",\"ours\":12.0,\"peer\":null,\"ratio\":null,\"bar\":\"≤ 10\",\"holds\":false}\n"
        );
    }

    #[test]
    fn percentiles_are_samples() {
        let mut samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut samples, 50.0), 51.0);
        assert_eq!(percentile(&mut samples, 99.0), 100.0);
        assert_eq!(percentile(&mut [], 50.0), 0.0);
    }
}
