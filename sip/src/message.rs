//! Messages: parse, print, edit: one `Bytes`, one table of header spans.
