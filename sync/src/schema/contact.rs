//! The fields of a contact (features.md 4.2).

use super::field::{Conflicts, Field, Kind, Sub};

const PHONE: &[Sub] = &[
    Sub::text("raw", 100),
    Sub::text("ext", 20),
    Sub::text("type", 40),
    Sub::text("label", 100),
    Sub::new("primary", Kind::Bool),
    Sub::new("invalid", Kind::Bool),
    Sub::new("do_not_call", Kind::Bool),
];

const EMAIL: &[Sub] = &[
    Sub::text("type", 40),
    Sub::text("label", 100),
    Sub::new("primary", Kind::Bool),
    Sub::new("invalid", Kind::Bool),
    Sub::new("opt_out", Kind::Bool),
];

const ADDRESS: &[Sub] = &[
    Sub::text("street", 400),
    Sub::text("city", 200),
    Sub::text("state", 200),
    Sub::text("zip", 40),
    Sub::text("country", 100),
];

/// The table. `phones` is keyed by the E.164 form, or by the digits as typed where there is none.
pub(super) const FIELDS: &[Field] = &[
    Field::name("salutation"),
    Field::name("last_name").required(),
    Field::name("first_name"),
    Field::name("last_kana"),
    Field::name("first_kana"),
    Field::name("organization_name"),
    Field::new("org_id", Kind::Id),
    Field::name("title"),
    Field::name("department"),
    Field::new("reports_to_id", Kind::Id),
    Field::new("phones", Kind::Entries(PHONE)),
    Field::new("emails", Kind::Entries(EMAIL)),
    Field::new("address", Kind::Group(ADDRESS)),
    Field::new("other_address", Kind::Group(ADDRESS)),
    Field::name("birthday"),
    Field::name("lead_source"),
    Field::new("do_not_call", Kind::Bool).conflicts(Conflicts::Max),
    Field::new("email_opt_out", Kind::Bool).conflicts(Conflicts::Max),
    Field::new("description", Kind::LongText),
    Field::new("tags", Kind::Set),
    Field::new("custom", Kind::Open),
    Field::new("owner_id", Kind::Id).conflicts(Conflicts::Latest),
    Field::new("deleted_at", Kind::Timestamp).conflicts(Conflicts::Max),
];
