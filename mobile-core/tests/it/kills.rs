//! `callfield-phone` killed while it writes: what it said is done is there afterwards.

use std::process::Stdio;

use callfield_mobile_core::journal::EntryState;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::office::{CODE, Office};
use crate::phone::Phone;

const KILLS: usize = 12;

/// A phone that waits for pushes from nowhere, with its network off.
pub(crate) fn waiting(data: &std::path::Path) -> Child {
    let nowhere = r#"{"control":"http://127.0.0.1:9","service":"fcm","token":"none","after":null}"#;
    std::fs::write(data.join("push.json"), nowhere).unwrap();
    Command::new(env!("CARGO_BIN_EXE_callfield-phone"))
        .arg("--data")
        .arg(data)
        .args(["wait", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Types calls and logs without end, and kills the phone after it said `after` times that a call is logged.
async fn killed_while_logging(data: &std::path::Path, round: usize, after: usize) -> Vec<String> {
    let mut child = waiting(data);
    let mut stdin = child.stdin.take().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let typing = tokio::spawn(async move {
        let mut lines = String::from("network off\n");
        for n in 0..50 {
            lines.push_str(&format!("native --number +81901{round:03}{n:04}\nlog last --result interested\n"));
        }
        // The pipe breaks with the kill.
        let _ = stdin.write_all(lines.as_bytes()).await;
    });
    let mut logged = Vec::new();
    while logged.len() < after {
        let event: Value = serde_json::from_str(&said.next_line().await.unwrap().unwrap()).unwrap();
        if event["event"] == "logged" {
            logged.push(event["call"].as_str().unwrap().to_owned());
        }
    }
    child.kill().await.unwrap();
    typing.abort();
    logged
}

#[tokio::test]
async fn what_was_said_to_be_logged_survives_every_kill_and_is_sent() {
    let office = Office::open().await;
    let phone = Phone::opened(tempfile::tempdir().unwrap());
    phone.enrol(&office, CODE).await.unwrap();
    let Phone { folder, session, events } = phone;
    drop((session, events));

    let mut logged = Vec::new();
    for round in 0..KILLS {
        logged.extend(killed_while_logging(folder.path(), round, 1 + round % 4).await);
    }
    let phone = Phone::opened(folder);
    let kept = phone.session.journal(&[EntryState::Logged], 10_000).unwrap();
    for call in &logged {
        assert!(kept.iter().any(|entry| entry.call.to_string() == *call), "{call} is lost");
    }
    let synced = phone.sync().await.unwrap();
    assert_eq!((usize::try_from(synced.sent).unwrap(), synced.unsent), (kept.len(), 0));
}
