//! Whole transactions between two stores.
