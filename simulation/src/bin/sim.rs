//! `callfield-sim SEED [COUNT]`: the readable trace of one seed, or a verdict on many.

use std::io::Write as _;
use std::process::ExitCode;

use callfield_simulation::{Mutant, World};

const USAGE: &str = "usage: callfield-sim SEED [COUNT]\n\nWith a SEED alone: what happens in that world, line by line.\n\
With a COUNT: runs that many seeds and names the first that breaks an invariant.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = arguments.iter().map(|argument| argument.parse().ok()).collect();
    let mut out = std::io::stdout().lock();
    let written = match numbers.as_deref() {
        Some([seed]) => show(&mut out, *seed),
        Some([seed, count]) => judge(&mut out, *seed, *count),
        Some(_) | None => writeln!(out, "{USAGE}").map(|()| ExitCode::from(2)),
    };
    written.unwrap_or(ExitCode::FAILURE)
}

fn show(out: &mut impl std::io::Write, seed: u64) -> std::io::Result<ExitCode> {
    let mut world = World::new(seed, Mutant::None, true);
    let verdict = world.run();
    for line in world.lines() {
        writeln!(out, "{line}")?;
    }
    match verdict {
        Ok(summary) => {
            writeln!(
                out,
                "seed {seed} is sound: {} calls, {} connected, {} rows, {} steps, trace {:016x}",
                summary.calls, summary.connected, summary.rows, summary.steps, summary.hash
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Err(violation) => {
            writeln!(out, "seed {seed} breaks {violation}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn judge(out: &mut impl std::io::Write, first: u64, count: u64) -> std::io::Result<ExitCode> {
    let (mut calls, mut connected, mut steps) = (0, 0, 0);
    for seed in first..first.saturating_add(count) {
        match World::new(seed, Mutant::None, false).run() {
            Ok(summary) => {
                calls += summary.calls;
                connected += summary.connected;
                steps += summary.steps;
            }
            Err(violation) => {
                writeln!(out, "./dev sim {seed}\n{violation}")?;
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    writeln!(out, "{count} seeds are sound: {calls} calls, {connected} connected, {steps} steps")?;
    Ok(ExitCode::SUCCESS)
}
