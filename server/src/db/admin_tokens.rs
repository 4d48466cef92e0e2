//! Tokens of administration, stored as their hash.

use callfield_domain::{TenantId, Timestamp};
use uuid::Uuid;

use super::{Result, Scoped, Tx, on, statements};

/// A token of administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminToken<'a> {
    /// Its id.
    pub id: Uuid,
    /// What it is for, in the administrator's words.
    pub name: &'a str,
    /// SHA-256 of it.
    pub hash: &'a [u8],
    /// When it was made.
    pub created_at: Timestamp,
}

statements! {
    INSERT = "INSERT INTO admin_tokens (tenant_id, id, name, token_hash, created_at) VALUES ($1, $2, $3, $4, $5)";
    TENANT_OF = "SELECT tenant_id FROM admin_tokens WHERE token_hash = $1";
}

impl Scoped {
    /// Adds a token.
    pub async fn insert_admin_token(&mut self, token: &AdminToken<'_>) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(INSERT)
            .bind(tenant)
            .bind(token.id)
            .bind(token.name)
            .bind(token.hash)
            .bind(token.created_at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
    }
}

impl Tx {
    /// Whose token has this SHA-256.
    pub async fn tenant_of_admin_token(&mut self, hash: &[u8]) -> Result<Option<TenantId>> {
        let id: Option<Uuid> = on!(*self, connection => sqlx::query_scalar(TENANT_OF)
            .bind(hash)
            .fetch_optional(connection).await)?;
        Ok(id.map(TenantId::from_uuid))
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    db_test! {
        async fn a_token_is_found_by_its_hash_and_tells_its_company(db: Db) {
            let house = House::new(&db).await;
            let token = AdminToken { id: house.tenant.uuid(), name: "office", hash: &[3; 32], created_at: Timestamp::ZERO };
            let mut rows = house.write().await;
            rows.insert_admin_token(&token).await.unwrap();
            rows.commit().await.unwrap();
            let mut look_up = db.look_up().await.unwrap();
            assert_eq!(look_up.tenant_of_admin_token(&[3; 32]).await.unwrap(), Some(house.tenant));
            assert_eq!(look_up.tenant_of_admin_token(&[4; 32]).await.unwrap(), None);
        }
    }
}
