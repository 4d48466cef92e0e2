//! The configuration: one typed struct, commented defaults, parsed once.
