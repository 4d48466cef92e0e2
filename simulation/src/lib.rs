//! Seeded worlds: clock, links, phones, push service and PBX around the pure machines.
