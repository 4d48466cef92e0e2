//! TCP from trunks through the edge's own sockets: however it is cut, and what ends it.

use std::net::SocketAddr;
use std::time::Duration;

use callfield_server::config::Config;
use callfield_server::sip_edge::{self, Sockets};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::office::Office;
use crate::testing;

/// How long the edge may take to answer, or to hang up.
const LIMIT: Duration = Duration::from_secs(10);
/// More than the edge reads of a head.
const OVERSIZED: usize = 70_000;

/// An edge that serves until the guard is dropped.
async fn serve(office: &mut Office) -> (SocketAddr, DropGuard) {
    let config = Config::from_toml("[sip]\nudp = \"off\"\ntcp = \"127.0.0.1:0\"").unwrap();
    let sockets = Sockets::bind(&config.sip).await.unwrap();
    let (address, stop) = (sockets.tcp_address().unwrap(), CancellationToken::new());
    let commands = std::mem::replace(&mut office.edge, mpsc::channel(1).1);
    tokio::spawn(sip_edge::run(office.app.clone(), sockets, commands, stop.clone()));
    (address, stop.drop_guard())
}

fn options(call: &str, headers: &str) -> String {
    format!(
        "OPTIONS sip:abc.example SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n\
         From: <sip:pbx@127.0.0.1>;tag=a\r\nTo: <sip:abc.example>\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\n{headers}\r\n"
    )
}

/// Everything that is heard until the edge hangs up.
async fn until_the_end(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    // Hanging up on a peer that still sends may reset the connection.
    let _ = timeout(LIMIT, stream.read_to_end(&mut heard)).await.expect("the connection is still open");
    String::from_utf8(heard).unwrap()
}

/// What is heard up to `end`.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut heard = String::new();
    while !heard.ends_with(end) {
        let mut byte = [0];
        timeout(LIMIT, stream.read_exact(&mut byte)).await.unwrap_or_else(|_| panic!("only {heard}")).unwrap();
        heard.push(char::from(byte[0]));
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_a_trunk_cuts_its_stream_every_request_is_answered_once() {
    let (db, _folder) = testing::sqlite().await;
    let mut office = Office::open(db).await;
    let (address, _guard) = serve(&mut office).await;
    for size in [1, 7, 2_048] {
        let calls = [format!("one{size}"), format!("two{size}")];
        let [one, two] = [options(&calls[0], "Content-Length: 5\r\n"), options(&calls[1], "l: 0\r\n")];
        let sent = one + "hello" + &two + "\r\n\r\n";
        let mut trunk = TcpStream::connect(address).await.unwrap();
        trunk.set_nodelay(true).unwrap();
        for stretch in sent.as_bytes().chunks(size) {
            trunk.write_all(stretch).await.unwrap();
        }
        // A line end behind the last answer is that of the keep-alive.
        let heard = until(&mut trunk, "\r\n\r\n\r\n").await;
        let statuses: Vec<_> = heard.lines().filter(|line| line.starts_with("SIP/2.0 ")).collect();
        assert_eq!(statuses, ["SIP/2.0 200 OK"; 2], "cut every {size} bytes");
        let answered: Vec<_> = heard.lines().filter_map(|line| line.strip_prefix("Call-ID: ")).collect();
        assert_eq!(answered, calls, "cut every {size} bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_messages_cannot_be_told_apart_is_ended_and_no_other() {
    let (db, _folder) = testing::sqlite().await;
    let mut office = Office::open(db).await;
    let (address, _guard) = serve(&mut office).await;
    let mut sound = TcpStream::connect(address).await.unwrap();
    let mut endless = TcpStream::connect(address).await.unwrap();
    endless.write_all(options("endless", "").as_bytes()).await.unwrap();
    let heard = until_the_end(&mut endless).await;
    assert!(heard.starts_with("SIP/2.0 400 ") && heard.contains("Call-ID: endless\r\n"), "{heard}");

    let mut oversized = TcpStream::connect(address).await.unwrap();
    // The edge may hang up before it has read everything.
    let _ = oversized.write_all(&vec![b'g'; OVERSIZED]).await;
    assert_eq!(until_the_end(&mut oversized).await, "");

    sound.write_all(options("sound", "l: 0\r\n").as_bytes()).await.unwrap();
    assert!(until(&mut sound, "\r\n\r\n").await.starts_with("SIP/2.0 200 "));
}
