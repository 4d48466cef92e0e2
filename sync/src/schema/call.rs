//! The fields of a call (features.md 4.3): the server's facts, and the log its user writes once.

use callfield_domain::picklist;

use super::field::{Class, Field, Kind};

/// Set by the change that writes the log; after it no device writes a write-once field.
pub(super) const LOG_MARKER: &str = "logged_at";

/// The table. `native_*` is what a phone saw of a call that never touched the server.
pub(super) const FIELDS: &[Field] = &[
    Field::new("call_id", Kind::Id).class(Class::Server),
    Field::name("direction").class(Class::Server),
    Field::name("from").class(Class::Server),
    Field::name("to").class(Class::Server),
    Field::new("started_at", Kind::Timestamp).class(Class::Server),
    Field::new("answered_at", Kind::Timestamp).class(Class::Server),
    Field::new("ended_at", Kind::Timestamp).class(Class::Server),
    Field::name("outcome").class(Class::Server),
    Field::new("user_id", Kind::Id).class(Class::Server),
    Field::new("device_id", Kind::Id).class(Class::Server),
    // The record that has the far end's number.
    Field::new("party_id", Kind::Id).class(Class::Server),
    Field::new("ring_ms", Kind::Integer).class(Class::Server),
    Field::new("talk_ms", Kind::Integer).class(Class::Server),
    Field::new("subject", Kind::Text { max_chars: 500 }).class(Class::WriteOnce),
    Field::name("purpose").picklist(picklist::PURPOSE).class(Class::WriteOnce),
    Field::name("result").picklist(picklist::RESULT).class(Class::WriteOnce),
    // Never edited inside, so it is one value and not one operation a character.
    Field::new("details", Kind::Text { max_chars: 10_000 }).class(Class::WriteOnce),
    Field::new("contact_id", Kind::Id).class(Class::WriteOnce),
    Field::new("follow_up_ids", Kind::Set).class(Class::WriteOnce),
    Field::new("logged_by", Kind::Id).class(Class::WriteOnce),
    Field::new(LOG_MARKER, Kind::Timestamp).class(Class::WriteOnce),
    Field::name("medium").class(Class::WriteOnce),
    Field::new("private", Kind::Bool).class(Class::WriteOnce),
    Field::name("native_direction").class(Class::WriteOnce),
    Field::name("native_number").class(Class::WriteOnce),
    Field::new("native_started_at", Kind::Timestamp).class(Class::WriteOnce),
    Field::new("native_ended_at", Kind::Timestamp).class(Class::WriteOnce),
];
