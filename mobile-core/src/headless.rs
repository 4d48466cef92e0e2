//! A phone without a screen.
