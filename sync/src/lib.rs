//! Records as Automerge documents, and how two stores of them converge.
