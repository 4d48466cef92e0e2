//! The steps from one version of the store to the next; `user_version` counts those that were taken.

use rusqlite::Connection;

use super::StoreError;

const STEPS: &[&str] = &[include_str!("../../../migrations/device/0001_first.sql")];

pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    let taken = usize::try_from(found).unwrap_or(usize::MAX);
    for step in STEPS.iter().skip(taken) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", known)?;
    tx.commit()?;
    Ok(())
}
