//! The fields of a task (features.md 4.2).

use callfield_domain::picklist;

use super::field::{Conflicts, Field, Kind, Sub};

const RELATED: &[Sub] = &[Sub::text("type", 40), Sub::new("id", Kind::Id)];

/// The table.
pub(super) const FIELDS: &[Field] = &[
    Field::new("subject", Kind::Text { max_chars: 500 }).required(),
    Field::new("due_at", Kind::Timestamp),
    Field::name("status").picklist(picklist::TASK_STATUS).conflicts(Conflicts::Latest),
    Field::name("priority").conflicts(Conflicts::Latest),
    Field::new("related", Kind::Group(RELATED)),
    Field::new("call_id", Kind::Id),
    Field::new("description", Kind::LongText),
    Field::new("tags", Kind::Set),
    Field::new("custom", Kind::Open),
    Field::new("owner_id", Kind::Id).conflicts(Conflicts::Latest),
    Field::new("deleted_at", Kind::Timestamp).conflicts(Conflicts::Max),
];
