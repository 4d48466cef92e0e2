//! Enrolling from the command line.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::arguments::EnrolArguments;
use super::output::Output;
use super::push_channel::PushChannel;
use crate::session::{EnrolWith, Session, SyncReason};
use crate::transport::api::PushTarget;

/// Enrols the phone and fetches its records.
///
/// # Errors
/// One sentence for a wrong, expired or used code, an unreachable server, an unreadable file.
pub(super) async fn enrol(
    session: &Session,
    folder: &Path,
    arguments: &EnrolArguments,
    output: &Output,
) -> anyhow::Result<()> {
    let ca_pem = match &arguments.ca {
        None => None,
        Some(path) => Some(fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?),
    };
    let push = match (&arguments.push_control, arguments.push_service) {
        (Some(control), Some(service)) => {
            let channel = PushChannel::install(session.network(), control, service.into(), folder).await?;
            Some(PushTarget {
                service: service.into(),
                token: channel.token,
                alert_token: channel.alert_token,
                environment: arguments.push_environment.into(),
            })
        }
        _ => None,
    };
    let with = EnrolWith { server: arguments.server.clone(), ca_pem, code: arguments.code.clone(), push };
    session.enrol(&with).await?;
    let state = session.state()?;
    output.said(session.clock().now(), "enrolled", json!(state.account));
    let synced = session.sync_now(SyncReason::Foreground, &CancellationToken::new()).await?;
    output.said(session.clock().now(), "synced", json!(synced));
    Ok(())
}
