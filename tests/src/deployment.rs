//! A whole company on loopback: the fake push services, the server with a fresh database, one seeded tenant.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::Api;
use crate::process::{Process, run};

/// The company's number.
pub const COMPANY_NUMBER: &str = "+81350001000";
/// The contact's number, from which the call comes.
pub const CONTACT_NUMBER: &str = "+81312345678";
/// The contact as a phone shows it.
pub const CONTACT_NAME: &str = "Tanaka Ichiro";
/// How long a program may take until it serves.
const READY: Duration = Duration::from_secs(20);
/// How long a program may take to end.
const STOP: Duration = Duration::from_secs(10);

/// What is running.
pub struct Deployment {
    folder: PathBuf,
    fakes: Process,
    server: Process,
    base: String,
    sip_udp: SocketAddr,
    control: Api,
    admin: Api,
    admin_token: String,
    user: String,
    contact: String,
}

impl Deployment {
    /// Starts everything in `folder`; `database` is the server's database URL, `None` for its default.
    pub async fn start(folder: &Path, database: Option<&str>) -> Result<Self> {
        Self::start_with(folder, database, &json!({})).await
    }

    /// Starts everything with further settings of the server: its sections, each with the keys that differ.
    pub async fn start_with(folder: &Path, database: Option<&str>, settings: &Value) -> Result<Self> {
        let logs = folder.join("logs");
        let fakes_folder = folder.join("fakes");
        std::fs::create_dir_all(&logs)?;
        std::fs::create_dir_all(&fakes_folder)?;
        let fakes_arg = fakes_folder.display().to_string();
        let mut fakes = Process::start("fakes", "callfield-fake-push", &["--dir", &fakes_arg], &logs)?;
        let push = fakes.ready(&fakes_folder.join("ready.json"), READY).await?;
        let control = Api::new(text(&push, "control_url")?, b"")?;

        let config = folder.join("callfield.toml");
        std::fs::write(&config, server_config(folder, &fakes_folder, &push, database, settings)?)?;
        let config_arg = config.display().to_string();
        let tenant =
            run("callfield", &["admin", "tenant", "--config", &config_arg, "ABC Sales", "--country", "JP"]).await?;
        let admin_token = run("callfield", &["admin", "token", "--config", &config_arg, "--tenant", &tenant]).await?;

        let ready = folder.join("server-ready.json");
        let (server, serving) = start_server(&config, &ready, &logs).await?;
        let base = text(&serving, "url")?.to_owned();
        let sip_udp = text(&serving, "sip_udp")?.parse().context("the server's SIP address is no address")?;
        let ca = std::fs::read(folder.join("data/cert.pem")).context("the server made no certificate")?;
        let admin = Api::new(&base, &ca)?.with_token(&admin_token);
        let (user, contact) = seed(&admin).await?;
        Ok(Self { folder: folder.to_owned(), fakes, server, base, sip_udp, control, admin, admin_token, user, contact })
    }

    /// The API with the administrator's token.
    pub fn admin(&self) -> &Api {
        &self.admin
    }

    /// The administrator's token.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The fakes' control API.
    pub fn control(&self) -> &Api {
        &self.control
    }

    /// Where the server is, `https://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where the server takes SIP over UDP.
    pub fn sip_udp(&self) -> SocketAddr {
        self.sip_udp
    }

    /// The certificate the server's clients trust.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("data/cert.pem")
    }

    /// Where the logs of all programs are.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The folder everything is kept in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The seeded user, Suzuki Hanako.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The seeded contact, Tanaka Ichiro.
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// The server's process id, for measurements.
    pub fn server_pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// The address of the fakes' control API.
    pub fn control_url(&self) -> &str {
        self.control.base()
    }

    /// A one-time code for another device of the user.
    pub async fn enrolment_code(&self) -> Result<String> {
        self.enrolment_code_for(&self.user).await
    }

    /// A one-time code for another device of any user.
    pub async fn enrolment_code_for(&self, user: &str) -> Result<String> {
        let answer = self.admin.post("/v1/enrolment-codes", &json!({ "user": user })).await?;
        Ok(text(&answer, "code")?.to_owned())
    }

    /// Ends every program; true if each ended by itself and cleanly.
    pub async fn stop(self) -> Result<bool> {
        let server = self.server.stop(STOP).await?;
        let fakes = self.fakes.stop(STOP).await?;
        Ok(server && fakes)
    }
}

async fn start_server(config: &Path, ready: &Path, logs: &Path) -> Result<(Process, Value)> {
    let (config, ready_arg) = (config.display().to_string(), ready.display().to_string());
    let args = ["serve", "--config", &config, "--ready-file", &ready_arg];
    let mut server = Process::start("server", "callfield", &args, logs)?;
    let serving = server.ready(ready, READY).await?;
    Ok((server, serving))
}

fn server_config(
    folder: &Path,
    fakes: &Path,
    push: &Value,
    database: Option<&str>,
    settings: &Value,
) -> Result<String> {
    let mut config = json!({
        "server": { "listen": "127.0.0.1:0", "data_dir": folder.join("data") },
        "database": { "url": database.unwrap_or("sqlite") },
        "sip": {
            "domain": "callfield.test",
            "udp": "127.0.0.1:0",
            "tcp": "127.0.0.1:0",
            "tls": "127.0.0.1:0",
            // The only hash that sipp knows, and it gives up when another one is offered first.
            "digest": ["MD5"],
        },
        "media": { "bind": "127.0.0.1" },
        "push": {
            "apns": {
                "url": text(push, "apns_url")?,
                "ca_file": fakes.join("ca.pem"),
                "team_id": text(push, "team_id")?,
                "key_id": text(push, "key_id")?,
                "key_file": fakes.join("apns.p8"),
                "bundle_id": text(push, "bundle_id")?,
            },
            "fcm": {
                "url": text(push, "fcm_url")?,
                "ca_file": fakes.join("ca.pem"),
                "service_account_file": fakes.join("service-account.json"),
            },
        },
        "log": { "format": "text", "filter": "info,callfield_server=debug" },
    });
    for (section, keys) in settings.as_object().into_iter().flatten() {
        for (key, value) in keys.as_object().into_iter().flatten() {
            config[section][key] = value.clone();
        }
    }
    Ok(toml::to_string(&config)?)
}

/// One tenant's people, number, trunk and contact, all through the API.
async fn seed(admin: &Api) -> Result<(String, String)> {
    let user = admin.post("/v1/users", &json!({ "name": "Suzuki Hanako" })).await?;
    let user = text(&user, "id")?.to_owned();
    admin.post("/v1/numbers", &json!({ "e164": COMPANY_NUMBER, "route": "record_owner" })).await?;
    let trunk = json!({ "name": "loopback PBX", "kind": "static", "addresses": ["127.0.0.1"] });
    admin.post("/v1/trunks", &trunk).await?;
    let contact = json!({
        "type": "contact",
        "owner": user,
        "fields": {
            "last_name": "Tanaka",
            "first_name": "Ichiro",
            "organization_name": "ABC 株式会社",
            "title": "課長",
            "phones": { CONTACT_NUMBER: { "type": "office", "label": "代表" } },
        },
    });
    let contact = admin.post("/v1/records", &contact).await?;
    Ok((user, text(&contact, "id")?.to_owned()))
}

/// A string member of a JSON object, or an error that names it.
pub fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("`{key}` is missing in {value}"))
}
