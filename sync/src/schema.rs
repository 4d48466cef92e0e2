//! The record types, as tables: which fields a record has, who may write them, and what a conflict means.
//!
//! Adding a record type is a file in `schema/` with one table, a variant of [`RecordType`] and a row in its match.
//! Fields are only ever added. A container (a map or a long text) added after release needs a further deterministic
//! change beside the genesis ([`crate::genesis`]), never a lazy one.

mod call;
mod contact;
mod field;
mod task;

use std::fmt;
use std::str::FromStr;

pub use field::{Class, Conflicts, Field, Kind, Sub};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// A person outside (features.md 4.2).
    Contact,
    /// Something to do.
    Task,
    /// A call: the server's facts and the user's log (features.md 4.3).
    Call,
}

impl RecordType {
    /// Every type this build knows.
    pub const ALL: &'static [Self] = &[Self::Contact, Self::Task, Self::Call];

    /// The name in tables, in the API and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Task => "task",
            Self::Call => "call",
        }
    }

    /// Its fields, by name.
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Contact => contact::FIELDS,
            Self::Task => task::FIELDS,
            Self::Call => call::FIELDS,
        }
    }

    /// The field called `name`.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// The field that marks a write-once log as written, if the type has one.
    pub const fn log_marker(self) -> Option<&'static str> {
        match self {
            Self::Call => Some(call::LOG_MARKER),
            Self::Contact | Self::Task => None,
        }
    }

    /// The field that names the record's owner.
    pub const fn owner_field(self) -> &'static str {
        match self {
            Self::Contact | Self::Task => "owner_id",
            Self::Call => "user_id",
        }
    }
}

/// A name of no record type this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown record type")]
pub struct UnknownType;

impl FromStr for RecordType {
    type Err = UnknownType;

    fn from_str(name: &str) -> Result<Self, UnknownType> {
        Self::ALL.iter().copied().find(|record_type| record_type.as_str() == name).ok_or(UnknownType)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_type_is_found_by_its_name() {
        for record_type in RecordType::ALL {
            assert_eq!(record_type.as_str().parse(), Ok(*record_type));
        }
        assert_eq!("dinosaur".parse::<RecordType>(), Err(UnknownType));
    }

    #[test]
    fn no_field_is_named_twice_and_the_special_ones_exist() {
        for record_type in RecordType::ALL {
            let names: BTreeSet<_> = record_type.fields().iter().map(|field| field.name).collect();
            assert_eq!(names.len(), record_type.fields().len(), "{record_type}");
            assert!(names.contains(record_type.owner_field()), "{record_type}");
            assert!(record_type.log_marker().is_none_or(|marker| names.contains(marker)), "{record_type}");
        }
    }

    #[test]
    fn only_required_text_is_required() {
        let required = |record_type: RecordType| {
            record_type.fields().iter().filter(|field| field.is_required).map(|field| field.name).collect::<Vec<_>>()
        };
        assert_eq!(required(RecordType::Contact), ["last_name"]);
        assert_eq!(required(RecordType::Task), ["subject"]);
        assert!(required(RecordType::Call).is_empty(), "the server may know of a call nobody logged");
    }
}
