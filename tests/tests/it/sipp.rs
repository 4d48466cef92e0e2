//! Calls by sipp (Debian's sip-tester) as the PBX, over UDP and TCP: a foreign stack sees what ours cannot see itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use callfield_tests::deployment::{CONTACT_NUMBER, Deployment};
use callfield_tests::phone::{Model, Phone};
use serde_json::Value;

use crate::counters::Counters;
use crate::office::Office;
use crate::pbx::{self, Caller, Transport};
use crate::story::Story;

const PHONE: Model = Model { name: "phone", platform: "android", service: "fcm" };
/// How long an event of the phone or a row may take.
const LIMIT: Duration = Duration::from_secs(10);
/// A number that no company has.
const NOBODYS_NUMBER: &str = "+81399999999";
/// A caller that stands in nobody's records.
const STRANGER: &str = "+81611112222";
/// The steps of a call that is answered, in the order in which they must come.
const WHY_IT_RANG: &[&str] =
    &["invited", "routed", "push_sent", "registered", "invite_forwarded", "device_ringing", "answered", "hung_up"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sipp_is_answered_refused_and_may_give_up() {
    if !pbx::is_installed() {
        return;
    }
    let mut story = Story::begin();
    let deployment = match Deployment::start(story.folder(), None).await {
        Ok(deployment) => deployment,
        Err(error) => return story.fail(&error),
    };
    let office = Office { deployment };
    story.chapter("an unknown number is not found", office.refuses_an_unknown_number()).await;
    story.chapter("an unknown caller reaches nobody", office.refuses_an_unknown_caller()).await;
    story.chapter("an unknown source is refused", office.refuses_an_unknown_source()).await;
    story.chapter("a phone answers and hears of the end", office.answers()).await;
    story.chapter("a phone is held and resumed by the PBX", office.follows_a_hold()).await;
    story.chapter("a caller who gives up leaves no ringing phone", office.lets_the_caller_give_up()).await;
    story.chapter("everything stops by itself", office.stop()).await;
    story.end();
}

impl Office {
    async fn refuses_an_unknown_number(&self) -> Result<()> {
        self.sipp("unknown_number", CONTACT_NUMBER).callee(NOBODYS_NUMBER).run().await?;
        let call = self.newest_call().await?;
        ensure!(call["to"] == NOBODYS_NUMBER && call["outcome"] == "no_route", "the call is {call}");
        Ok(())
    }

    async fn refuses_an_unknown_caller(&self) -> Result<()> {
        self.sipp("unknown_caller", STRANGER).run().await?;
        let call = self.newest_call().await?;
        ensure!(call["from"] == STRANGER && call["outcome"] == "no_route", "the call is {call}");
        Ok(())
    }

    async fn refuses_an_unknown_source(&self) -> Result<()> {
        let counters = Counters::of(&self.deployment);
        let (before, calls) = (counters.refused("unknown_source").await?, self.calls().await?.len());
        self.sipp("unknown_source", CONTACT_NUMBER).calling_from("127.0.0.2").run().await?;
        counters.wait_for_refusal("unknown_source", before).await?;
        ensure!(self.calls().await?.len() == calls, "a call from nowhere was written down");
        Ok(())
    }

    async fn answers(&self) -> Result<()> {
        let mut phone = Phone::enrol(&self.deployment, PHONE).await?;
        phone.wait(&["--answer-after", "300"]).await?;
        self.is_answered(&mut phone, "answered", Transport::Udp).await.context("over UDP")?;
        self.is_answered(&mut phone, "answered", Transport::Tcp).await.context("over TCP")?;
        self.is_answered(&mut phone, "retransmitted", Transport::Udp).await.context("retransmitted")?;
        self.is_answered(&mut phone, "lossy", Transport::Udp).await.context("messages are lost")?;
        phone.stop().await
    }

    async fn is_answered(&self, phone: &mut Phone, scenario: &'static str, transport: Transport) -> Result<()> {
        let (calls, rung) = (self.calls().await?.len(), phone.count("ringing"));
        let lost_percent = if scenario == "lossy" { 10 } else { 0 };
        self.sipp(scenario, CONTACT_NUMBER).transport(transport).losing_percent(lost_percent).run().await?;
        let ended = phone.event("ended", LIMIT).await?;
        ensure!(ended["reason"] == "remote_hung_up", "the phone ended the call because of {}", ended["reason"]);
        phone.event("asleep", LIMIT).await?;
        ensure!(phone.count("ringing") == rung + 1, "the phone rang {} times", phone.count("ringing") - rung);

        let call = self.newest_call().await?;
        ensure!(call["id"] == ended["call"], "the newest call is not the phone's");
        ensure!(self.calls().await?.len() == calls + 1, "one call was written down as several");
        ensure!(call["outcome"] == "completed" && call["state"] == "ended", "the call is {call}");
        let talk_ms = call["talk_ms"].as_i64().unwrap_or_default();
        ensure!((900..8_000).contains(&talk_ms), "they talked for {talk_ms} ms instead of one second");
        self.rang_for_a_reason(&call).await
    }

    /// The timeline has every step once it is due, and no effect before its cause.
    async fn rang_for_a_reason(&self, call: &Value) -> Result<()> {
        let timeline = self.timeline(call).await?;
        let at = |milestone: &str| timeline.iter().position(|event| event["milestone"] == milestone);
        let mut last = 0;
        for milestone in WHY_IT_RANG {
            let place = at(milestone).with_context(|| format!("`{milestone}` is missing in {timeline:?}"))?;
            ensure!(place >= last, "`{milestone}` came too early in {timeline:?}");
            last = place;
        }
        Ok(())
    }

    /// The PBX's own re-INVITEs get answers that fit (sipp checks that), and the phone is told by the edge's.
    async fn follows_a_hold(&self) -> Result<()> {
        let mut phone = Phone::enrol(&self.deployment, Model { name: "held-phone", ..PHONE }).await?;
        phone.wait(&["--answer-after", "300"]).await?;
        for transport in [Transport::Udp, Transport::Tcp] {
            self.sipp("held", CONTACT_NUMBER).transport(transport).run().await?;
            for by_far_end in [true, false] {
                let changed = phone.event("hold_changed", LIMIT).await?;
                ensure!(changed["by_far_end"] == by_far_end && changed["by_user"] == false, "it is {changed}");
            }
            let ended = phone.event("ended", LIMIT).await?;
            ensure!(ended["reason"] == "remote_hung_up", "the phone ended the call because of {}", ended["reason"]);
            phone.event("asleep", LIMIT).await?;
            let call = self.newest_call().await?;
            ensure!(call["id"] == ended["call"] && call["outcome"] == "completed", "the call is {call}");
        }
        phone.stop().await
    }

    async fn lets_the_caller_give_up(&self) -> Result<()> {
        let mut phone = Phone::enrol(&self.deployment, Model { name: "patient-phone", ..PHONE }).await?;
        phone.wait(&["--ring-only"]).await?;
        for transport in [Transport::Udp, Transport::Tcp] {
            self.sipp("cancelled", CONTACT_NUMBER).transport(transport).run().await?;
            let ended = phone.event("ended", LIMIT).await?;
            ensure!(ended["reason"] == "cancelled", "the phone ended the call because of {}", ended["reason"]);
            phone.event("asleep", LIMIT).await?;
            let call = self.newest_call().await?;
            ensure!(call["id"] == ended["call"] && call["outcome"] == "canceled", "the call is {call}");
            ensure!(call["answered_at"].is_null() && call["talk_ms"].is_null(), "nobody talked: {call}");
            let timeline = self.timeline(&call).await?;
            ensure!(timeline.iter().any(|event| event["milestone"] == "caller_gone"), "the timeline is {timeline:?}");
        }
        ensure!(phone.count("ringing") == 2, "the phone rang {} times for two calls", phone.count("ringing"));
        phone.stop().await
    }

    fn sipp(&self, scenario: &'static str, caller: &'static str) -> Caller {
        Caller::new(scenario, caller, self.deployment.folder(), self.places())
    }
}
