//! One phone: its store, its connection, its calls and its journal.
