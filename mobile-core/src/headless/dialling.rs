//! One call that the phone begins, from the command line.

use std::time::Duration;

use anyhow::{Context as _, bail};
use callfield_domain::CallId;
use clap::Args;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};

use super::output::Output;
use super::termination::Termination;
use super::wav_audio::SoundArguments;
use crate::events::{EndReason, Event, Stamped};
use crate::session::Session;

/// How long the phone waits for the server's last word, and for its sound to be written.
const FAREWELL: Duration = Duration::from_secs(3);

/// Whom to call, and for how long.
#[derive(Debug, Args)]
pub(super) struct DialArguments {
    /// The number as a person writes it: 03-1234-5678, +81312345678, or an extension of the company.
    number: String,
    #[command(flatten)]
    pub(super) sound: SoundArguments,
    /// Hang up so long after the answer; without it the other party hangs up, or an interrupt (Ctrl-C) does.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

/// Calls, and stays until the call is over.
///
/// # Errors
/// One sentence why the two did not talk, or why the call broke off.
pub(super) async fn dial(session: &Session, arguments: &DialArguments, output: &Output) -> anyhow::Result<()> {
    session.state()?.account.context("this phone is not enrolled: run `callfield-phone enrol` first")?;
    let mut events = Events { received: session.subscribe(), session: session.clone(), output: *output };
    let mut terminated = Termination::new()?;
    let call = session.dial(&arguments.number).await?;
    let mut has_talked = false;
    let reason = loop {
        tokio::select! {
            event = events.next() => match event? {
                Some(Event::Established { call: established }) if established == call => {
                    has_talked = true;
                    hang_up_after(session, call, arguments.seconds);
                }
                Some(Event::Ended { call: ended, reason, .. }) if ended == call => break reason,
                _ => {}
            },
            () = terminated.wait() => session.hang_up(call).await,
        }
    };
    // A server that does not answer any more ends the call by itself.
    let _ = timeout(FAREWELL, events.until_asleep()).await;
    verdict(has_talked, reason)
}

fn hang_up_after(session: &Session, call: CallId, seconds: Option<u64>) {
    let Some(seconds) = seconds else { return };
    let session = session.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(seconds)).await;
        session.hang_up(call).await;
    });
}

/// What happens, printed as it does.
struct Events {
    received: Receiver<Stamped>,
    session: Session,
    output: Output,
}

impl Events {
    /// The next event; `None` for some that were missed.
    async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        match self.received.recv().await {
            Ok(stamped) => {
                self.output.event(&stamped);
                Ok(Some(stamped.event))
            }
            Err(RecvError::Lagged(missed)) => {
                self.output.said(self.session.clock().now(), "events_missed", json!({ "count": missed }));
                Ok(None)
            }
            Err(RecvError::Closed) => bail!("the phone stopped"),
        }
    }

    /// Until the server has confirmed the end and what was heard is written.
    async fn until_asleep(&mut self) {
        while let Ok(event) = self.next().await {
            if matches!(event, Some(Event::Asleep)) {
                return;
            }
        }
    }
}

fn verdict(has_talked: bool, reason: EndReason) -> anyhow::Result<()> {
    match reason {
        EndReason::HungUp | EndReason::RemoteHungUp if has_talked => Ok(()),
        EndReason::Unreachable | EndReason::Failed | EndReason::Over if has_talked => bail!("the call broke off"),
        EndReason::HungUp | EndReason::Declined => bail!("given up before anybody answered"),
        EndReason::Busy => bail!("the line is busy"),
        EndReason::NoAnswer => bail!("nobody answered"),
        EndReason::Rejected => bail!("the call was refused, or there is no such number"),
        EndReason::Emergency => bail!("emergency numbers are called with the phone's own dialler"),
        EndReason::Unreachable => bail!("the server cannot be reached"),
        EndReason::Failed => bail!("the call failed"),
        EndReason::RemoteHungUp | EndReason::Over | EndReason::Cancelled | EndReason::AnsweredElsewhere => {
            bail!("the call ended before anybody answered")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_two_talked_on_and_one_hung_up_is_a_success() {
        for reason in [EndReason::HungUp, EndReason::RemoteHungUp] {
            assert!(verdict(true, reason).is_ok());
            assert!(verdict(false, reason).is_err());
        }
        assert_eq!(verdict(true, EndReason::Failed).unwrap_err().to_string(), "the call broke off");
        assert_eq!(verdict(false, EndReason::Busy).unwrap_err().to_string(), "the line is busy");
    }
}
