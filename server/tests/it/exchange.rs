//! An exchange: the edge at work on a socket of its own, phones on their connections, and the trunk at the other end.

mod audio;
mod desk;
mod line;
mod trunk;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::CallId;
use callfield_server::db::Db;
use callfield_server::{serve, sip_edge};
use callfield_sip::message::{Message, Verdict, parse};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use desk::Desk;
pub(crate) use line::Line;
pub(crate) use trunk::Trunk;

use crate::office::Office;

/// How long anything may take before the test is lost.
const PATIENCE: Duration = Duration::from_secs(20);
const SETTINGS: &str = r#"
    [sip]
    domain = "abc.example"
    udp = "127.0.0.1:0"
    tcp = "off"
    [media]
    bind = "127.0.0.1"
"#;

pub(crate) struct Exchange {
    pub(crate) office: Office,
    udp: SocketAddr,
    stop: CancellationToken,
    edge: JoinHandle<()>,
}

impl Exchange {
    pub(crate) async fn open(db: Db) -> Self {
        let mut office = Office::open_with(db, SETTINGS).await;
        let (udp, stop, edge) = start(&mut office).await;
        Self { office, udp, stop, edge }
    }

    /// Ends the edge and starts another one on the same database: what is only remembered is gone.
    pub(crate) async fn restart(&mut self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, &mut self.edge).await.unwrap().unwrap();
        let (sender, commands) = mpsc::channel(16);
        self.office.app.edge = sender;
        self.office.edge = commands;
        self.office.router = serve::router(&self.office.app);
        (self.udp, self.stop, self.edge) = start(&mut self.office).await;
    }

    /// A trunk of the company of `admin` that takes its calls, and the number that is shown.
    pub(crate) async fn trunk(&self, admin: &str, number: &str) -> Trunk {
        let far = self.further_trunk(admin, json!({})).await;
        let number = json!({ "e164": number, "route": "record_owner" });
        assert_eq!(self.office.post(admin, "/v1/numbers", number).await.status, StatusCode::CREATED);
        far
    }

    /// One more trunk of the company of `admin` that takes its calls, unlike the ordinary one where `fields` say so.
    pub(crate) async fn further_trunk(&self, admin: &str, fields: Value) -> Trunk {
        let far = Trunk::new(self.udp).await;
        let outgoing = json!({ "host": "127.0.0.1", "port": far.port() });
        let mut trunk = json!({ "name": "PBX", "kind": "static", "addresses": ["127.0.0.1"], "outgoing": outgoing });
        trunk.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(self.office.post(admin, "/v1/trunks", trunk).await.status, StatusCode::CREATED);
        far
    }

    /// A new person's phone, connected and registered.
    pub(crate) async fn line(&self, name: &str) -> Line {
        Line::open(self, self.office.phone(name).await).await
    }

    /// What the API says of a call once it is over.
    pub(crate) async fn facts(&self, call: CallId) -> Value {
        self.office.get(&self.office.admin, &format!("/v1/calls/{call}")).await.body
    }

    /// Every call of the company, once there is one and all are over.
    pub(crate) async fn calls_once_over(&self) -> Vec<Value> {
        let told = async {
            loop {
                let list = self.office.get(&self.office.admin, "/v1/calls").await;
                let calls = list.body["calls"].as_array().cloned().unwrap_or_default();
                if !calls.is_empty() && calls.iter().all(|call| call["state"] == "ended") {
                    return calls;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap()
    }

    /// The steps of a call, once the last of them is `last`.
    pub(crate) async fn steps(&self, call: CallId, last: &str) -> Vec<Value> {
        let path = format!("/v1/calls/{call}/timeline");
        let told = async {
            loop {
                let answer = self.office.get(&self.office.admin, &path).await;
                let steps = answer.body["events"].as_array().cloned().unwrap_or_default();
                if steps.iter().any(|step| step["milestone"] == last) {
                    return steps;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap()
    }
}

async fn start(office: &mut Office) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let sockets = sip_edge::Sockets::bind(&office.app.config.sip).await.unwrap();
    let (udp, stop) = (sockets.udp_address().unwrap(), CancellationToken::new());
    let commands = std::mem::replace(&mut office.edge, mpsc::channel(1).1);
    let edge = tokio::spawn(sip_edge::run(office.app.clone(), sockets, commands, stop.clone()));
    (udp, stop, edge)
}

fn read(bytes: Bytes) -> Message {
    let Verdict::Ok(message) = parse(bytes) else { panic!("the edge sent something unreadable") };
    message
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}
