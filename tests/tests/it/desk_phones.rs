//! Foreign phones as registered desk phones, each from its Debian package: they are called by a PBX, and call over a trunk.

mod account;
mod baresip;
mod linphone;
mod phone;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use callfield_tests::deployment::{COMPANY_NUMBER, CONTACT_NUMBER, Deployment, text};
use callfield_tests::pbx::{Dial, PbxCall, Progress};
use callfield_tests::sound;
use serde_json::{Value, json};

use crate::office::Office;
use crate::pbx::{self, Callee};
use crate::story::Story;
use account::{Account, Way};
use baresip::Baresip;
use linphone::Linphone;
use phone::{DeskPhone, LIMIT, TONE_HZ, TONE_SHARE_MIN};

/// How long they talk.
const TALK: Duration = Duration::from_millis(1_500);
/// The tone that the PBX plays.
const PBX_TONE_HZ: f64 = 440.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_is_a_desk_phone_over_udp() {
    Box::pin(is_a_desk_phone::<Baresip>(Way::Udp)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_is_a_desk_phone_over_tls_with_srtp() {
    Box::pin(is_a_desk_phone::<Baresip>(Way::Tls)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn linphone_is_a_desk_phone_over_udp() {
    Box::pin(is_a_desk_phone::<Linphone>(Way::Udp)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn linphone_is_a_desk_phone_over_tls_with_srtp() {
    Box::pin(is_a_desk_phone::<Linphone>(Way::Tls)).await;
}

async fn is_a_desk_phone<P: DeskPhone>(way: Way) {
    if !pbx::is_installed() || !pbx::is_there(P::NAME, P::PACKAGE) {
        return;
    }
    let mut story = Story::begin();
    let mut desk: Desk<P> = match Desk::open(&story, way).await {
        Ok(desk) => desk,
        Err(error) => return story.fail(&error),
    };
    story.chapter("it is called, answers and is hung up on", desk.answers()).await;
    story.chapter("it is called and hangs up", desk.answers_and_hangs_up()).await;
    story.chapter("it declines", desk.declines()).await;
    story.chapter("the caller gives up", desk.is_left_by_the_caller()).await;
    story.chapter("it calls, talks and hangs up", desk.calls()).await;
    story.chapter("it calls and is hung up on", desk.calls_and_is_hung_up_on()).await;
    story.chapter("it holds and resumes", desk.holds()).await;
    story.chapter("it finds somebody busy", desk.finds_it_busy()).await;
    story.chapter("it gives up", desk.gives_up()).await;
    story.chapter("everything stops by itself", desk.stop()).await;
    story.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_talks_over_tcp() {
    Box::pin(talks::<Baresip>(Way::Tcp)).await;
}

/// It refuses the keys that it is offered first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_without_srtp_talks_over_tls() {
    Box::pin(talks::<Baresip>(Way::TlsPlain)).await;
}

async fn talks<P: DeskPhone>(way: Way) {
    if !pbx::is_installed() || !pbx::is_there(P::NAME, P::PACKAGE) {
        return;
    }
    let mut story = Story::begin();
    let mut desk: Desk<P> = match Desk::open(&story, way).await {
        Ok(desk) => desk,
        Err(error) => return story.fail(&error),
    };
    story.chapter("it is called, answers and is hung up on", desk.answers()).await;
    story.chapter("it calls, talks and hangs up", desk.calls()).await;
    story.chapter("everything stops by itself", desk.stop()).await;
    story.end();
}

/// A desk phone, and a PBX that calls and is called.
struct Desk<P> {
    office: Office,
    account: Account,
    phone: P,
    port: u16,
    /// The call that was looked at last.
    last: String,
}

impl<P: DeskPhone> Desk<P> {
    async fn open(story: &Story, way: Way) -> Result<Self> {
        let office = Office { deployment: Deployment::start(story.folder(), None).await? };
        let port = Callee::port()?;
        let trunk = json!({
            "name": "callee", "kind": "static", "addresses": ["127.0.0.1"],
            "outgoing": { "host": "127.0.0.1", "port": port },
        });
        office.deployment.admin().post("/v1/trunks", &trunk).await?;
        let account = Account::create(&office, P::NAME, way).await?;
        let phone = P::start(&account, story.folder(), &office.deployment.ca_file()).await?;
        Ok(Self { office, account, phone, port, last: String::new() })
    }

    async fn answers(&mut self) -> Result<()> {
        let mut pbx = self.talk_to_pbx().await?;
        pbx.hang_up().await?;
        self.phone.is_over().await?;
        pbx.wait_for(LIMIT, |progress| matches!(progress, Progress::Ended { .. })).await?;
        let call = self.newest("inbound", "completed").await?;
        ensure!(call["device"] == self.account.device, "another device answered: {call}");
        self.both_heard(&pbx).await
    }

    async fn answers_and_hangs_up(&mut self) -> Result<()> {
        let mut pbx = self.talk_to_pbx().await?;
        self.phone.hang_up().await?;
        pbx.wait_for(LIMIT, |progress| *progress == Progress::Ended { by_remote: true }).await?;
        self.newest("inbound", "completed").await.map(drop)
    }

    async fn declines(&mut self) -> Result<()> {
        let mut pbx = self.ring().await?;
        self.phone.hang_up().await?;
        pbx.wait_for(LIMIT, |progress| matches!(progress, Progress::Refused(486 | 603))).await?;
        self.newest("inbound", P::DECLINED).await.map(drop)
    }

    async fn is_left_by_the_caller(&mut self) -> Result<()> {
        let mut pbx = self.ring().await?;
        pbx.hang_up().await?;
        self.phone.is_over().await?;
        pbx.wait_for(LIMIT, |progress| *progress == Progress::Refused(487)).await?;
        self.newest("inbound", "canceled").await.map(drop)
    }

    async fn calls(&mut self) -> Result<()> {
        let pbx = self.callee("callee")?;
        self.call().await?;
        self.phone.is_answered().await?;
        tokio::time::sleep(TALK).await;
        self.phone.hang_up().await?;
        pbx.end().await?;
        let call = self.newest("outbound", "completed").await?;
        ensure!(call["from"] == COMPANY_NUMBER && call["to"] == CONTACT_NUMBER, "the call is {call}");
        self.phone.heard(TONE_HZ).await.context("its echo")
    }

    async fn calls_and_is_hung_up_on(&mut self) -> Result<()> {
        let pbx = self.callee("callee_hangs_up")?;
        self.call().await?;
        self.phone.is_answered().await?;
        self.phone.is_over().await?;
        pbx.end().await?;
        self.newest("outbound", "completed").await.map(drop)
    }

    /// sipp itself checks that it is held and taken back.
    async fn holds(&mut self) -> Result<()> {
        let pbx = self.callee("callee_held")?;
        self.call().await?;
        self.phone.is_answered().await?;
        tokio::time::sleep(TALK / 3).await;
        self.phone.hold().await?;
        tokio::time::sleep(TALK / 3).await;
        self.phone.resume().await?;
        tokio::time::sleep(TALK).await;
        self.phone.hang_up().await?;
        pbx.end().await?;
        self.newest("outbound", "completed").await?;
        self.phone.heard(TONE_HZ).await.context("its echo after it resumed")
    }

    async fn finds_it_busy(&mut self) -> Result<()> {
        let pbx = self.callee("callee_busy")?;
        self.call().await?;
        self.phone.is_over().await?;
        pbx.end().await?;
        self.newest("outbound", "busy").await.map(drop)
    }

    async fn gives_up(&mut self) -> Result<()> {
        let pbx = self.callee("callee_cancelled")?;
        self.call().await?;
        self.phone.rings().await?;
        self.phone.hang_up().await?;
        pbx.end().await?;
        self.newest("outbound", "canceled").await.map(drop)
    }

    async fn stop(self) -> Result<()> {
        self.phone.stop().await?;
        self.office.stop().await
    }

    /// A call of the PBX that rings the phone.
    async fn ring(&mut self) -> Result<PbxCall> {
        let dial = Dial {
            server: self.office.deployment.sip_udp(),
            from: CONTACT_NUMBER.to_owned(),
            to: COMPANY_NUMBER.to_owned(),
            tone_hz: PBX_TONE_HZ,
        };
        let mut pbx = PbxCall::start(dial).await?;
        self.phone.is_called().await?;
        pbx.wait_for(LIMIT, |progress| *progress == Progress::Ringing).await?;
        Ok(pbx)
    }

    async fn talk_to_pbx(&mut self) -> Result<PbxCall> {
        let mut pbx = self.ring().await?;
        self.phone.accept().await?;
        pbx.wait_for(LIMIT, |progress| *progress == Progress::Answered).await?;
        tokio::time::sleep(TALK).await;
        Ok(pbx)
    }

    async fn both_heard(&mut self, pbx: &PbxCall) -> Result<()> {
        let heard = sound::share_of_tone(&pbx.heard().pcm, TONE_HZ);
        ensure!(heard > TONE_SHARE_MIN, "only {:.0} % of what the PBX heard is the phone's tone", heard * 100.0);
        self.phone.heard(PBX_TONE_HZ).await
    }

    async fn call(&mut self) -> Result<()> {
        self.phone.call(CONTACT_NUMBER, &self.account.domain).await
    }

    fn callee(&self, scenario: &'static str) -> Result<Callee> {
        Callee::wait(scenario, self.port, self.office.deployment.folder())
    }

    /// The call that came after the one looked at last, once it is over.
    async fn newest(&mut self, direction: &str, outcome: &str) -> Result<Value> {
        let call = loop {
            let call = self.office.newest_call().await?;
            if call["id"] != self.last.as_str() {
                break call;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        text(&call, "id")?.clone_into(&mut self.last);
        ensure!(call["direction"] == direction && call["outcome"] == outcome, "the call is {call}");
        Ok(call)
    }
}
