//! Peers that open connections, and do not behave on them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::calls;
use super::process_figures::resident_bytes;
use crate::counters::Counters;
use crate::office::Office;

/// How long the server may take to answer, or to hang up.
const LIMIT: Duration = Duration::from_secs(10);
const CALLS: usize = 10;
/// What the peer that never reads sends.
const UNREAD_BYTES: usize = 40 << 20;
/// What the server may hold of it: a queue, and what allocators keep.
const GROWTH_BYTES_MAX: u64 = 32 << 20;
/// More connections than one address may have.
const CONNECTIONS: usize = 300;

/// A trunk that sends requests, never reads an answer, and comes again when it is dropped.
pub(super) async fn unread(office: &Office) -> Result<()> {
    let deployment = &office.deployment;
    let counters = Counters::of(deployment);
    let (refused, before) = (counters.refused("slow_reader").await?, resident_bytes(deployment)?);
    let address = office.places()[1];
    let sending = tokio::spawn(send_unread(address));
    calls::succeed(deployment, CALLS).await?;
    sending.await??;
    counters.wait_for_refusal("slow_reader", refused).await?;
    let grown = resident_bytes(deployment)?.saturating_sub(before);
    ensure!(grown < GROWTH_BYTES_MAX, "the server has grown by {grown} bytes");
    Ok(())
}

async fn send_unread(address: SocketAddr) -> Result<()> {
    let mut sent = 0;
    while sent < UNREAD_BYTES {
        let mut stream = connect("127.0.0.1", address).await?;
        // Every answer repeats the Via, so this fills the way back soon.
        let requests = options(&format!("127.0.0.1;padding={}", "p".repeat(10_000)), "unread", 0).repeat(16);
        while sent < UNREAD_BYTES {
            match timeout(LIMIT, stream.write_all(requests.as_bytes())).await.context("it is left alone")? {
                Ok(()) => sent += requests.len(),
                Err(_) => break,
            }
        }
    }
    Ok(())
}

/// One address opens connections until it may not, and others are served meanwhile.
pub(super) async fn flood(office: &Office) -> Result<()> {
    let (deployment, address) = (&office.deployment, office.places()[1]);
    let counters = Counters::of(deployment);
    let refused = counters.refused("connections_of_address").await?;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        open.push(connect("127.0.0.67", address).await?);
    }
    counters.wait_for_refusal("connections_of_address", refused).await?;
    let last = open.last_mut().context("there is no connection")?;
    ensure!(is_hung_up_on(last).await, "the last connection is kept");
    calls::succeed(deployment, CALLS).await?;
    is_served(&mut connect("127.0.0.68", address).await?).await.context("another address")?;
    is_served(&mut open[0]).await.context("an early connection of the same address")?;
    drop(open);
    let until = tokio::time::Instant::now() + LIMIT;
    while is_served(&mut connect("127.0.0.67", address).await?).await.is_err() {
        ensure!(tokio::time::Instant::now() < until, "the address is locked out for good");
    }
    Ok(())
}

/// Heads and bodies that are larger than any of SIP, on connections and in datagrams.
pub(super) async fn oversized(office: &Office) -> Result<()> {
    let (deployment, address) = (&office.deployment, office.places()[1]);
    let mut sound = connect("127.0.0.68", address).await?;
    let mut head = connect("127.0.0.67", address).await?;
    // The server may hang up before it has read everything.
    let _ = head.write_all(options(&"v".repeat(200_000), "head", 0).as_bytes()).await;
    ensure!(is_hung_up_on(&mut head).await, "a head of 200 kB is waited for");
    let mut body = connect("127.0.0.67", address).await?;
    body.write_all(options("127.0.0.67", "body", 100_000_000).as_bytes()).await?;
    ensure!(is_hung_up_on(&mut body).await, "a body of 100 MB is waited for");
    let datagrams = tokio::net::UdpSocket::bind("127.0.0.67:0").await?;
    datagrams.send_to(&vec![b'O'; 65_507], deployment.sip_udp()).await?;
    is_served(&mut sound).await.context("a sound connection")?;
    calls::succeed(deployment, 1).await
}

async fn connect(from: &str, to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{from}:0").parse()?)?;
    Ok(socket.connect(to).await?)
}

async fn is_served(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(options("127.0.0.1", "alive", 0).as_bytes()).await?;
    let mut bytes = [0; 2_048];
    let length = timeout(LIMIT, stream.read(&mut bytes)).await.context("no answer")??;
    ensure!(bytes[..length].starts_with(b"SIP/2.0 200 "), "an OPTIONS was not answered 200");
    Ok(())
}

async fn is_hung_up_on(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 2_048];
    let ended = async { while !matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {} };
    timeout(LIMIT, ended).await.is_ok()
}

fn options(sent_by: &str, call: &str, length: usize) -> String {
    format!(
        "OPTIONS sip:callfield.test SIP/2.0\r\nVia: SIP/2.0/TCP {sent_by};branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n\
         From: <sip:pbx@127.0.0.1>;tag=a\r\nTo: <sip:callfield.test>\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}
