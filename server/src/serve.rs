//! Starts every part, joins them and stops them in order.
//!
//! [`Server::prepare`] does everything that can fail before a call or a request is taken: the data folder, the
//! database, the certificate, the port. [`Server::run`] serves until it is told to stop.

mod certificate;
mod layers;
mod listener;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use callfield_domain::{Random, Seed};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::app::clock::Clock;
use crate::app::edge_port::EdgeCommand;
use crate::app::metrics;
use crate::app::records;
use crate::app::route::Route;
use crate::app::vault::{KeyError, Vault};
use crate::app::wake_port::PushRequest;
use crate::config::{Config, Tls};
use crate::db::{Db, DbError, Place};
use crate::http;
use crate::push::settings::SettingsError;
use crate::push::{self, Senders};
use crate::sip_edge::{self, BindError, Sockets};
use crate::sync_endpoint;

/// Commands and wakes that may wait for the edge and for push.
const WAITING_COMMANDS: usize = 1024;

/// Why the server does not start: one line for the administrator.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The folder of the database and the certificate.
    #[error("the data folder {0} cannot be used: {1}")]
    DataFolder(String, std::io::Error),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The certificate or its key.
    #[error("the certificate: {0}")]
    Certificate(String),
    /// The key of the secrets.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The port is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// A SIP port is taken or not ours.
    #[error(transparent)]
    Sip(#[from] BindError),
    /// The credentials of a push service.
    #[error(transparent)]
    Push(#[from] SettingsError),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
}

/// A server that is ready to serve.
pub struct Server {
    app: App,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    sip: Sockets,
    senders: Senders,
    edge: mpsc::Receiver<EdgeCommand>,
    wakes: mpsc::Receiver<PushRequest>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Server {
    /// Opens what the server needs; nothing is served yet. Ports and credentials come first: without them nothing is
    /// written.
    pub async fn prepare(mut config: Config) -> Result<Self, ServeError> {
        let server = &config.server;
        let listener =
            TcpListener::bind(server.listen).await.map_err(|error| ServeError::Listen(server.listen, error))?;
        let address = listener.local_addr().map_err(|error| ServeError::Listen(server.listen, error))?;
        if server.public_url.is_empty() {
            config.server.public_url = url_of(address, server.tls);
        }
        let mut sip = Sockets::bind(&config.sip).await?;
        let senders = Senders::load(&config.push, &Clock::System)?;
        make_data_folder(&config.server.data_dir)?;
        let db = open_database(&config).await?;
        let tls = certificate::acceptors(&config)?;
        sip.secure_with(tls.sip);
        let vault = Vault::open(&config.server.data_dir, &mut Random::new(seed()?))?;
        metrics::recorder();
        let (edge_sender, edge) = mpsc::channel(WAITING_COMMANDS);
        let (wake_sender, wakes) = mpsc::channel(WAITING_COMMANDS);
        let app = App::new(Arc::new(config), db, Clock::System, seed()?, edge_sender, wake_sender).with_vault(vault);
        let app = app.with_push_support(senders.support());
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        Ok(Self { app, listener, tls: tls.https, sip, senders, edge, wakes, tasks, stopping })
    }

    /// What the parts share.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Where HTTP is listened on.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where this server is reached, for those who started it: JSON `{"url", "sip_udp", "sip_tcp", "sip_tls"}`.
    pub fn places(&self) -> serde_json::Value {
        serde_json::json!({
            "url": self.app.config.server.public_url,
            "sip_udp": self.sip.udp_address(),
            "sip_tcp": self.sip.tcp_address(),
            "sip_tls": self.sip.tls_address(),
        })
    }

    /// Serves until `stop` is ready, then lets running requests and calls end.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { app, listener, tls, sip, senders, edge, wakes, tasks, stopping } = self;
        let patience = Duration::from_millis(app.config.server.shutdown_ms);
        let push = push::run(app.clone(), senders, wakes);
        let push_stopping = stopping.clone();
        tasks.spawn(async move { push_stopping.run_until_cancelled(push).await });
        tasks.spawn(records::keep_making_call_records(app.clone(), stopping.clone()));
        tasks.spawn(sip_edge::run(app.clone(), sip, edge, stopping.clone()));
        tasks.spawn(listener::serve(listener, tls, router(&app), stopping.clone(), patience));
        tasks.close();

        stop.await;
        tracing::info!("stopping");
        stopping.cancel();
        if tokio::time::timeout(patience, tasks.wait()).await.is_err() {
            tracing::warn!(patience_ms = patience.as_millis(), "some tasks did not end in time");
        }
    }
}

/// Everything that is served on the one port, joined.
pub fn router(app: &App) -> Router {
    let limits = &app.config.http;
    let parts = vec![
        http::router(limits.body_bytes),
        sync_endpoint::router(limits.sync_body_bytes),
        Route::router(sip_edge::websocket::routes()),
    ];
    layers::join(app, parts)
}

/// Every operation that is served on the one port.
pub fn routes() -> Vec<Route> {
    [http::routes(), sync_endpoint::routes(), sip_edge::websocket::routes()].into_iter().flatten().collect()
}

/// Opens the database that the configuration names.
pub async fn open_database(config: &Config) -> Result<Db, DbError> {
    let url = config.database.url.resolve(&config.server.data_dir);
    Db::open(Place { url: &url, readers: config.database.readers, writers: config.database.writers }).await
}

/// Makes the data folder if it is missing.
pub fn make_data_folder(folder: &Path) -> Result<(), ServeError> {
    std::fs::create_dir_all(folder).map_err(|error| ServeError::DataFolder(folder.display().to_string(), error))
}

fn url_of(address: SocketAddr, tls: Tls) -> String {
    let scheme = if tls == Tls::Off { "http" } else { "https" };
    if address.ip().is_unspecified() {
        return format!("{scheme}://localhost:{}", address.port());
    }
    format!("{scheme}://{address}")
}

/// 32 bytes of the operating system.
pub fn seed() -> Result<Seed, ServeError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ServeError::Random)?;
    Ok(Seed::from_bytes(bytes))
}
