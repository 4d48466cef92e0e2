//! The signalling of one call of the PBX.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use callfield_domain::Random;
use callfield_media::sdp::{Negotiation, Security, Wish};
use callfield_sip::message::{Message, Method, NameAddr, RequestBuilder, parse};
use callfield_sip::transaction::{ClientId, Flow, Input, Output, Settings, Transactions};
use callfield_sip::uri::Uri;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::audio::{self, Heard};
use super::{Dial, Progress, now};

const INVITE: ClientId = ClientId(1);
const BYE: ClientId = ClientId(2);
const NO_DEADLINE: Duration = Duration::from_secs(1);

/// What the owner of a call wants.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    /// End it.
    HangUp,
}

/// One call, from its INVITE to its end.
pub(super) struct Caller {
    dial: Dial,
    sip: UdpSocket,
    rtp: Option<UdpSocket>,
    random: Random,
    transactions: Transactions,
    negotiation: Negotiation,
    invite: Message,
    answer: Option<Message>,
    progress: watch::Sender<Progress>,
    heard: watch::Sender<Heard>,
    playing: Option<JoinHandle<Result<()>>>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(playing) = &self.playing {
            playing.abort();
        }
    }
}

impl Caller {
    pub(super) fn new(
        dial: Dial,
        sip: UdpSocket,
        rtp: UdpSocket,
        mut random: Random,
        progress: watch::Sender<Progress>,
        heard: watch::Sender<Heard>,
    ) -> Result<Self> {
        let local = sip.local_addr()?;
        let settings = Settings { sent_by: local.to_string(), limit: 16 };
        let transactions = Transactions::new(settings, random.seed());
        let mut negotiation = Negotiation::new(rtp.local_addr()?, &mut random);
        let offer = negotiation.offer(&Wish::new(Security::Plain));
        let invite = invite(&dial, &local.to_string(), offer, &mut random)?;
        let rtp = Some(rtp);
        let (answer, playing) = (None, None);
        Ok(Self { dial, sip, rtp, random, transactions, negotiation, invite, answer, progress, heard, playing })
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let flow = Flow::Udp(self.dial.server);
        self.transactions.handle(now(), Input::Request { id: INVITE, flow, request: self.invite.clone() });
        let mut datagram = vec![0; 65_535];
        while self.drain().await.is_ok() {
            let pause = self.transactions.poll_timeout().map_or(NO_DEADLINE, |(at, _)| at.since(now()));
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::HangUp) => self.hang_up(),
                    // The owner is gone; an answered call must not stay open.
                    None if self.transactions.is_empty() => return,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                },
                came = self.sip.recv_from(&mut datagram) => {
                    let Ok((length, from)) = came else { continue };
                    let verdict = parse(Bytes::copy_from_slice(&datagram[..length]));
                    self.transactions.handle(now(), Input::Received { flow: Flow::Udp(from), verdict });
                }
                () = tokio::time::sleep(pause) => self.transactions.handle_timeout(now()),
            }
        }
    }

    async fn drain(&mut self) -> Result<()> {
        while let Some(output) = self.transactions.poll_output() {
            match output {
                Output::Transmit { flow: Flow::Udp(to), bytes } => drop(self.sip.send_to(&bytes, to).await?),
                Output::Response { id: INVITE, response, .. } => self.answered(&response)?,
                Output::Response { id: BYE, .. } => self.reach(Progress::Ended { by_remote: false }),
                Output::Request { id, request, .. } => {
                    let is_bye = *request.method() == Method::Bye;
                    let response = request.response(200, "OK").build();
                    self.transactions.handle(now(), Input::Respond { id, response });
                    if is_bye {
                        self.stop_playing();
                        self.reach(Progress::Ended { by_remote: true });
                    }
                }
                Output::ClientEnded { id: INVITE, .. } if *self.progress.borrow() == Progress::Calling => {
                    self.reach(Progress::Failed);
                }
                Output::Transmit { .. }
                | Output::Response { .. }
                | Output::Ack { .. }
                | Output::Stray { .. }
                | Output::Cancelled { .. }
                | Output::ClientEnded { .. }
                | Output::ServerEnded { .. } => {}
            }
        }
        Ok(())
    }

    fn answered(&mut self, response: &Message) -> Result<()> {
        match response.status().unwrap_or(0) {
            100 => {}
            101..=199 => self.reach(Progress::Ringing),
            200..=299 => {
                let ack = self.in_dialog(Method::Ack, 1, response)?;
                self.transactions.handle(now(), Input::Send { flow: Flow::Udp(self.dial.server), message: ack });
                if self.answer.is_none() {
                    self.answer = Some(response.detached());
                    self.play(&response.body())?;
                    self.reach(Progress::Answered);
                }
            }
            status => self.reach(Progress::Refused(status)),
        }
        Ok(())
    }

    fn play(&mut self, sdp: &[u8]) -> Result<()> {
        let agreement = self.negotiation.receive_answer(sdp)?;
        let rtp = self.rtp.take().context("the audio plays already")?;
        let (seed, heard) = (self.random.seed(), self.heard.clone());
        self.playing = Some(tokio::spawn(audio::play(rtp, agreement, seed, self.dial.tone_hz, heard)));
        Ok(())
    }

    fn hang_up(&mut self) {
        self.stop_playing();
        let Some(answer) = &self.answer else {
            self.transactions.handle(now(), Input::Cancel { id: INVITE, reason: None });
            return;
        };
        if let Ok(bye) = self.in_dialog(Method::Bye, 2, answer) {
            let flow = Flow::Udp(self.dial.server);
            self.transactions.handle(now(), Input::Request { id: BYE, flow, request: bye });
        }
    }

    fn stop_playing(&mut self) {
        if let Some(playing) = self.playing.take() {
            playing.abort();
        }
    }

    fn reach(&self, progress: Progress) {
        self.progress.send_replace(progress);
    }

    /// A request inside the dialog that `answer` made.
    fn in_dialog(&self, method: Method, cseq: u32, answer: &Message) -> Result<Message> {
        let contact = answer.header("Contact").context("the answer has no Contact")?;
        let target = NameAddr::parse(contact)?.uri()?;
        let from = NameAddr::parse(self.invite.header("From").unwrap_or_default())?;
        let to = NameAddr::parse(answer.header("To").unwrap_or_default())?;
        Ok(RequestBuilder::new(method, &target)
            .from(&from)
            .to(&to)
            .call_id(self.invite.header("Call-ID").unwrap_or_default())
            .cseq(cseq)
            .build())
    }
}

fn invite(dial: &Dial, local: &str, offer: Vec<u8>, random: &mut Random) -> Result<Message> {
    let target = Uri::parse(&format!("sip:{}@{};user=phone", dial.to, dial.server))?;
    let caller = Uri::parse(&format!("sip:{}@{local};user=phone", dial.from))?;
    let from = NameAddr::new(None, &caller).with_tag(&random.token(12));
    Ok(RequestBuilder::new(Method::Invite, &target)
        .from(&from)
        .to(&NameAddr::new(None, &target))
        .call_id(&format!("{}@pbx", random.token(20)))
        .cseq(1)
        .header("Contact", format!("<sip:pbx@{local}>"))
        .header("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS")
        .header("User-Agent", "callfield-demo-pbx")
        .body("application/sdp", offer)
        .build())
}
