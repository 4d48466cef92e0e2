//! Acknowledged means on disk: the program is killed while many clients write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use callfield_domain::{TenantId, UserId};
use callfield_server::db::{Db, Place};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Notify;

use crate::office::request;
use crate::program::{Connection, Served, callfield, printed, write_config};
use crate::testing;

const ROUNDS: usize = 5;
const CLIENTS: usize = 16;
/// How many writes a round must have acknowledged before the program is killed.
const WRITES: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_by_a_kill_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("data/callfield.db").display());
    no_acknowledged_write_is_lost(folder.path(), &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_by_a_kill_on_postgres() {
    let Some(url) = testing::postgres_url().await else { return };
    let folder = tempfile::tempdir().unwrap();
    no_acknowledged_write_is_lost(folder.path(), &url).await;
}

async fn no_acknowledged_write_is_lost(folder: &std::path::Path, url: &str) {
    let config = write_config(folder, Some(url));
    let admin = |more: &[&str]| {
        let arguments: Vec<&str> = ["admin"].iter().chain(more).copied().chain(["--config", &config]).collect();
        printed(&callfield(&arguments).output().unwrap())
    };
    let tenant = admin(&["tenant", "ABC", "--country", "JP"]);
    let token = admin(&["token", "--tenant", &tenant]);
    let mut acknowledged = BTreeSet::new();
    for _ in 0..ROUNDS {
        let served = Served::start(folder, &config).await;
        acknowledged.extend(write_until_killed(served, &token).await);
    }
    assert!(acknowledged.len() >= ROUNDS * WRITES);

    let tenant: TenantId = tenant.parse().unwrap();
    let db = Db::open(Place { url, readers: 1, writers: 1 }).await.unwrap();
    let mut rows = db.read(tenant).await.unwrap();
    for user in acknowledged {
        assert!(rows.user(user).await.unwrap().is_some(), "an acknowledged write is gone");
    }
}

/// Writes from many clients until enough is acknowledged, kills the program in the midst of it, and answers what was.
async fn write_until_killed(served: Served, token: &str) -> Vec<UserId> {
    let (count, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (address, token) = (served.address(), token.to_owned());
            let (count, enough) = (Arc::clone(&count), Arc::clone(&enough));
            tokio::spawn(async move {
                let mut acknowledged: Vec<UserId> = Vec::new();
                let Some(mut connection) = Connection::open(&address).await else { return acknowledged };
                let body = json!({ "name": "Suzuki" }).to_string();
                while let Some((status, body)) =
                    connection.send(request(Method::POST, "/v1/users", &token, Body::from(body.clone()))).await
                {
                    assert_eq!(status, StatusCode::CREATED);
                    acknowledged.push(body["id"].as_str().unwrap().parse().unwrap());
                    if count.fetch_add(1, Ordering::SeqCst) + 1 == WRITES {
                        enough.notify_one();
                    }
                }
                acknowledged
            })
        })
        .collect();
    enough.notified().await;
    served.kill();
    let mut acknowledged = Vec::new();
    for client in clients {
        acknowledged.extend(client.await.unwrap());
    }
    acknowledged
}
