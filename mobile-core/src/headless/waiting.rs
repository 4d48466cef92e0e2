//! A phone that sleeps until a push comes, and takes typed commands meanwhile.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use callfield_domain::CallId;
use clap::Parser as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::arguments::{OnOff, Typed, TypedLine, WaitArguments};
use super::output::Output;
use super::push_channel::{ChannelError, PushChannel, Stream};
use super::termination::Termination;
use super::{asking, line};
use crate::events::{Event, Stamped};
use crate::session::Session;

/// The pause before the push channel is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long quitting waits for calls to end and their files to be written.
const FAREWELL: Duration = Duration::from_secs(3);
const LINES_MAX: usize = 64;

/// Waits until `quit`, an interrupt or a termination.
///
/// # Errors
/// If the phone is not enrolled or cannot be woken.
pub(super) async fn wait(
    session: &Session,
    folder: &Path,
    arguments: &WaitArguments,
    output: &Output,
) -> anyhow::Result<()> {
    session.state()?.account.context("this phone is not enrolled: run `callfield-phone enrol` first")?;
    let channel = PushChannel::kept(folder)?;
    let printing = tokio::spawn(print(session.clone(), session.subscribe(), arguments.answer_after, *output));
    let listening = tokio::spawn(listen(session.clone(), channel, *output));
    let (typed, mut lines) = mpsc::channel(LINES_MAX);
    tokio::spawn(read_lines(typed));
    let mut terminated = Termination::new()?;
    loop {
        tokio::select! {
            Some(line) = lines.recv() => {
                if obey(session, &line, output).await == Then::Quit {
                    break;
                }
            }
            () = terminated.wait() => break,
        }
    }
    listening.abort();
    farewell(session).await;
    output.said(session.clock().now(), "bye", json!({}));
    printing.abort();
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    Quit,
}

/// Hands every push to the core; over and over, since the channel is lost with the network.
async fn listen(session: Session, mut channel: PushChannel, output: Output) {
    let say = |name: &str, fields: Value| output.said(session.clock().now(), name, fields);
    let (mut is_first, mut is_told) = (true, false);
    loop {
        session.network().until_on().await;
        match channel.listen(session.network()).await {
            Ok(stream) => {
                say(if is_first { "asleep" } else { "push_channel_back" }, json!({}));
                (is_first, is_told) = (false, false);
                hand_over(&session, &mut channel, stream).await;
            }
            Err(ChannelError::Refused(status)) => {
                return say("push_channel_refused", json!({ "status": status }));
            }
            Err(ChannelError::Unreachable(error)) if !is_told => {
                is_told = true;
                say("push_channel_lost", json!({ "reason": error.to_string() }));
            }
            Err(ChannelError::Unreachable(_)) => {}
        }
        sleep(RETRY).await;
    }
}

async fn hand_over(session: &Session, channel: &mut PushChannel, mut stream: Stream) {
    while let Some(pushed) = stream.next().await {
        let (kind, payload) = channel.handed_over(&pushed);
        session.push_received(kind, &payload);
        if let Err(error) = channel.note(&pushed) {
            tracing::warn!(%error, "the place in the push channel could not be kept");
        }
    }
}

/// Prints what happens, and answers by itself where asked to.
async fn print(session: Session, mut events: Receiver<Stamped>, answer_after: Option<u64>, output: Output) {
    loop {
        let stamped = match events.recv().await {
            Ok(stamped) => stamped,
            Err(RecvError::Lagged(missed)) => {
                output.said(session.clock().now(), "events_missed", json!({ "count": missed }));
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        output.event(&stamped);
        if let (Event::Ringing { call, .. }, Some(after_ms)) = (&stamped.event, answer_after) {
            let (session, call) = (session.clone(), *call);
            tokio::spawn(async move {
                sleep(Duration::from_millis(after_ms)).await;
                session.answer(call).await;
            });
        }
    }
}

async fn read_lines(typed: mpsc::Sender<String>) {
    let mut lines = BufReader::new(stdin()).lines();
    // At the end of its input the phone goes on waiting for pushes.
    while let Ok(Some(line)) = lines.next_line().await {
        if typed.send(line).await.is_err() {
            return;
        }
    }
}

async fn obey(session: &Session, line: &str, output: &Output) -> Then {
    let say = |name: &str, fields: Value| output.said(session.clock().now(), name, fields);
    let words = line::words(line).unwrap_or_default();
    if words.is_empty() {
        return Then::GoOn;
    }
    let typed = match TypedLine::try_parse_from(words) {
        Ok(TypedLine { command }) => command,
        Err(help) => {
            say("usage", json!({ "detail": help.to_string() }));
            return Then::GoOn;
        }
    };
    let done = match typed {
        Typed::Quit => return Then::Quit,
        // What becomes of it is told as events.
        Typed::Dial { number } => session.dial(&number).await.map(drop).map_err(Into::into),
        Typed::Answer { call } => on_call(session, call, async |call| session.answer(call).await).await,
        Typed::Decline { call } => on_call(session, call, async |call| session.decline(call).await).await,
        Typed::Hold { call } => on_call(session, call, async |call| session.hold(call).await).await,
        Typed::Resume { call } => on_call(session, call, async |call| session.resume(call).await).await,
        Typed::Transfer { number, call } => transfer(session, call, &number).await,
        Typed::Swap => {
            session.swap().await;
            Ok(())
        }
        Typed::End { call } => on_call(session, call, async |call| session.hang_up(call).await).await,
        Typed::Network { state } => {
            session.set_network(state == OnOff::On).await;
            Ok(())
        }
        Typed::Foreground { state } => {
            session.set_foreground(state == OnOff::On).await;
            Ok(())
        }
        Typed::Ask(ask) => asking::perform(session, &ask, output).await,
    };
    if let Err(error) = done {
        say("refused", json!({ "detail": format!("{error:#}") }));
    }
    Then::GoOn
}

async fn on_call(session: &Session, named: Option<CallId>, act: impl AsyncFnOnce(CallId)) -> anyhow::Result<()> {
    act(live_call(session, named)?).await;
    Ok(())
}

async fn transfer(session: &Session, named: Option<CallId>, number: &str) -> anyhow::Result<()> {
    let call = live_call(session, named)?;
    Ok(session.transfer(call, number).await?)
}

fn live_call(session: &Session, named: Option<CallId>) -> anyhow::Result<CallId> {
    let live = session.state()?.live_calls;
    named.or_else(|| live.first().copied()).context("there is no call")
}

/// Ends what is live, and waits until it is over and its sound is written.
async fn farewell(session: &Session) {
    let mut events = session.subscribe();
    let mut live = session.state().map(|state| state.live_calls).unwrap_or_default();
    for call in &live {
        session.hang_up(*call).await;
    }
    let all_over = async {
        while !live.is_empty() {
            match events.recv().await.map(|stamped| stamped.event) {
                Ok(Event::AudioEnded { call, .. }) => live.retain(|one| *one != call),
                Ok(Event::Asleep) | Err(RecvError::Closed) => return,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
            }
        }
    };
    // A call that does not end in time is ended by the server.
    let _ = timeout(FAREWELL, all_over).await;
}
