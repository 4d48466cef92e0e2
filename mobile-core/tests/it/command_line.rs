//! `callfield-phone` as a person or a script calls with it.

use std::fs::File;
use std::path::Path;
use std::process::{Output, Stdio};

use callfield_media::session::RATE_HZ;
use callfield_media::{tones, wav};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::edge::Edge;
use crate::kills::waiting;
use crate::office::Office;
use crate::phone::{Phone, office_and_phone};
use crate::sound::{Tone, is_tone};

const PHONE_HZ: f64 = 440.0;
const FAR_END_HZ: f64 = 1_000.0;

/// The folder of an enrolled phone that nobody runs.
async fn office_edge_and_folder() -> (Office, Edge, tempfile::TempDir) {
    let (office, phone) = office_and_phone().await;
    let edge = office.edge();
    let Phone { folder, session, events } = phone;
    drop((session, events));
    (office, edge, folder)
}

async fn dial(folder: &Path, more: &[&str]) -> Output {
    begun(folder, more).wait_with_output().await.unwrap()
}

fn begun(folder: &Path, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_callfield-phone"))
        .arg("--data")
        .arg(folder)
        .args(["--json", "dial"])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn events(output: &Output) -> Vec<String> {
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn dial_speaks_one_file_writes_another_and_hangs_up_in_time() {
    let (_office, mut edge, folder) = office_edge_and_folder().await;
    let (play, record) = (folder.path().join("play.wav"), folder.path().join("record.wav"));
    let tone = tones::sine(PHONE_HZ, RATE_HZ, 12_000, RATE_HZ as usize);
    wav::write(File::create(&play).unwrap(), &tone).unwrap();
    let files = ["--play", play.to_str().unwrap(), "--record", record.to_str().unwrap()];
    let (far_tone, mut heard_there) = Tone::new(FAR_END_HZ);
    let far_end = async {
        let mut far_end = edge.called().await;
        far_end.ring().await;
        far_end.answer(&far_tone).await;
        heard_there.tone(PHONE_HZ).await;
        far_end.hung_up().await;
    };
    let words = [&["03-1234-5678", "--for", "2"], &files[..]].concat();
    let (output, ()) = tokio::join!(dial(folder.path(), &words), far_end);
    assert!(output.status.success(), "{output:?}");
    let happened = events(&output);
    for event in ["dialling", "remote_ringing", "established", "audio_started", "ended", "asleep"] {
        assert!(happened.iter().any(|one| one == event), "{event} is missing in {happened:?}");
    }
    let heard = wav::read(File::open(&record).unwrap()).unwrap();
    assert!(heard.chunks(RATE_HZ as usize / 5).any(|piece| is_tone(piece, FAR_END_HZ)));
}

#[tokio::test]
async fn dial_fails_with_a_sentence_when_the_line_is_busy() {
    let (_office, mut edge, folder) = office_edge_and_folder().await;
    let far_end = async { edge.called().await.refuse(486).await };
    let (output, ()) = tokio::join!(dial(folder.path(), &["+81312345678"]), far_end);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "callfield-phone: {\"error\":\"the line is busy\"}\n");
}

#[tokio::test]
async fn dial_refuses_emergency_numbers() {
    let (_office, _edge, folder) = office_edge_and_folder().await;
    let output = dial(folder.path(), &["119"]).await;
    assert_eq!((output.status.code(), events(&output).len()), (Some(1), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("emergency"));
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_dial_takes_the_call_back() {
    let (_office, mut edge, folder) = office_edge_and_folder().await;
    let dialling = begun(folder.path(), &["+81312345678"]);
    let mut far_end = edge.called().await;
    far_end.ring().await;
    let process = dialling.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().await.unwrap().success());
    far_end.cancelled().await;
    let output = dialling.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("given up before anybody answered"));
}

#[tokio::test]
async fn a_waiting_phone_dials_and_hangs_up_as_it_is_told() {
    let (_office, mut edge, folder) = office_edge_and_folder().await;
    let mut phone = waiting(folder.path());
    let mut keyboard = phone.stdin.take().unwrap();
    keyboard.write_all(b"dial 110\ndial 03-1234-5678\n").await.unwrap();
    let mut far_end = edge.called().await;
    far_end.answer(&Tone::new(FAR_END_HZ).0).await;
    keyboard.write_all(b"end\n").await.unwrap();
    far_end.hung_up().await;
    keyboard.write_all(b"quit\n").await.unwrap();
    let happened = events(&phone.wait_with_output().await.unwrap());
    for event in ["refused", "dialling", "established", "ended", "bye"] {
        assert!(happened.iter().any(|one| one == event), "{event} is missing in {happened:?}");
    }
}
