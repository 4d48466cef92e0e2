//! What a unit of work promises, on both engines; what group commit adds, on SQLite.

use std::path::Path;

use super::house::House;
use super::testing::{self, db_test, sqlite};
use super::{Db, Place, User};

db_test! {
    async fn a_committed_unit_is_read_by_others(db: Db) {
        let mut house = House::numbered(&db, 1).await;
        let tenant = house.tenant;
        let user = house.new_user("Suzuki");
        let mut write = db.write(tenant).await.unwrap();
        write.insert_user(&user).await.unwrap();
        write.commit().await.unwrap();
        assert_eq!(db.read(tenant).await.unwrap().user(user.id).await.unwrap(), Some(user));
    }

    async fn a_dropped_unit_leaves_no_trace_and_its_neighbours_stay(db: Db) {
        let mut house = House::numbered(&db, 2).await;
        let tenant = house.tenant;
        let [before, dropped, after] = ["before", "dropped", "after"].map(|name| house.new_user(name));
        for (user, is_kept) in [(&before, true), (&dropped, false), (&after, true)] {
            let mut write = db.write(tenant).await.unwrap();
            write.insert_user(user).await.unwrap();
            if is_kept {
                write.commit().await.unwrap();
            }
        }
        let mut read = db.read(tenant).await.unwrap();
        assert!(read.user(before.id).await.unwrap().is_some());
        assert!(read.user(dropped.id).await.unwrap().is_none());
        assert!(read.user(after.id).await.unwrap().is_some());
    }

    async fn a_failing_unit_rolls_back_alone(db: Db) {
        let mut house = House::numbered(&db, 3).await;
        let tenant = house.tenant;
        let users: Vec<User> = (0..20).map(|n| house.new_user(&n.to_string())).collect();
        let units = users.iter().cloned().enumerate().map(|(n, user)| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut write = db.write(tenant).await?;
                write.insert_user(&user).await?;
                if n % 3 == 0 {
                    write.insert_user(&user).await?;
                }
                write.commit().await
            })
        });
        let units: Vec<_> = units.collect();
        let mut read = db.read(tenant).await.unwrap();
        for (n, (unit, user)) in units.into_iter().zip(&users).enumerate() {
            let outcome = unit.await.unwrap();
            assert_eq!(outcome.is_err(), n % 3 == 0, "unit {n}");
            assert!(outcome.err().is_none_or(|error| error.is_taken()));
            assert_eq!(read.user(user.id).await.unwrap().is_some(), n % 3 != 0, "unit {n}");
        }
    }

    async fn units_of_one_tenant_come_one_after_the_other(db: Db) {
        let tenant = House::numbered(&db, 4).await.tenant;
        let units: Vec<_> = (0..32).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut write = db.write(tenant).await.unwrap();
                let before = write.tenant_row().await.unwrap().unwrap().next_seq;
                let taken = write.take_seq(1).await.unwrap();
                write.commit().await.unwrap();
                assert_eq!(taken, before + 1, "another unit came in between");
                taken
            })
        }).collect();
        let mut taken = Vec::new();
        for unit in units {
            taken.push(unit.await.unwrap());
        }
        taken.sort_unstable();
        assert_eq!(taken, (1..=32).collect::<Vec<i64>>());
    }

    async fn a_unit_whose_task_is_aborted_blocks_nobody(db: Db) {
        let mut house = House::numbered(&db, 5).await;
        let tenant = house.tenant;
        for round in 0..20_u32 {
            let (of_task, user) = (db.clone(), house.new_user("aborted"));
            let task = tokio::spawn(async move {
                let mut write = of_task.write(tenant).await.unwrap();
                write.insert_user(&user).await.unwrap();
                write.commit().await.unwrap();
            });
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            task.abort();
            let mut write = db.write(tenant).await.unwrap();
            write.take_seq(1).await.unwrap();
            write.commit().await.unwrap();
        }
        assert_eq!(db.read(tenant).await.unwrap().tenant_row().await.unwrap().unwrap().next_seq, 20);
    }

    async fn a_reader_cannot_write(db: Db) {
        let mut house = House::numbered(&db, 6).await;
        let tenant = house.tenant;
        let mut read = db.read(tenant).await.unwrap();
        assert!(read.insert_user(&house.new_user("never")).await.is_err());
    }
}

#[tokio::test]
async fn an_acknowledged_unit_is_in_the_files() {
    let (db, folder) = sqlite().await;
    let mut house = House::numbered(&db, 7).await;
    let tenant = house.tenant;
    let user = house.new_user("Suzuki");
    let mut write = db.write(tenant).await.unwrap();
    write.insert_user(&user).await.unwrap();
    write.commit().await.unwrap();

    // What a crash at this moment would leave: the files as they are.
    let after_crash = tempfile::tempdir().unwrap();
    for name in ["callfield.db", "callfield.db-wal"] {
        std::fs::copy(folder.path().join(name), after_crash.path().join(name)).unwrap();
    }
    let url = format!("sqlite://{}", after_crash.path().join("callfield.db").display());
    let db = Db::open(Place { url: &url, readers: 1, writers: 1 }).await.unwrap();
    assert_eq!(db.read(tenant).await.unwrap().user(user.id).await.unwrap(), Some(user));
}

#[tokio::test]
async fn units_that_wait_together_share_one_commit() {
    let (db, folder) = sqlite().await;
    let tenant = House::numbered(&db, 8).await.tenant;
    let wal = folder.path().join("callfield.db-wal");
    let held = db.write(tenant).await.unwrap();
    let before = commits(&wal);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut write = db.write(tenant).await.unwrap();
                write.take_seq(1).await.unwrap();
                write.commit().await.unwrap();
            })
        })
        .collect();
    // On one thread every task has queued for the writer once each was polled.
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    drop(held);
    for unit in waiting {
        unit.await.unwrap();
    }
    let shared = commits(&wal) - before;
    assert!((1..=2).contains(&shared), "{shared} commits for 50 units");
}

/// Counts the frames of a write-ahead log that end a transaction: those that state the database's size.
fn commits(wal: &Path) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4096;
    let bytes = std::fs::read(wal).unwrap();
    bytes[HEADER..].chunks_exact(FRAME).filter(|frame| frame[4..8] != [0; 4]).count()
}
