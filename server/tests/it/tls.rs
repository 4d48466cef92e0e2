//! The real port: TLS with the certificate the server made, HTTP/1.1 and HTTP/2, and a stop that lets requests end.

use std::sync::Arc;

use axum::body::Body;
use callfield_server::config::Config;
use callfield_server::serve::{ServeError, Server};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

fn config(folder: &std::path::Path, more: &str) -> Config {
    let folder = folder.display();
    let off = "[sip]\nudp = \"off\"\ntcp = \"off\"";
    Config::from_toml(&format!("[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"{folder}\"\n{more}\n{off}")).unwrap()
}

#[tokio::test]
async fn the_made_certificate_is_trusted_by_who_has_it_and_both_http_versions_are_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::prepare(config(folder.path(), "")).await.unwrap();
    let address = server.address().unwrap();
    assert_eq!(server.app().config.server.public_url, format!("https://{address}"));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move { drop(stopped.await) }));

    for protocol in ["h2", "http/1.1"] {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.path().join("cert.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut client = builder.with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let stream = TlsConnector::from(Arc::new(client)).connect(name, tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        let request = Request::get(format!("https://{address}/health")).body(Body::empty()).unwrap();
        let io = TokioIo::new(stream);
        let response = if protocol == "h2" {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        };
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(br#"{"status":"ok""#));
    }
    stop.send(()).unwrap();
    running.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn the_certificate_is_kept_and_its_key_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    drop(Server::prepare(config(folder.path(), "")).await.unwrap());
    let first = std::fs::read(folder.path().join("cert.pem")).unwrap();
    drop(Server::prepare(config(folder.path(), "")).await.unwrap());
    assert_eq!(std::fs::read(folder.path().join("cert.pem")).unwrap(), first);
    let key = std::fs::metadata(folder.path().join("key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn an_occupied_port_and_an_unusable_folder_are_one_clear_line_each() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut occupied = config(folder.path(), "");
    occupied.server.listen = address;
    let Err(error) = Server::prepare(occupied).await else { panic!("it started") };
    assert!(matches!(error, ServeError::Listen(..)));
    assert!(error.to_string().contains(&address.to_string()) && !error.to_string().contains('\n'));

    let unusable = config(std::path::Path::new("/proc/callfield"), "");
    let Err(error) = Server::prepare(unusable).await else { panic!("it started") };
    assert!(matches!(error, ServeError::DataFolder(..)));
    assert!(error.to_string().contains("/proc/callfield") && !error.to_string().contains('\n'));
}

#[tokio::test]
async fn given_files_that_are_no_certificate_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let cert = folder.path().join("mine.pem");
    std::fs::write(&cert, "no certificate").unwrap();
    let files = format!("tls = \"files\"\ncert_file = \"{0}\"\nkey_file = \"{0}\"", cert.display());
    let Err(error) = Server::prepare(config(folder.path(), &files)).await else { panic!("it started") };
    assert!(error.to_string().contains("mine.pem"), "{error}");
}
