//! The real program: `callfield`, with nothing in its environment but what a story gives it.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// How long the program may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// `callfield` with these arguments.
pub(crate) fn callfield(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callfield"));
    command.args(arguments).env_clear();
    command
}

/// A configuration file for free loopback ports, and for a database elsewhere if one is named.
pub(crate) fn write_config(folder: &Path, database: Option<&str>) -> String {
    let file = folder.join("callfield.toml");
    let database = database.unwrap_or("sqlite");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ntls = \"off\"\ndata_dir = \"{}\"\n[database]\nurl = \"{database}\"\n\
         [sip]\nudp = \"off\"\ntcp = \"off\"\n",
        folder.join("data").display()
    );
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// The one line that a refusing program says, which ends with exit code 1 and nothing on its standard output.
pub(crate) fn refusal(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
    assert_eq!(said.lines().count(), 1, "{said}");
    let line = said.trim_end().strip_prefix("callfield: ");
    line.unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// What a program that did as it was told printed.
pub(crate) fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

/// `callfield serve`, killed when it is dropped.
pub(crate) struct Served {
    child: Child,
    address: String,
}

impl Served {
    /// Starts it and waits until it serves.
    pub(crate) async fn start(folder: &Path, config: &str) -> Self {
        let ready = folder.join("ready.json");
        // A file of an earlier run would say where nobody serves any more.
        let _ = std::fs::remove_file(&ready);
        let mut serve = callfield(&["serve", "--config", config, "--ready-file", &ready.display().to_string()]);
        let child = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut served = Self { child, address: String::new() };
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "it does not serve");
            assert_eq!(served.child.try_wait().unwrap(), None, "it ended");
            let places: Option<Value> =
                std::fs::read(&ready).ok().and_then(|places| serde_json::from_slice(&places).ok());
            if let Some(places) = places {
                served.address = places["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
                return served;
            }
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
    }

    /// Where it serves HTTP.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Ends it as a power cut of its process would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and says how it did.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to the program; `None` once it is gone.
pub(crate) struct Connection(hyper::client::conn::http1::SendRequest<Body>);

impl Connection {
    pub(crate) async fn open(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(Self(sender))
    }

    /// The answer, unless the program went away before it was whole.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Option<(StatusCode, Value)> {
        let response: Response<Incoming> = self.0.send_request(request).await.ok()?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.ok()?.to_bytes();
        Some((parts.status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}
