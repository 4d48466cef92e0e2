//! How pushes reach a phone without Apple and Google: the fake services' control API streams them as lines of JSON.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::push::PushKind;
use crate::transport::api::PushService;
use crate::transport::https::{Ask, ask, open};
use crate::transport::{Endpoint, Network, TransportError, Trust};

const FILE_NAME: &str = "push.json";
const LIMIT: Duration = Duration::from_secs(10);
const LINE_BYTES_MAX: usize = 64 << 10;

/// This install at the fake services: what an app's push library would keep.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PushChannel {
    control: String,
    service: PushService,
    /// The address that pushes for this install go to.
    pub(super) token: String,
    /// The other address of an iPhone, for alerts; they come by the same stream.
    #[serde(default)]
    pub(super) alert_token: Option<String>,
    /// The last push that was handed over.
    after: Option<u64>,
    #[serde(skip)]
    file: PathBuf,
}

/// A push as the stream holds it.
#[derive(Debug, Deserialize)]
pub(super) struct Pushed {
    n: u64,
    push_type: String,
    payload: Value,
}

impl PushChannel {
    /// Becomes an install of the service and keeps its address in the phone's folder.
    ///
    /// # Errors
    /// If the control API cannot be reached or refuses.
    pub(super) async fn install(
        network: &Network,
        control: &str,
        service: PushService,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Installed {
            token: String,
            alert_token: Option<String>,
        }
        let body = serde_json::to_vec(&serde_json::json!({ "service": service }))?;
        let headers = vec![("content-type", "application/json".to_owned())];
        let asked = Ask { method: Method::POST, path: "/phones", headers, body: body.into(), limit: LIMIT };
        let answer = ask(network, &Trust::new(None)?, &control.parse()?, asked).await?;
        if !answer.status.is_success() {
            bail!("the push services' control API refused ({})", answer.status);
        }
        let Installed { token, alert_token } =
            serde_json::from_slice(&answer.body).context("the control API gave no token")?;
        let (control, file) = (control.to_owned(), folder.join(FILE_NAME));
        let channel = Self { control, service, token, alert_token, after: None, file };
        channel.keep()?;
        Ok(channel)
    }

    /// The install that was kept in the folder.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn kept(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(FILE_NAME);
        let text = fs::read(&file).context("this phone was enrolled without --push-control and cannot be woken")?;
        let channel: Self = serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display()))?;
        Ok(Self { file, ..channel })
    }

    /// Opens the stream where it was left.
    ///
    /// # Errors
    /// If the control API cannot be reached or does not know this install.
    pub(super) async fn listen(&self, network: &Network) -> Result<Stream, ChannelError> {
        let after = self.after.map(|n| format!("?after={n}")).unwrap_or_default();
        let path = format!("/phones/{}/pushes{after}", self.token);
        let control: Endpoint = self.control.parse()?;
        let asked = Ask { method: Method::GET, path: &path, headers: Vec::new(), body: Bytes::new(), limit: LIMIT };
        let response = open(network, &Trust::new(None)?, &control, asked).await?;
        if !response.status().is_success() {
            return Err(ChannelError::Refused(response.status().as_u16()));
        }
        Ok(Stream { body: response.into_body(), buffer: BytesMut::new() })
    }

    /// Remembers that the push was handed over.
    pub(super) fn note(&mut self, pushed: &Pushed) -> anyhow::Result<()> {
        self.after = Some(pushed.n);
        self.keep()
    }

    /// What the platform would say the push is, and its bytes as an app gets them.
    pub(super) fn handed_over(&self, pushed: &Pushed) -> (PushKind, Vec<u8>) {
        let kind = match self.service {
            PushService::Fcm => PushKind::Fcm,
            PushService::Apns if pushed.push_type == "voip" => PushKind::ApnsVoip,
            PushService::Apns => PushKind::Apns,
        };
        (kind, pushed.payload.to_string().into_bytes())
    }

    /// The file is small and lost lines come again, so it is simply replaced.
    fn keep(&self) -> anyhow::Result<()> {
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(self)?)?;
        fs::rename(&fresh, &self.file)?;
        Ok(())
    }
}

/// Why the stream cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChannelError {
    /// It may be there later.
    #[error(transparent)]
    Unreachable(#[from] TransportError),
    /// The control API does not know this install.
    #[error("the push services' control API refused ({0})")]
    Refused(u16),
}

/// An open stream of pushes.
pub(super) struct Stream {
    body: hyper::body::Incoming,
    buffer: BytesMut,
}

impl Stream {
    /// The next push; `None` once the stream is lost. A line that is no push is passed over.
    pub(super) async fn next(&mut self) -> Option<Pushed> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                match serde_json::from_slice(&line) {
                    Ok(pushed) => return Some(pushed),
                    Err(error) => tracing::warn!(%error, "a line of the push channel is no push"),
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.buffer.extend_from_slice(frame.data_ref()?);
            if self.buffer.len() > LINE_BYTES_MAX {
                return None;
            }
        }
    }
}
