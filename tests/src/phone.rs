//! Headless phones (`callfield-phone`) as a person would use them: commands in, one JSON event a line out.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::deployment::Deployment;
use crate::process::{Process, run};

/// What kind of phone it is.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// What its owner calls it; also the name of its folder and log.
    pub name: &'static str,
    /// `android` or `ios`.
    pub platform: &'static str,
    /// `fcm` or `apns`.
    pub service: &'static str,
}

/// One phone.
pub struct Phone {
    model: Model,
    data: PathBuf,
    logs: PathBuf,
    process: Option<Process>,
    events: Vec<Value>,
}

impl Phone {
    /// Enrols a new phone of the seeded user with a one-time code, and syncs.
    pub async fn enrol(deployment: &Deployment, model: Model) -> Result<Self> {
        Self::enrol_for(deployment, deployment.user(), model).await
    }

    /// Enrols a new phone of any user with a one-time code, and syncs.
    pub async fn enrol_for(deployment: &Deployment, user: &str, model: Model) -> Result<Self> {
        let code = deployment.enrolment_code_for(user).await?;
        let data = deployment.folder().join(model.name);
        let phone = Self { model, data, logs: deployment.logs(), process: None, events: Vec::new() };
        let ca = deployment.ca_file().display().to_string();
        phone
            .once(&[
                "enrol",
                "--server",
                deployment.base(),
                "--ca",
                &ca,
                "--code",
                &code,
                "--push-control",
                deployment.control_url(),
                "--push-service",
                model.service,
                "--name",
                model.name,
                "--platform",
                model.platform,
            ])
            .await?;
        phone.once(&["sync"]).await?;
        Ok(phone)
    }

    /// Runs one command of the phone while it is not waiting for calls, and returns what it printed.
    pub async fn once(&self, args: &[&str]) -> Result<String> {
        let data = self.data.display().to_string();
        run("callfield-phone", &[&["--data", &data], args].concat()).await
    }

    /// Starts waiting for calls, asleep: only the push channel is listened to.
    pub async fn wait(&mut self, args: &[&str]) -> Result<()> {
        let data = self.data.display().to_string();
        let args = [&["--data", &data, "wait", "--json"], args].concat();
        self.process = Some(Process::converse(self.model.name, "callfield-phone", &args, &self.logs)?);
        self.event("asleep", Duration::from_secs(10)).await?;
        Ok(())
    }

    /// Types one command into the waiting phone.
    pub async fn say(&mut self, line: &str) -> Result<()> {
        self.process.as_mut().context("the phone is not running")?.say(line).await
    }

    /// The next event called `name`, within `limit`; what comes before it is counted by [`Phone::count`].
    pub async fn event(&mut self, name: &str, limit: Duration) -> Result<Value> {
        let until = Instant::now() + limit;
        let process = self.process.as_mut().context("the phone is not running")?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = process.line(left).await.with_context(|| {
                format!("{} waited for the event `{name}`; it saw {:?}", self.model.name, names(&self.events))
            })?;
            let event: Value =
                serde_json::from_str(&line).with_context(|| format!("{} printed no JSON: {line}", self.model.name))?;
            self.events.push(event.clone());
            if event["error"].is_string() {
                bail!("{} reports: {}", self.model.name, event["error"]);
            }
            if event["event"] == name {
                return Ok(event);
            }
        }
    }

    /// How many events called `name` came so far.
    pub fn count(&self, name: &str) -> usize {
        self.events.iter().filter(|event| event["event"] == name).count()
    }

    /// Ends the waiting phone.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            process.stop(Duration::from_secs(5)).await?;
        }
        Ok(())
    }
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["event"].as_str()).collect()
}
