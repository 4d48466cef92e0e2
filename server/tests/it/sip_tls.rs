//! SIP over TLS through the real ports: both versions, the certificate's change, and peers that speak something else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callfield_server::config::Config;
use callfield_server::serve::Server;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long the edge may take to answer, or to hang up.
const LIMIT: Duration = Duration::from_secs(10);
const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// A server that takes SIP over TLS.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Running {
    async fn start(folder: &Path, server: &str, sip: &str) -> Self {
        let data = folder.display();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"{data}\"\n{server}\n\
             [sip]\ndomain = \"abc.example\"\nudp = \"off\"\ntcp = \"off\"\ntls = \"127.0.0.1:0\"\n{sip}"
        );
        let server = Server::prepare(Config::from_toml(&text).unwrap()).await.unwrap();
        let address = server.places()["sip_tls"].as_str().unwrap().parse().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.run(async move { drop(stopped.await) }));
        Self { address, stop, serving }
    }

    async fn connect(
        &self,
        cert: &Path,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let client = builder.with_root_certificates(roots).with_no_client_auth();
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(client)).connect(name, tcp).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
    }
}

/// Asks with OPTIONS and a keep-alive, and returns all that is said in return.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let options = "OPTIONS sips:abc.example SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKone\r\nMax-Forwards: 70\r\n\
        From: <sips:pbx@127.0.0.1>;tag=a\r\nTo: <sips:abc.example>\r\nCall-ID: one\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n";
    stream.write_all(options.as_bytes()).await.unwrap();
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let mut heard = String::new();
    while !heard.ends_with("\r\n\r\n\r\n") {
        let mut byte = [0];
        timeout(LIMIT, stream.read_exact(&mut byte)).await.unwrap_or_else(|_| panic!("only {heard}")).unwrap();
        heard.push(char::from(byte[0]));
    }
    heard
}

fn make_pair(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("sip-key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("sip-cert.pem"), made.cert.pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_tls_versions_are_spoken_with_the_certificate_of_the_https_port() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), "", "").await;
    for version in BOTH {
        let mut stream = running.connect(&folder.path().join("cert.pem"), &[version]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let heard = ask(&mut stream).await;
        assert!(heard.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKone"), "{heard}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_a_proxy_makes_a_certificate_for_sip() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), "tls = \"off\"", "").await;
    let mut stream = running.connect(&folder.path().join("cert.pem"), BOTH).await.unwrap();
    assert!(ask(&mut stream).await.starts_with("SIP/2.0 200 "));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_certificate_is_shown_to_who_comes_next_and_open_connections_stay() {
    let folder = tempfile::tempdir().unwrap();
    make_pair(folder.path());
    let files = [("tls_cert_file", "sip-cert.pem"), ("tls_key_file", "sip-key.pem")];
    let files = files.map(|(key, file)| format!("{key} = \"{}\"\n", folder.path().join(file).display())).concat();
    let running = Running::start(folder.path(), "", &files).await;
    let (old, new) = (folder.path().join("old.pem"), folder.path().join("sip-cert.pem"));
    std::fs::copy(&new, &old).unwrap();
    let mut early = running.connect(&old, BOTH).await.unwrap();
    make_pair(folder.path());
    let mut late = running.connect(&new, BOTH).await.unwrap();
    assert!(ask(&mut late).await.starts_with("SIP/2.0 200 "));
    assert!(ask(&mut early).await.starts_with("SIP/2.0 200 "));
    assert!(running.connect(&old, BOTH).await.is_err(), "the old certificate is still shown");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_speaks_no_tls_is_hung_up_on_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), "", "").await;
    let mut plain = TcpStream::connect(running.address).await.unwrap();
    plain.write_all(b"OPTIONS sip:abc.example SIP/2.0\r\n\r\n").await.unwrap();
    let mut heard = Vec::new();
    // Hanging up on a peer that was not understood may reset the connection.
    let _ = timeout(LIMIT, plain.read_to_end(&mut heard)).await.expect("the connection is still open");
    assert!(!heard.starts_with(b"SIP"), "SIP was answered without TLS");
    let mut sound = running.connect(&folder.path().join("cert.pem"), BOTH).await.unwrap();
    assert!(ask(&mut sound).await.starts_with("SIP/2.0 200 "));
    running.stop().await;
}
