//! Ids: one newtype each, so that a call is never taken for a user.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::{Random, Timestamp};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: UUIDv7 (RFC 9562), ordered by the time it was made.
            pub fn new(now: Timestamp, random: &mut Random) -> Self {
                let ms = u64::try_from(now.as_millis()).unwrap_or(0);
                Self(Builder::from_unix_timestamp_millis(ms, &random.bytes()).into_uuid())
            }

            /// The id that `uuid` is.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id as a UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A company.
    TenantId;
    /// A person with a login.
    UserId;
    /// One installation of the app: its install id, its SIP instance, the owner of its Automerge actors.
    DeviceId;
    /// A company phone number.
    NumberId;
    /// How calls come in and go out.
    TrunkId;
    /// A call, the same on every leg, in the push and in the log.
    CallId;
    /// What syncs: one Automerge document.
    RecordId;
}

impl RecordId {
    /// The record that a call's log is: UUIDv5 of tenant and call, so that phone and server make the same one.
    pub fn of_call(tenant: TenantId, call: CallId) -> Self {
        Self(Uuid::new_v5(&tenant.0, call.0.as_bytes()))
    }

    /// Whether it may be [the id of a call's record](Self::of_call): a UUIDv5. No other record has such an id.
    pub fn is_of_call(self) -> bool {
        self.0.get_version_num() == 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn ids_are_ordered_by_the_time_they_were_made() {
        let mut random = Random::new(Seed::from_number(1));
        let first = CallId::new(Timestamp::from_millis(1_000), &mut random);
        let second = CallId::new(Timestamp::from_millis(1_001), &mut random);
        assert!(first < second);
        assert_eq!(first.uuid().get_version_num(), 7);
    }

    #[test]
    fn two_sides_make_the_same_record_for_a_call() {
        let mut random = Random::new(Seed::from_number(1));
        let tenant = TenantId::new(Timestamp::ZERO, &mut random);
        let call = CallId::new(Timestamp::ZERO, &mut random);
        assert_eq!(RecordId::of_call(tenant, call), RecordId::of_call(tenant, call));
        assert!(RecordId::of_call(tenant, call).is_of_call());
        assert!(!RecordId::new(Timestamp::ZERO, &mut random).is_of_call());
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        assert!("not-a-call".parse::<CallId>().is_err());
    }
}
