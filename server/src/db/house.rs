//! A company with what its rows need, for the tests of tables.

use callfield_domain::{DeviceId, Random, RecordId, Seed, TenantId, Timestamp, TrunkId, UserId};
use serde_json::Value;

use super::{Db, Device, Doc, PushEnvironment, PushService, PushTarget, Scoped, Tenant, Trunk, TrunkKind, User};

/// A company, its database, and where its ids come from.
pub(super) struct House {
    pub(super) db: Db,
    pub(super) tenant: TenantId,
    pub(super) random: Random,
}

impl House {
    pub(super) async fn new(db: &Db) -> Self {
        Self::numbered(db, 1).await
    }

    /// Another number, another company.
    pub(super) async fn numbered(db: &Db, number: u64) -> Self {
        let mut random = Random::new(Seed::from_number(number));
        let tenant = TenantId::new(Timestamp::from_millis(1), &mut random);
        let row = Tenant {
            id: tenant,
            name: "ABC".to_owned(),
            country: "JP".to_owned(),
            incarnation: tenant.uuid(),
            cursor_key: vec![7; 32],
            next_seq: 0,
            created_at: Timestamp::ZERO,
        };
        let mut rows = db.write(tenant).await.unwrap();
        rows.insert_tenant(&row).await.unwrap();
        rows.commit().await.unwrap();
        Self { db: db.clone(), tenant, random }
    }

    pub(super) async fn write(&self) -> Scoped {
        self.db.write(self.tenant).await.unwrap()
    }

    pub(super) async fn read(&self) -> Scoped {
        self.db.read(self.tenant).await.unwrap()
    }

    /// A person who is not stored yet.
    pub(super) fn new_user(&mut self, name: &str) -> User {
        let id = UserId::new(Timestamp::ZERO, &mut self.random);
        User { id, name: name.to_owned(), extension: None, created_at: Timestamp::ZERO }
    }

    /// A stored person.
    pub(super) async fn user(&mut self, name: &str) -> UserId {
        let user = self.new_user(name);
        let mut rows = self.write().await;
        rows.insert_user(&user).await.unwrap();
        rows.commit().await.unwrap();
        user.id
    }

    /// A device that is not stored yet.
    pub(super) fn new_device(&mut self, user: UserId) -> Device {
        Device {
            id: DeviceId::new(Timestamp::ZERO, &mut self.random),
            user,
            platform: "ios".to_owned(),
            name: "iPhone".to_owned(),
            app_version: "0.1.0".to_owned(),
            os_version: "19".to_owned(),
            public_key: vec![5; 32],
            push: Some(PushTarget {
                service: PushService::Apns,
                token: "token-1".to_owned(),
                alert_token: Some("token-a".to_owned()),
                environment: PushEnvironment::Sandbox,
                registered_at: Timestamp::from_millis(10),
            }),
            push_invalid: None,
            enrolled_at: Timestamp::from_millis(10),
        }
    }

    /// A trunk that is not stored yet.
    pub(super) fn new_trunk(&mut self, at: i64, outgoing: Option<&str>) -> Trunk {
        let created_at = Timestamp::from_millis(at);
        Trunk {
            id: TrunkId::new(created_at, &mut self.random),
            name: "PBX".to_owned(),
            kind: TrunkKind::Static,
            addresses: vec!["192.0.2.7".parse().unwrap()],
            outgoing: outgoing.map(|to| to.parse().unwrap()),
            priority: 100,
            max_calls: None,
            credentials: None,
            is_enabled: true,
            created_at,
        }
    }

    /// A stored record.
    pub(super) async fn doc(&mut self, record_type: &str, projection: Value) -> Doc {
        let mut rows = self.db.write(self.tenant).await.unwrap();
        let doc = Doc {
            id: RecordId::new(Timestamp::ZERO, &mut self.random),
            record_type: record_type.to_owned(),
            owner: None,
            epoch: 0,
            snapshot: vec![1, 2, 3],
            heads: vec![9; 32],
            projection,
            last_seq: rows.take_seq(1).await.unwrap(),
            created_at: Timestamp::from_millis(20),
        };
        rows.put_docs(std::slice::from_ref(&doc)).await.unwrap();
        rows.commit().await.unwrap();
        doc
    }
}
