//! Broken SIP from all sides: datagrams, TCP peers and WebSockets of devices. It is dropped or answered 400, counted,
//! and calls go on.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use callfield_domain::Random;
use callfield_tests::deployment::{CONTACT_NUMBER, Deployment};
use callfield_tests::pbx::{Dial, PbxCall, Progress, seed};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::devices::{SipSocket, new_device, open_sip};
use crate::counters::Counters;
use crate::story::Story;

/// How long the server may take to answer, or to hang up.
const LIMIT: Duration = Duration::from_secs(10);
/// More than the edge reads of a device's frame, or of a head.
const OVERSIZED: usize = 70_000;
/// The most that UDP carries over IPv4.
const DATAGRAM_MAX: usize = 65_507;
/// What a peer that never reads sends at most before it must have been dropped.
const FLOOD_BYTES_MAX: usize = 64 << 20;

pub(super) async fn tell(story: &mut Story, deployment: &Deployment) {
    story.chapter("garbage in datagrams is dropped", garbage_datagrams(deployment)).await;
    story.chapter("a malformed request is answered 400", malformed_request(deployment)).await;
    story.chapter("an oversized datagram is dropped", oversized_datagram(deployment)).await;
    story.chapter("a TCP peer that speaks garbage is hung up on", garbage_stream(deployment)).await;
    story.chapter("a TCP peer that never reads is dropped", silent_reader(deployment)).await;
    story.chapter("an oversized frame ends its connection", oversized_frame(deployment)).await;
    story.chapter("garbage in frames is dropped", garbage_frames(deployment)).await;
}

async fn garbage_datagrams(deployment: &Deployment) -> Result<()> {
    let counters = Counters::of(deployment);
    let before = counters.refused("dropped").await?;
    let (socket, mut random) = (udp(deployment).await?, Random::new(seed()?));
    for length in 0..500_usize {
        let mut bytes = Vec::with_capacity(length + 32);
        while bytes.len() < length {
            bytes.extend(random.bytes::<32>());
        }
        bytes.truncate(length);
        socket.send(&bytes).await?;
    }
    for text in ["\0", "SIP/2.0\r\n\r\n", "INVITE\r\n\r\n", "INVITE sip:a SIP/2.0\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        socket.send(text.as_bytes()).await?;
    }
    counters.wait_for_refusal("dropped", before).await?;
    still_serves(deployment).await
}

async fn malformed_request(deployment: &Deployment) -> Result<()> {
    let counters = Counters::of(deployment);
    let before = counters.refused("malformed").await?;
    let socket = udp(deployment).await?;
    let broken = options(socket.local_addr()?, "UDP", "broken", "").replace("CSeq: 1 OPTIONS", "CSeq: one INVITE");
    socket.send(broken.as_bytes()).await?;
    let answer = answer(&socket).await?;
    ensure!(answer.starts_with("SIP/2.0 400 "), "a malformed request was answered {answer}");
    ensure!(answer.contains("Call-ID: broken\r\n"), "the answer is for something else: {answer}");
    counters.wait_for_refusal("malformed", before).await?;
    still_serves(deployment).await
}

async fn oversized_datagram(deployment: &Deployment) -> Result<()> {
    let counters = Counters::of(deployment);
    let before = counters.refused("dropped").await?;
    let socket = udp(deployment).await?;
    let padding = format!("X-Padding: {}\r\n", "p".repeat(60_000));
    let head = options(socket.local_addr()?, "UDP", "oversized", &padding);
    socket.send(head.as_bytes()).await?;
    socket.send(&vec![b'O'; DATAGRAM_MAX]).await?;
    counters.wait_for_refusal("dropped", before + 1).await?;
    still_serves(deployment).await
}

async fn garbage_stream(deployment: &Deployment) -> Result<()> {
    let counters = Counters::of(deployment);
    let before = counters.refused("broken_stream").await?;
    let mut stream = TcpStream::connect(sip_tcp(deployment)?).await?;
    // The server may hang up before it has read everything.
    let _ = stream.write_all(&vec![b'g'; OVERSIZED]).await;
    is_hung_up_on(&mut stream).await?;
    counters.wait_for_refusal("broken_stream", before).await?;

    let before = counters.refused("unreadable").await?;
    let mut stream = TcpStream::connect(sip_tcp(deployment)?).await?;
    stream.write_all(b"nothing that is SIP\r\nContent-Length: 0\r\n\r\n").await?;
    counters.wait_for_refusal("unreadable", before).await?;
    still_serves(deployment).await
}

async fn silent_reader(deployment: &Deployment) -> Result<()> {
    let counters = Counters::of(deployment);
    let before = counters.refused("slow_reader").await?;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4_096)?;
    let mut stream = socket.connect(sip_tcp(deployment)?).await?;
    // Every answer repeats the Via, so this fills the way back soon.
    let local = format!("{};padding={}", stream.local_addr()?, "p".repeat(20_000));
    let requests = options(&local, "TCP", "flood", "").repeat(16);
    let mut sent = 0;
    while sent < FLOOD_BYTES_MAX {
        match timeout(LIMIT, stream.write_all(requests.as_bytes())).await {
            Ok(Ok(())) => sent += requests.len(),
            Ok(Err(_)) => break,
            Err(_) => bail!("a peer that never reads was left alone after {sent} bytes"),
        }
    }
    ensure!(sent < FLOOD_BYTES_MAX, "a peer that never reads was not dropped");
    counters.wait_for_refusal("slow_reader", before).await?;
    still_serves(deployment).await
}

async fn oversized_frame(deployment: &Deployment) -> Result<()> {
    let counters = Counters::of(deployment);
    let before = counters.refused("frame_too_large").await?;
    let device = new_device(deployment).await?;
    let (mut bad, mut good) = (open_sip(deployment, &device.token).await?, other_device(deployment).await?);
    // The server may hang up before it has read everything.
    let _ = bad.send(Message::text("x".repeat(OVERSIZED))).await;
    let ended = timeout(LIMIT, async { while let Some(Ok(_)) = bad.next().await {} }).await;
    ensure!(ended.is_ok(), "the connection is still open");
    counters.wait_for_refusal("frame_too_large", before).await?;
    answers_options(&mut good).await.context("another device")?;
    let mut again = open_sip(deployment, &device.token).await?;
    answers_options(&mut again).await.context("the same device, connected again")?;
    still_serves(deployment).await
}

async fn garbage_frames(deployment: &Deployment) -> Result<()> {
    let counters = Counters::of(deployment);
    let before = counters.refused("dropped").await?;
    let (mut socket, mut random) = (other_device(deployment).await?, Random::new(seed()?));
    for _ in 0..50 {
        socket.send(Message::binary(random.bytes::<512>().to_vec())).await?;
    }
    for text in ["", "\0", "BYE", "SIP/2.0 200 OK\r\n\r\n", "REGISTER sip:callfield.test SIP/2.0\r\n\r\n"] {
        socket.send(Message::text(text)).await?;
    }
    counters.wait_for_refusal("dropped", before).await?;
    answers_options(&mut socket).await.context("the same connection")?;
    still_serves(deployment).await
}

/// Whether the edge answers an OPTIONS and routes a call as if nothing had happened.
async fn still_serves(deployment: &Deployment) -> Result<()> {
    let socket = udp(deployment).await?;
    socket.send(options(socket.local_addr()?, "UDP", "alive", "").as_bytes()).await?;
    let answer = answer(&socket).await.context("OPTIONS over UDP afterwards")?;
    ensure!(answer.starts_with("SIP/2.0 200 "), "afterwards an OPTIONS was answered {answer}");

    let mut stream = TcpStream::connect(sip_tcp(deployment)?).await?;
    stream.write_all(options(stream.local_addr()?, "TCP", "alive", "").as_bytes()).await?;
    let mut bytes = [0; 2_048];
    let length = timeout(LIMIT, stream.read(&mut bytes)).await.context("OPTIONS over TCP afterwards")??;
    ensure!(bytes[..length].starts_with(b"SIP/2.0 200 "), "afterwards an OPTIONS over TCP was not answered 200");

    let (from, to) = (CONTACT_NUMBER.to_owned(), "+81399999999".to_owned());
    let mut call = PbxCall::start(Dial { server: deployment.sip_udp(), from, to, tone_hz: 440.0 }).await?;
    call.wait_for(LIMIT, |progress| *progress == Progress::Refused(404)).await.context("a call afterwards")?;
    let health = deployment.admin().get("/health").await?;
    ensure!(health["status"] == "ok", "afterwards the server's health is {health}");
    Ok(())
}

async fn other_device(deployment: &Deployment) -> Result<SipSocket> {
    open_sip(deployment, &new_device(deployment).await?.token).await
}

async fn answers_options(socket: &mut SipSocket) -> Result<()> {
    socket.send(Message::text(options("a.invalid", "WSS", "alive", ""))).await?;
    loop {
        let frame = timeout(LIMIT, socket.next()).await.context("no answer")?.context("the connection ended")??;
        if frame.is_ping() {
            continue;
        }
        let text = frame.to_text()?;
        if text.contains("Call-ID: alive\r\n") {
            ensure!(text.starts_with("SIP/2.0 200 "), "an OPTIONS was answered {text}");
            return Ok(());
        }
    }
}

async fn is_hung_up_on(stream: &mut TcpStream) -> Result<()> {
    let mut bytes = [0; 2_048];
    loop {
        match timeout(LIMIT, stream.read(&mut bytes)).await {
            Ok(Ok(0) | Err(_)) => return Ok(()),
            Ok(Ok(_)) => {}
            Err(_) => bail!("the connection is still open"),
        }
    }
}

async fn udp(deployment: &Deployment) -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(deployment.sip_udp()).await?;
    Ok(socket)
}

async fn answer(socket: &UdpSocket) -> Result<String> {
    let mut bytes = vec![0; DATAGRAM_MAX];
    let length = timeout(LIMIT, socket.recv(&mut bytes)).await.context("no answer")??;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

fn sip_tcp(deployment: &Deployment) -> Result<SocketAddr> {
    let ready = std::fs::read(deployment.folder().join("server-ready.json"))?;
    let ready: Value = serde_json::from_slice(&ready)?;
    ready["sip_tcp"].as_str().context("the server takes no SIP over TCP")?.parse().context("no address")
}

fn options(sent_by: impl std::fmt::Display, transport: &str, call: &str, header: &str) -> String {
    format!(
        "OPTIONS sip:callfield.test SIP/2.0\r\nVia: SIP/2.0/{transport} {sent_by};branch=z9hG4bK{call};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:pbx@127.0.0.1>;tag=a\r\nTo: <sip:callfield.test>\r\nCall-ID: {call}\r\n\
         CSeq: 1 OPTIONS\r\n{header}Content-Length: 0\r\n\r\n"
    )
}
