//! The database: one schema, one set of statements, two engines.
