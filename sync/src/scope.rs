//! Which scopes a record belongs to: derived from its values, in the transaction that writes it (sync.md 7).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::schema::RecordType;

/// The scope of everybody in the tenant.
pub const TENANT: &str = "tenant";

/// The scope of one user's records.
pub fn of_user(user: &str) -> String {
    format!("user:{user}")
}

/// The scopes of a record with these values: its owner's, else the tenant's. A call is its user's and its writer's.
pub fn of_record(record_type: RecordType, projection: &Value) -> BTreeSet<String> {
    let fields: &[&str] = match record_type {
        RecordType::Contact | RecordType::Task => &["owner_id"],
        RecordType::Call => &["user_id", "logged_by"],
    };
    let users = fields.iter().filter_map(|field| projection.get(field).and_then(Value::as_str));
    let mut scopes: BTreeSet<_> = users.map(of_user).collect();
    if scopes.is_empty() {
        scopes.insert(TENANT.to_owned());
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_is_its_owners_or_everybodys() {
        let owned = of_record(RecordType::Contact, &json!({"owner_id": "a"}));
        assert_eq!(owned.into_iter().collect::<Vec<_>>(), ["user:a"]);
        let shared = of_record(RecordType::Task, &json!({}));
        assert_eq!(shared.into_iter().collect::<Vec<_>>(), ["tenant"]);
    }

    #[test]
    fn a_call_is_its_users_and_its_writers() {
        let call = of_record(RecordType::Call, &json!({"user_id": "a", "logged_by": "b"}));
        assert_eq!(call.into_iter().collect::<Vec<_>>(), ["user:a", "user:b"]);
    }
}
