//! From enrolment to the end of the call.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{ANDROID, IPHONE, Narrator, Phones};
use crate::deployment::{COMPANY_NUMBER, CONTACT_NAME, CONTACT_NUMBER, Deployment, text};
use crate::pbx::{Dial, PbxCall, Progress};
use crate::phone::Phone;
use crate::sound::{self, share_of_tone};

/// The tone the PBX plays and the phone must hear.
const PBX_TONE_HZ: f64 = 440.0;
/// The tone the phone plays and the PBX must hear.
const PHONE_TONE_HZ: f64 = 660.0;
/// The share of a tone in what was heard, below which it counts as not heard.
const TONE_SHARE_MIN: f64 = 0.5;
/// How long they talk.
const TALK: Duration = Duration::from_secs(3);
/// How long any single step may take.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn enrol(deployment: &Deployment) -> Result<Phones> {
    let mut android = Phone::enrol(deployment, ANDROID).await.context("the Android phone")?;
    let mut iphone = Phone::enrol(deployment, IPHONE).await.context("the iPhone")?;
    for phone in [&android, &iphone] {
        let contacts = phone.once(&["contacts"]).await?;
        ensure!(contacts.contains("Tanaka"), "a phone does not hold the contact after its first sync: {contacts}");
    }
    let tone = deployment.folder().join("phone-tone.wav");
    sound::write_tone(&tone, PHONE_TONE_HZ)?;
    let heard = heard_by_phone(deployment).display().to_string();
    let tone = tone.display().to_string();
    android.wait(&["--answer-after", "400", "--play", &tone, "--record", &heard]).await?;
    iphone.wait(&["--ring-only"]).await?;
    Ok(Phones { android, iphone })
}

/// The call from its INVITE to its BYE; returns its id.
pub(super) async fn call(deployment: &Deployment, phones: &mut Phones, narrator: &mut dyn Narrator) -> Result<String> {
    let dial = Dial {
        server: deployment.sip_udp(),
        from: CONTACT_NUMBER.to_owned(),
        to: COMPANY_NUMBER.to_owned(),
        tone_hz: PBX_TONE_HZ,
    };
    let mut pbx = PbxCall::start(dial).await?;
    let android_rings = phones.android.event("ringing", LIMIT).await?;
    let iphone_rings = phones.iphone.event("ringing", LIMIT).await?;
    let call = text(&android_rings, "call")?.to_owned();
    ensure!(text(&iphone_rings, "call")? == call, "the phones ring for different calls");
    for rings in [&android_rings, &iphone_rings] {
        let name = rings["name"].as_str().unwrap_or_default();
        ensure!(name.starts_with(CONTACT_NAME), "a phone shows `{name}` instead of {CONTACT_NAME}");
        ensure!(rings["is_from_own_store"] == true, "a phone did not take the name from its own store");
    }
    narrator.seen(&format!("pushed over APNs and FCM; both phones show {}", android_rings["name"]));
    check_pushes(deployment, &call).await?;

    pbx.wait_for(LIMIT, |progress| *progress == Progress::Answered).await?;
    phones.android.event("established", LIMIT).await?;
    let elsewhere = phones.iphone.event("ended", LIMIT).await?;
    ensure!(elsewhere["reason"] == "answered_elsewhere", "the iPhone was told {}", elsewhere["reason"]);
    narrator.seen("the Android phone answered; the iPhone was told: answered elsewhere");

    tokio::time::sleep(TALK).await;
    pbx.hang_up().await?;
    let ended = phones.android.event("ended", LIMIT).await?;
    ensure!(ended["reason"] == "remote_hung_up", "the phone ended the call because of {}", ended["reason"]);
    pbx.wait_for(LIMIT, |progress| matches!(progress, Progress::Ended { .. })).await?;
    phones.android.event("asleep", LIMIT).await?;
    for (phone, name) in [(&phones.android, "Android phone"), (&phones.iphone, "iPhone")] {
        ensure!(phone.count("ringing") == 1, "the {name} rang {} times", phone.count("ringing"));
    }
    let (phone_heard, pbx_heard) = check_audio(deployment, &pbx)?;
    narrator.seen(&format!(
        "audio flowed both ways: {:.0} % of what the phone heard is the PBX's tone, {:.0} % the other way",
        phone_heard * 100.0,
        pbx_heard * 100.0
    ));
    Ok(call)
}

/// Both services took exactly one push for this call.
async fn check_pushes(deployment: &Deployment, call: &str) -> Result<()> {
    let ledger = deployment.control().get("/ledger").await?;
    let entries = ledger.as_array().context("the ledger is no list")?;
    for service in ["apns", "fcm"] {
        let accepted = entries.iter().filter(|entry| entry["service"] == service && entry["status"] == 200).count();
        ensure!(accepted == 1, "{service} took {accepted} pushes instead of one for call {call}");
    }
    Ok(())
}

fn check_audio(deployment: &Deployment, pbx: &PbxCall) -> Result<(f64, f64)> {
    let phone_heard = sound::read(&heard_by_phone(deployment)).context("what the phone heard")?;
    let pbx_heard = pbx.heard();
    sound::write(&deployment.folder().join("pbx-heard.wav"), &pbx_heard.pcm)?;
    ensure!(pbx_heard.packets > 50, "the PBX got only {} packets", pbx_heard.packets);
    let shares = (share_of_tone(&phone_heard, PBX_TONE_HZ), share_of_tone(&pbx_heard.pcm, PHONE_TONE_HZ));
    ensure!(shares.0 > TONE_SHARE_MIN, "only {:.0} % of what the phone heard is the PBX's tone", shares.0 * 100.0);
    ensure!(shares.1 > TONE_SHARE_MIN, "only {:.0} % of what the PBX heard is the phone's tone", shares.1 * 100.0);
    Ok(shares)
}

fn heard_by_phone(deployment: &Deployment) -> std::path::PathBuf {
    deployment.folder().join("phone-heard.wav")
}
