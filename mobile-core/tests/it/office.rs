//! A server in miniature: one tenant, one user, the real ingest, pages of snapshots, SIP as a test says. No database.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use callfield_domain::{DeviceId, Random, RecordId, Seed, TenantId, Timestamp, UserId};
use callfield_sync::ingest::{Context, Role, Stored, ingest};
use callfield_sync::protocol::{Cursor, Item, ItemKind, Page, Request as SyncRequest, Response as SyncResponse};
use callfield_sync::record::{Edit, Record};
use callfield_sync::schema::RecordType;
use callfield_sync::{Actor, Author, DeviceKey};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::edge::{self, Edge, Line};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(crate) const CODE: &str = "ABCD-EFGH";
const TOKEN: &str = "cfd_test";

/// A running office; stops when dropped.
pub(crate) struct Office {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _task: AbortOnDropHandle<()>,
}

struct State {
    tenant: TenantId,
    user: UserId,
    device: Option<(DeviceId, DeviceKey)>,
    records: BTreeMap<RecordId, (Stored, u64)>,
    seq: u64,
    call_state: &'static str,
    calls_asked: u32,
    syncs: u32,
    server: Actor,
    /// Where SIP connections go; without one the office speaks no SIP.
    lines: Option<mpsc::UnboundedSender<Line>>,
}

impl Office {
    pub(crate) async fn open() -> Self {
        let mut random = Random::new(Seed::from_number(1));
        let state = Arc::new(Mutex::new(State {
            tenant: TenantId::new(NOW, &mut random),
            user: UserId::new(NOW, &mut random),
            device: None,
            records: BTreeMap::new(),
            seq: 0,
            call_state: "ringing",
            calls_asked: 0,
            syncs: 0,
            server: Actor::new(DeviceKey::from_bytes([0xff; 8]), 1, &mut random),
            lines: None,
        }));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { url, state, _task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.state.lock().unwrap().tenant
    }

    /// Begins to speak SIP.
    pub(crate) fn edge(&self) -> Edge {
        let (lines, edge) = Edge::new();
        self.state.lock().unwrap().lines = Some(lines);
        edge
    }

    /// How calls stand that a phone asks for.
    pub(crate) fn calls_are(&self, state: &'static str) {
        self.state.lock().unwrap().call_state = state;
    }

    pub(crate) fn calls_asked(&self) -> u32 {
        self.state.lock().unwrap().calls_asked
    }

    pub(crate) fn syncs(&self) -> u32 {
        self.state.lock().unwrap().syncs
    }

    /// Writes into a record as the office does, or makes it.
    pub(crate) fn edit(&self, id: RecordId, record_type: RecordType, patch: &Value) {
        let mut state = self.state.lock().unwrap();
        let by = Edit { actor: state.server, author: Author::User(state.user), claimed_at: NOW };
        let stored = state.records.get(&id).map(|(stored, _)| Record::load(record_type, &stored.snapshot).unwrap());
        let mut record = stored.unwrap_or_else(|| Record::new(record_type));
        record.edit(&by, patch).unwrap();
        state.keep(id, Stored { record_type, epoch: 0, snapshot: record.save() });
    }

    /// What the office's record says.
    pub(crate) fn fields(&self, id: RecordId) -> Option<Value> {
        let state = self.state.lock().unwrap();
        let (stored, _) = state.records.get(&id)?;
        Some(Record::load(stored.record_type, &stored.snapshot).unwrap().projection())
    }
}

impl State {
    fn keep(&mut self, id: RecordId, stored: Stored) {
        self.seq += 1;
        self.records.insert(id, (stored, self.seq));
    }

    fn enrol(&mut self, body: &Value) -> (StatusCode, Vec<u8>) {
        if body["code"] != CODE {
            let error = json!({ "error": { "code": "enrolment_code_unknown", "detail": "There is no such code." } });
            return (StatusCode::NOT_FOUND, error.to_string().into_bytes());
        }
        let install: DeviceId = body["device"]["install_id"].as_str().unwrap().parse().unwrap();
        let key: callfield_domain::wake::PublicKey = body["device"]["public_key"].as_str().unwrap().parse().unwrap();
        self.device = Some((install, DeviceKey::of_public_key(&key.to_bytes())));
        let answer = json!({
            "device_id": install, "token": TOKEN, "node": "node-1", "scopes": ["tenant"],
            "tenant": { "id": self.tenant, "name": "Example", "country": "JP" },
            "user": { "id": self.user, "name": "Suzuki" }, "sip": { "domain": "call.example" },
        });
        (StatusCode::CREATED, answer.to_string().into_bytes())
    }

    fn sync(&mut self, body: &[u8]) -> (StatusCode, Vec<u8>) {
        self.syncs += 1;
        let request = SyncRequest::decode(&zstd::decode_all(body).unwrap()).unwrap();
        let (device, key) = self.device.unwrap();
        assert_eq!(request.device, device);
        let context = Context {
            device: key,
            user: self.user,
            role: Role::Rep,
            now: NOW,
            last_contact: None,
            server: self.server,
        };
        let stored = self.records.iter().map(|(id, (stored, _))| (*id, stored.clone())).collect();
        let ingested = ingest(&stored, &request.push, &context);
        for taken in &ingested.records {
            let stored =
                Stored { record_type: taken.record_type, epoch: taken.epoch, snapshot: taken.snapshot.clone() };
            self.keep(taken.id, stored);
        }
        let mut response = SyncResponse::new(NOW);
        response.verdicts = ingested.verdicts;
        response.corrections = ingested.records.into_iter().flat_map(|record| record.corrections).collect();
        response.pages = request.scopes.iter().map(|scope| self.page(scope.cursor.as_ref())).collect();
        (StatusCode::OK, response.encode())
    }

    fn page(&self, cursor: Option<&Cursor>) -> Page {
        let after = cursor.map_or(0, |cursor| u64::from_be_bytes(cursor.as_bytes().try_into().unwrap()));
        let mut docs: Vec<_> = self.records.iter().filter(|(_, (_, seq))| *seq > after).map(item).collect();
        docs.sort_by_key(|item| item.seq);
        let next = Cursor::from_bytes(self.seq.to_be_bytes().to_vec()).unwrap();
        Page { scope: "tenant".to_owned(), docs, next, more: false, checksum: None }
    }

    fn answer(&mut self, path: &str, body: &[u8]) -> (StatusCode, Vec<u8>) {
        match path {
            "/v1/enrol" => self.enrol(&serde_json::from_slice(body).unwrap()),
            "/v1/sync" => self.sync(body),
            path if path.starts_with("/v1/calls/") && path.ends_with("/state") => {
                self.calls_asked += 1;
                (StatusCode::OK, json!({ "state": self.call_state }).to_string().into_bytes())
            }
            _ => (StatusCode::NOT_FOUND, Vec::new()),
        }
    }
}

fn item((id, (stored, seq)): (&RecordId, &(Stored, u64))) -> Item {
    let record = Record::load(stored.record_type, &stored.snapshot).unwrap();
    Item {
        doc: *id,
        record_type: stored.record_type.as_str().to_owned(),
        epoch: stored.epoch,
        seq: *seq,
        kind: ItemKind::Snapshot,
        body: vec![stored.snapshot.clone().into()],
        heads: record.heads(),
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request: Request<Incoming>| {
            let state = Arc::clone(&state);
            async move { Ok::<_, Infallible>(answer(&state, request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service).with_upgrades());
    }
}

async fn answer(state: &Mutex<State>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let is_allowed =
        path == "/v1/enrol" || request.headers().get("authorization").is_some_and(|token| token == "Bearer cfd_test");
    let lines = state.lock().unwrap().lines.clone();
    if let Some(lines) = lines.filter(|_| is_allowed && path == "/sip") {
        return edge::upgrade(request, lines);
    }
    let Ok(body) = request.into_body().collect().await else {
        return Response::new(Full::default());
    };
    let (status, body) = if is_allowed {
        state.lock().unwrap().answer(&path, &body.to_bytes())
    } else {
        (StatusCode::UNAUTHORIZED, Vec::new())
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}
