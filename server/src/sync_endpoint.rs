//! POST /v1/sync: records in and out.
