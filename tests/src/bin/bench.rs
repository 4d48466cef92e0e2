//! `callfield-bench NAME`: measures, prints a table, exits 1 if a bar fails.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use callfield_tests::bench::allocations::CountingAllocator;
use callfield_tests::bench::{self, Row};
use clap::{Parser, ValueEnum};

/// Measures us (and the peer, where there is one) and holds the result against its bar.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to measure
    name: Name,
    /// Write the rows to FILE too, as JSON, one object a line
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// What a REGISTER and a call cost, beside Kamailio with the same sipp scenarios
    Sip,
    /// From the INVITE to the push and from REGISTER to the INVITE, at 20 calls a second
    Wake,
    /// A message parsed and nine of its headers read, in alternating rounds with sipx-sip
    Parse,
    /// Waits for the store of transactions while it grows to 100,000, and what one weighs, beside sipx-sip
    Transactions,
}

/// Counts what is asked of it; the rest is the system's allocator.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[tokio::main]
async fn main() -> ExitCode {
    match measure(&Arguments::parse()).await {
        Ok(rows) if rows.iter().all(Row::holds) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "The bench failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let folder = tempfile::Builder::new().prefix("callfield-bench-").tempdir()?;
    let rows = match arguments.name {
        Name::Sip => bench::sip::run(folder.path()).await?,
        Name::Wake => bench::wake::run(folder.path()).await?,
        Name::Parse => bench::parse::run()?,
        Name::Transactions => bench::transactions::run()?,
    };
    let _ = write!(std::io::stdout(), "{}", bench::table(&rows));
    if let Some(file) = &arguments.json {
        bench::write_json(&rows, file)?;
    }
    Ok(rows)
}
