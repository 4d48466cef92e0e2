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
