//! Why a record cannot be read or edited.

/// Why bytes are no record, or changes do not fit one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not a document, damaged, or not of this type's genesis.
    #[error("not a record of this type")]
    Malformed,
    /// Changes it depends on are not in the record.
    #[error("changes are missing before this one")]
    MissingDependencies,
    /// The heads are not in the record's history.
    #[error("heads that this record never had")]
    UnknownHeads,
}

/// Why an edit cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The patch is not a JSON object.
    #[error("a patch is an object")]
    NotAnObject,
    /// No such field, group part or entry part in this type.
    #[error("{field}: no such field")]
    UnknownField {
        /// The path.
        field: String,
    },
    /// A value of another kind than the field's.
    #[error("{field}: not a value of this field")]
    WrongKind {
        /// The path.
        field: String,
    },
    /// Longer than the field allows.
    #[error("{field}: too long")]
    TooLong {
        /// The path.
        field: String,
    },
    /// The stated heads are not in the record's history.
    #[error("heads that this record never had")]
    UnknownHeads,
    /// The actor wrote changes that the stated heads do not hold: take a new one.
    #[error("this actor already wrote something newer")]
    ActorInUse,
}
