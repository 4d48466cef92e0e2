-- What one phone holds. Ids are lower-case text, times milliseconds UTC, heads 32 bytes a hash, values JSON.

CREATE TABLE install (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    device TEXT NOT NULL,
    secret_key BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    actor BLOB NOT NULL
);

CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    server_url TEXT NOT NULL,
    ca_pem TEXT,
    token TEXT NOT NULL,
    tenant TEXT NOT NULL,
    tenant_name TEXT NOT NULL,
    country TEXT NOT NULL,
    user TEXT NOT NULL,
    user_name TEXT NOT NULL,
    node TEXT NOT NULL,
    sip_domain TEXT NOT NULL,
    enrolled_at INTEGER NOT NULL,
    synced_at INTEGER
);

CREATE TABLE records (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    snap BLOB,
    heads BLOB NOT NULL,
    synced_heads BLOB NOT NULL,
    proj TEXT NOT NULL,
    label TEXT NOT NULL,
    search TEXT NOT NULL,
    is_deleted INTEGER NOT NULL
);
CREATE INDEX records_by_label ON records (type, is_deleted, label);

CREATE TABLE record_scopes (
    scope TEXT NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (scope, record)
);
CREATE INDEX record_scopes_by_record ON record_scopes (record);

CREATE TABLE scopes (
    scope TEXT NOT NULL UNIQUE,
    cursor BLOB
);

CREATE TABLE outbox (
    n INTEGER PRIMARY KEY,
    txn BLOB NOT NULL,
    record TEXT NOT NULL,
    type TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    bytes BLOB NOT NULL
);
CREATE INDEX outbox_by_record ON outbox (record);

CREATE TABLE inbox (
    n INTEGER PRIMARY KEY,
    record TEXT NOT NULL,
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    came_at INTEGER NOT NULL
);

CREATE TABLE phone_index (
    record TEXT NOT NULL,
    e164 TEXT NOT NULL,
    rank INTEGER NOT NULL,
    label TEXT NOT NULL
);
CREATE INDEX phone_index_by_number ON phone_index (e164, rank, record);
CREATE INDEX phone_index_by_record ON phone_index (record);

CREATE TABLE journal (
    n INTEGER PRIMARY KEY,
    call TEXT NOT NULL UNIQUE,
    medium TEXT NOT NULL,
    direction TEXT NOT NULL,
    number TEXT,
    record TEXT,
    name TEXT,
    started_at INTEGER NOT NULL,
    answered_at INTEGER,
    ended_at INTEGER,
    outcome TEXT,
    state TEXT NOT NULL,
    form TEXT
);
CREATE INDEX journal_by_start ON journal (state, started_at);

CREATE TABLE ignored_numbers (
    number TEXT NOT NULL UNIQUE
);

CREATE TABLE pushes (
    call TEXT NOT NULL UNIQUE,
    first_at INTEGER NOT NULL,
    times INTEGER NOT NULL,
    known TEXT NOT NULL
);
