//! A phone without a screen: the real core, a command line in place of buttons, WAV files in place of a microphone, and
//! the fake push services' channel in place of Apple and Google.

mod arguments;
mod asking;
mod dialling;
mod line;
mod output;
mod patch;
mod push_channel;
mod setup;
mod termination;
mod waiting;
mod wav_audio;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::audio::{AudioPort, Silence};
use crate::clock::Clock;
use crate::session::Session;

use arguments::{Arguments, Command};
use output::Output;

/// Runs `callfield-phone` with the process's arguments.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    let log = EnvFilter::builder().parse_lossy(&arguments.log);
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.fail(&error.into()),
    };
    let ran = runtime.block_on(run(arguments, &output));
    // A read of stdin cannot be stopped; nobody waits for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.fail(&error),
    }
}

async fn run(arguments: Arguments, output: &Output) -> anyhow::Result<()> {
    let audio: Arc<dyn AudioPort> = match &arguments.command {
        Command::Wait(wait) => wait.sound.port()?,
        Command::Dial(dial) => dial.sound.port()?,
        Command::Enrol(_) | Command::Ask(_) => Arc::new(Silence),
    };
    let session = Session::open(arguments.platform(), Clock::start(), audio)?;
    match &arguments.command {
        Command::Enrol(enrol) => setup::enrol(&session, &arguments.data, enrol, output).await,
        Command::Dial(dial) => dialling::dial(&session, dial, output).await,
        Command::Ask(ask) => asking::perform(&session, ask, output).await,
        Command::Wait(wait) => waiting::wait(&session, &arguments.data, wait, output).await,
    }
}
