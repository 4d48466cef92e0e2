//! What a field is: the columns of the schema's tables.

/// One field of a record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its key in the record, in JSON and in patches.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Who may write it, and how often.
    pub class: Class,
    /// What the server does with concurrent values.
    pub conflicts: Conflicts,
    /// The default keys of its picklist; a key that is not among them is kept as it came.
    pub picklist: Option<&'static [&'static str]>,
    /// Whether a record without it needs attention. It is never refused for that (features.md 4.7).
    pub is_required: bool,
}

/// What a field holds, in the record and in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A short text, replaced as a whole; at most so many characters.
    Text {
        /// The most characters.
        max_chars: usize,
    },
    /// A whole number.
    Integer,
    /// Milliseconds since 1970-01-01 UTC.
    Timestamp,
    /// True or false.
    Bool,
    /// A lower-case UUID.
    Id,
    /// A text that people edit inside at the same time, at most [`Kind::LONG_TEXT_CHARS`] characters.
    LongText,
    /// A map with these keys and no others.
    Group(&'static [Sub]),
    /// A map from a natural key to these parts; concurrent additions all survive (docs/protocol/sync.md, records).
    Entries(&'static [Sub]),
    /// A set of keys: JSON `{"key": true}`.
    Set,
    /// A map from a key to any text, number or truth value: a tenant's own fields.
    Open,
}

impl Kind {
    /// The most characters of a long text (sync.md 1: one operation a character).
    pub const LONG_TEXT_CHARS: usize = 20_000;
    /// The most characters of a value in an open map.
    pub const OPEN_CHARS: usize = 2_000;
    /// The most bytes of a natural key.
    pub const KEY_BYTES: usize = 200;

    /// Whether the field is an object that the genesis creates.
    pub const fn is_container(self) -> bool {
        matches!(self, Self::LongText | Self::Group(_) | Self::Entries(_) | Self::Set | Self::Open)
    }
}

/// A part of a group or of an entry; always a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sub {
    /// Its key.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// Who may write a field, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Whoever may write the record, any number of times.
    Free,
    /// A device, in the one change that also sets the log marker; never again.
    WriteOnce,
    /// The server alone.
    Server,
}

/// What the server does with values that were written without knowing of each other (sync.md 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflicts {
    /// Both are kept and shown; a person decides.
    Ask,
    /// The latest claimed time wins, as far as the claim can be true.
    Latest,
    /// The greatest value wins; true is greater than false.
    Max,
    /// Everything is kept: the field is a set or a map.
    Union,
    /// The value that stands first in the list wins.
    Rank(&'static [&'static str]),
}

impl Field {
    pub(super) const fn new(name: &'static str, kind: Kind) -> Self {
        let conflicts = if kind.is_container() { Conflicts::Union } else { Conflicts::Ask };
        Self { name, kind, class: Class::Free, conflicts, picklist: None, is_required: false }
    }

    pub(super) const fn name(name: &'static str) -> Self {
        Self::new(name, Kind::Text { max_chars: 200 })
    }

    pub(super) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    pub(super) const fn class(self, class: Class) -> Self {
        Self { class, ..self }
    }

    pub(super) const fn conflicts(self, conflicts: Conflicts) -> Self {
        Self { conflicts, ..self }
    }

    pub(super) const fn picklist(self, keys: &'static [&'static str]) -> Self {
        Self { picklist: Some(keys), ..self }
    }
}

impl Sub {
    pub(super) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }

    pub(super) const fn text(name: &'static str, max_chars: usize) -> Self {
        Self::new(name, Kind::Text { max_chars })
    }
}
