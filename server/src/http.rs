//! The HTTP API: enrolment, calls, records, health and metrics.
