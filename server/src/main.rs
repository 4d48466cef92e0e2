//! `callfield`: the server and its administration commands.

use std::process::ExitCode;

use callfield_server::cli::Cli;
use clap::Parser as _;

#[expect(clippy::print_stderr, reason = "a command that fails says why in one line")]
fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("callfield: {error:#}");
            ExitCode::FAILURE
        }
    }
}
