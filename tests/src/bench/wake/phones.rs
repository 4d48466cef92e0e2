//! Many sleeping phones in one process: the phone core itself, woken by the fakes' push stream.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use callfield_mobile_core::audio::Silence;
use callfield_mobile_core::clock::Clock;
use callfield_mobile_core::events::Event;
use callfield_mobile_core::platform::{Platform, PlatformKind};
use callfield_mobile_core::push::PushKind;
use callfield_mobile_core::session::{EnrolWith, Session};
use callfield_mobile_core::transport::api::{PushEnvironment, PushService, PushTarget};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::deployment::{Deployment, text};

type Http = Client<HttpConnector, Empty<Bytes>>;

/// The phones; they sleep until this is dropped.
pub(super) struct Sleepers {
    numbers: Vec<String>,
    _tasks: JoinSet<Result<()>>,
}

impl Sleepers {
    /// Makes `count` users with a contact and a phone each; every second one is an iPhone.
    pub(super) async fn enrol(deployment: &Deployment, count: usize) -> Result<Self> {
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        let ca = std::fs::read_to_string(deployment.ca_file())?;
        let (mut numbers, mut tasks) = (Vec::new(), JoinSet::new());
        for index in 0..count {
            let number = format!("+8131234{index:04}");
            let user = deployment.admin().post("/v1/users", &json!({ "name": format!("User {index}") })).await?;
            let user = text(&user, "id")?.to_owned();
            let fields =
                json!({ "last_name": format!("Customer {index}"), "phones": { &number: { "type": "office" } } });
            let contact = json!({ "type": "contact", "owner": user, "fields": fields });
            deployment.admin().post("/v1/records", &contact).await?;
            let code = deployment.admin().post("/v1/enrolment-codes", &json!({ "user": user })).await?;
            let is_iphone = index % 2 == 1;
            let service = if is_iphone { "apns" } else { "fcm" };
            let install = deployment.control().post("/phones", &json!({ "service": service })).await?;
            let token = text(&install, "token")?.to_owned();
            let session = open(deployment, index)?;
            session
                .enrol(&EnrolWith {
                    server: deployment.base().to_owned(),
                    ca_pem: Some(ca.clone()),
                    code: text(&code, "code")?.to_owned(),
                    push: Some(PushTarget {
                        service: if is_iphone { PushService::Apns } else { PushService::Fcm },
                        token: token.clone(),
                        alert_token: None,
                        environment: PushEnvironment::Production,
                    }),
                })
                .await?;
            let kind = if is_iphone { PushKind::ApnsVoip } else { PushKind::Fcm };
            let pushes = format!("{}/phones/{token}/pushes", deployment.control_url());
            tasks.spawn(answer_all(session.clone()));
            tasks.spawn(deliver(http.clone(), pushes, session, kind));
            numbers.push(number);
        }
        Ok(Self { numbers, _tasks: tasks })
    }

    /// The number of the customer whose calls go to phone `index`.
    pub(super) fn number_of(&self, index: usize) -> String {
        self.numbers[index].clone()
    }
}

fn open(deployment: &Deployment, index: usize) -> Result<Session> {
    let platform = Platform {
        kind: PlatformKind::Headless,
        device_name: format!("Sleeper {index}"),
        app_version: env!("CARGO_PKG_VERSION").to_owned(),
        os_version: "0".to_owned(),
        data_dir: deployment.folder().join(format!("sleeper-{index}")),
        utc_offset_minutes: 540,
    };
    Ok(Session::open(platform, Clock::start(), Arc::new(Silence))?)
}

async fn answer_all(session: Session) -> Result<()> {
    let mut events = session.subscribe();
    loop {
        if let Event::Ringing { call, .. } = events.recv().await?.event {
            session.answer(call).await;
        }
    }
}

/// Hands every push of the stream to the phone.
async fn deliver(http: Http, pushes: String, session: Session, kind: PushKind) -> Result<()> {
    let request = Request::get(&pushes).body(Empty::new())?;
    let mut body = http.request(request).await.context("the push stream cannot be opened")?.into_body();
    let mut buffer = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            buffer.extend_from_slice(&data);
        }
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            if let Ok(push) = serde_json::from_slice::<Value>(&line) {
                session.push_received(kind, push["payload"].to_string().as_bytes());
            }
        }
    }
    // A stream that ends has lost its fakes: the bench is over or broken, and the calls will say which.
    Ok(())
}
