//! An office: one company with an administrator, whose requests go through the whole router.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callfield_domain::{CallFacts, CallId, CallState, DeviceId, Direction, Random, Seed, TenantId, Timestamp, UserId};
use callfield_server::app::App;
use callfield_server::app::clock::Clock;
use callfield_server::app::edge_port::EdgeCommand;
use callfield_server::app::token::Token;
use callfield_server::app::wake_port::PushRequest;
use callfield_server::config::Config;
use callfield_server::db::{AdminToken, Db, Tenant};
use callfield_server::serve;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt as _;
use uuid::Uuid;

/// When every story begins.
pub(crate) const MORNING: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(crate) struct Office {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) tenant: TenantId,
    /// The administrator's token.
    pub(crate) admin: String,
    pub(crate) edge: mpsc::Receiver<EdgeCommand>,
    pub(crate) wakes: mpsc::Receiver<PushRequest>,
}

/// An enrolled device.
pub(crate) struct Phone {
    pub(crate) id: DeviceId,
    pub(crate) user: UserId,
    pub(crate) token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn etag(&self) -> String {
        self.headers[header::ETAG].to_str().unwrap().to_owned()
    }

    /// The code of an error answer, whose shape is checked.
    pub(crate) fn error(&self) -> &str {
        let error = self.body["error"].as_object().unwrap_or_else(|| panic!("no error: {self:?}"));
        assert_eq!(error.len(), 2, "{self:?}");
        assert!(error["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{self:?}");
        error["code"].as_str().unwrap()
    }
}

impl Office {
    pub(crate) async fn open(db: Db) -> Self {
        Self::open_with(db, "[sip]\ndomain = \"abc.example\"").await
    }

    /// An office whose server was told `settings`.
    pub(crate) async fn open_with(db: Db, settings: &str) -> Self {
        let config = Config::from_toml(settings).unwrap();
        let (edge_sender, edge) = mpsc::channel(16);
        let (wake_sender, wakes) = mpsc::channel(16);
        let clock = Clock::manual(MORNING);
        let seed = Seed::from_number(7);
        let app = App::new(Arc::new(config), db, clock, seed, edge_sender, wake_sender);
        let (tenant, admin) = company(&app, "ABC").await;
        Self { router: serve::router(&app), app, tenant, admin, edge, wakes }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, bytes) = self.send_raw(request).await;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// As [`Office::send`], for a body that is no JSON.
    pub(crate) async fn send_raw(&self, request: Request<Body>) -> (http::response::Parts, Bytes) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(request(Method::GET, path, token, Body::empty())).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(request(Method::POST, path, token, Body::from(body.to_string()))).await
    }

    /// Edits a record as somebody who saw `etag`.
    pub(crate) async fn patch(&self, token: &str, path: &str, etag: &str, patch: Value) -> Answer {
        let mut request = request(Method::PATCH, path, token, Body::from(patch.to_string()));
        request.headers_mut().insert(header::IF_MATCH, etag.parse().unwrap());
        self.send(request).await
    }

    /// Makes a contact and returns its path.
    pub(crate) async fn contact(&self, token: &str, owner: Option<UserId>, fields: Value) -> String {
        let body = json!({ "type": "contact", "owner": owner, "fields": fields });
        let answer = self.post(token, "/v1/records", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        format!("/v1/records/{}", answer.body["id"].as_str().unwrap())
    }

    /// Makes a trunk, unlike the ordinary one where `fields` say so, and returns its path.
    pub(crate) async fn trunk(&self, fields: Value) -> String {
        let mut trunk = json!({
            "name": "PBX", "kind": "static", "addresses": ["192.0.2.7"], "outgoing": { "host": "192.0.2.7", "port": 5060 },
        });
        let given = fields.as_object().unwrap().clone();
        trunk.as_object_mut().unwrap().extend(given);
        let answer = self.post(&self.admin, "/v1/trunks", trunk).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        format!("/v1/trunks/{}", answer.body["id"].as_str().unwrap())
    }

    /// Asks with any method, as the administrator.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send(request(method, path, &self.admin, Body::from(body.to_string()))).await
    }

    pub(crate) async fn put(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(request(Method::PUT, path, token, Body::from(body.to_string()))).await
    }

    /// What the edge knows of a call from outside that nobody has answered yet.
    pub(crate) fn call(&self, started_at: Timestamp) -> CallFacts {
        CallFacts {
            id: CallId::new(started_at, &mut self.app.random()),
            tenant: self.tenant,
            direction: Direction::Inbound,
            from: "+81312345678".to_owned(),
            to: "+81350001000".to_owned(),
            user: None,
            device: None,
            state: CallState::Queued,
            outcome: None,
            started_at,
            answered_at: None,
            ended_at: None,
            transferred_to: None,
        }
    }

    /// Stores what is known of a call, as the edge does.
    pub(crate) async fn put_call(&self, call: &CallFacts) {
        let mut write = self.app.db.write(self.tenant).await.unwrap();
        write.put_call(call).await.unwrap();
        write.commit().await.unwrap();
    }

    /// A new person's id.
    pub(crate) async fn user(&self, name: &str) -> String {
        let answer = self.post(&self.admin, "/v1/users", json!({ "name": name })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// A fresh enrolment code of a person.
    pub(crate) async fn code(&self, user: &str) -> String {
        let answer = self.post(&self.admin, "/v1/enrolment-codes", json!({ "user": user })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.body["code"].as_str().unwrap().to_owned()
    }

    /// A new device of a new person.
    pub(crate) async fn phone(&self, name: &str) -> Phone {
        let user = self.user(name).await;
        self.phone_of(&user).await
    }

    /// A new device of a person.
    pub(crate) async fn phone_of(&self, user: &str) -> Phone {
        let code = self.code(user).await;
        let id = DeviceId::new(self.app.now(), &mut self.app.random());
        let answer = self.post("", "/v1/enrol", enrolment(&code, id)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let token = answer.body["token"].as_str().unwrap().to_owned();
        Phone { id, user: user.parse().unwrap(), token }
    }
}

/// A company with an administrator, as `callfield admin` makes them.
pub(crate) async fn company(app: &App, name: &str) -> (TenantId, String) {
    let (id, token) = {
        let mut random = app.random();
        (TenantId::new(app.now(), &mut random), Token::for_admin(&mut random))
    };
    let tenant = Tenant {
        id,
        name: name.to_owned(),
        country: "JP".to_owned(),
        incarnation: Uuid::from_u128(1),
        cursor_key: vec![7; 32],
        next_seq: 0,
        created_at: MORNING,
    };
    let hash = token.hash();
    let admin = AdminToken { id: id.uuid(), name: "test", hash: hash.bytes(), created_at: MORNING };
    let mut db = app.db.write(id).await.unwrap();
    db.insert_tenant(&tenant).await.unwrap();
    db.insert_admin_token(&admin).await.unwrap();
    db.commit().await.unwrap();
    (id, token.reveal())
}

pub(crate) fn enrolment(code: &str, device: DeviceId) -> Value {
    json!({
        "code": code,
        "device": {
            "install_id": device,
            "platform": "android",
            "name": "Pixel",
            "app_version": "0.1.0",
            "os_version": "15",
            "public_key": URL_SAFE_NO_PAD.encode(public_key(device)),
            "push": { "service": "fcm", "token": "fcm-token-1", "environment": "production" },
        },
    })
}

/// The key that a test's device enrols with.
pub(crate) fn public_key(device: DeviceId) -> [u8; 32] {
    Random::new(Seed::from_number(device.uuid().as_u64_pair().1)).bytes()
}

pub(crate) fn request(method: Method, path: &str, token: &str, body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(body).unwrap()
}
