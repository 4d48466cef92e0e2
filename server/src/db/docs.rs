//! Records: one row a document, with the projection of its current values.

use callfield_domain::RecordId;
use serde_json::Value;
use sqlx::types::Json;

use super::{Result, Scoped, on, statements};

statements! {
    PROJECTION = "SELECT projection FROM docs WHERE tenant_id = $1 AND id = $2";
}

impl Scoped {
    /// The current values of a record.
    pub async fn projection(&mut self, record: RecordId) -> Result<Option<Value>> {
        let tenant = self.tenant.uuid();
        let projection: Option<Json<Value>> = on!(self.tx, connection => sqlx::query_scalar(PROJECTION)
            .bind(tenant)
            .bind(record.uuid())
            .fetch_optional(connection).await)?;
        Ok(projection.map(|Json(value)| value))
    }
}
