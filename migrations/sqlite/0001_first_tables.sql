-- Companies, and the counter that orders their feed.
CREATE TABLE tenants (
    id           BLOB    PRIMARY KEY NOT NULL,
    name         TEXT    NOT NULL,
    country      TEXT    NOT NULL,
    incarnation  BLOB    NOT NULL,
    cursor_key   BLOB    NOT NULL,
    next_seq     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

-- extension: what colleagues dial. presence: domain::PresenceState, until presence_until if that is known.
CREATE TABLE users (
    tenant_id       BLOB    NOT NULL REFERENCES tenants (id),
    id              BLOB    NOT NULL,
    name            TEXT    NOT NULL,
    extension       TEXT,
    decline         TEXT    NOT NULL,
    presence        TEXT    NOT NULL DEFAULT 'online',
    presence_until  INTEGER,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX users_by_extension ON users (tenant_id, extension);

CREATE TABLE admin_tokens (
    tenant_id   BLOB    NOT NULL REFERENCES tenants (id),
    id          BLOB    NOT NULL,
    name        TEXT    NOT NULL,
    token_hash  BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX admin_tokens_by_hash ON admin_tokens (token_hash);

CREATE TABLE enrolment_codes (
    tenant_id   BLOB    NOT NULL,
    code_hash   BLOB    NOT NULL,
    user_id     BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER,
    used_by     BLOB,
    PRIMARY KEY (tenant_id, code_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) STRICT;
CREATE INDEX enrolment_codes_by_hash ON enrolment_codes (code_hash);

CREATE TABLE devices (
    tenant_id            BLOB    NOT NULL,
    id                   BLOB    NOT NULL,
    user_id              BLOB    NOT NULL,
    platform             TEXT    NOT NULL,
    name                 TEXT    NOT NULL,
    app_version          TEXT    NOT NULL,
    os_version           TEXT    NOT NULL,
    public_key           BLOB    NOT NULL,
    token_hash           BLOB    NOT NULL,
    push_service         TEXT,
    push_token           TEXT,
    push_alert_token     TEXT,
    push_environment     TEXT,
    push_registered_at   INTEGER,
    push_invalid_since   INTEGER,
    push_invalid_reason  TEXT,
    created_at           INTEGER NOT NULL,
    enrolled_at          INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) STRICT;
CREATE INDEX devices_by_hash ON devices (token_hash);
CREATE INDEX devices_by_user ON devices (tenant_id, user_id);

-- Desk phones and foreign softphones: they log in with a password, of which only hashes with the SIP domain are kept.
CREATE TABLE desk_phones (
    tenant_id   BLOB    NOT NULL,
    id          BLOB    NOT NULL,
    user_id     BLOB    NOT NULL,
    name        TEXT    NOT NULL,
    username    TEXT    NOT NULL,
    ha1_md5     TEXT    NOT NULL,
    ha1_sha256  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) STRICT;
CREATE INDEX desk_phones_by_username ON desk_phones (username);
CREATE INDEX desk_phones_by_user ON desk_phones (tenant_id, user_id);

-- Where foreign softphones are woken; it outlives their registration. tokens are sealed (server/src/app/vault.rs).
CREATE TABLE softphone_tokens (
    tenant_id       BLOB    NOT NULL,
    device_id       BLOB    NOT NULL,
    instance        TEXT    NOT NULL,
    reg_id          INTEGER NOT NULL,
    service         TEXT    NOT NULL,
    environment     TEXT    NOT NULL,
    app             TEXT    NOT NULL,
    tokens          BLOB    NOT NULL,
    registered_at   INTEGER NOT NULL,
    invalid_since   INTEGER,
    invalid_reason  TEXT,
    PRIMARY KEY (tenant_id, device_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES desk_phones (tenant_id, id)
) STRICT;

-- Company numbers. The calls of user_id show this one; one without is shown by everybody who has none.
CREATE TABLE numbers (
    tenant_id   BLOB    NOT NULL REFERENCES tenants (id),
    id          BLOB    NOT NULL,
    e164        TEXT    NOT NULL,
    route       TEXT    NOT NULL,
    user_id     BLOB,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX numbers_by_tenant_e164 ON numbers (tenant_id, e164);
CREATE INDEX numbers_by_e164 ON numbers (e164);

-- How calls come in and go out; calls go out to an IP address and a UDP port, if to anywhere. The lowest priority is
-- tried first. credentials are sealed (server/src/app/vault.rs).
CREATE TABLE trunks (
    tenant_id      BLOB    NOT NULL REFERENCES tenants (id),
    id             BLOB    NOT NULL,
    name           TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    outgoing_host  TEXT,
    outgoing_port  INTEGER,
    priority       INTEGER NOT NULL,
    max_calls      INTEGER,
    credentials    BLOB,
    is_enabled     INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- Where a static trunk's calls come from: the text of an IP address.
CREATE TABLE trunk_addresses (
    tenant_id  BLOB    NOT NULL,
    trunk_id   BLOB    NOT NULL,
    address    TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, trunk_id, address),
    FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks (tenant_id, id)
) STRICT;
CREATE INDEX trunk_addresses_by_address ON trunk_addresses (address);

-- The facts of a call as domain::CallFacts; record_made_at says when its record was made from them.
CREATE TABLE calls (
    tenant_id       BLOB    NOT NULL REFERENCES tenants (id),
    id              BLOB    NOT NULL,
    direction       TEXT    NOT NULL,
    caller          TEXT    NOT NULL,
    callee          TEXT    NOT NULL,
    user_id         BLOB,
    device_id       BLOB,
    state           TEXT    NOT NULL,
    outcome         TEXT,
    started_at      INTEGER NOT NULL,
    answered_at     INTEGER,
    ended_at        INTEGER,
    transferred_to  TEXT,
    record_made_at  INTEGER,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_by_start ON calls (tenant_id, started_at, id);
CREATE INDEX calls_without_record ON calls (tenant_id, ended_at) WHERE record_made_at IS NULL AND ended_at IS NOT NULL;

-- The why-it-rang timeline.
CREATE TABLE call_events (
    tenant_id  BLOB    NOT NULL,
    call_id    BLOB    NOT NULL,
    position   INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    milestone  TEXT    NOT NULL,
    device_id  BLOB,
    detail     TEXT,
    PRIMARY KEY (tenant_id, call_id, position)
) STRICT, WITHOUT ROWID;

-- One row a record: its Automerge document and the projection of it.
CREATE TABLE docs (
    tenant_id   BLOB    NOT NULL REFERENCES tenants (id),
    id          BLOB    NOT NULL,
    type        TEXT    NOT NULL,
    owner       BLOB,
    epoch       INTEGER NOT NULL,
    snapshot    BLOB    NOT NULL,
    heads       BLOB    NOT NULL,
    projection  TEXT    NOT NULL,
    last_seq    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX docs_by_type ON docs (tenant_id, type, id);

-- The changes that made a record, for duplicates, the feed and who wrote what.
CREATE TABLE changes (
    tenant_id    BLOB    NOT NULL,
    doc_id       BLOB    NOT NULL,
    hash         BLOB    NOT NULL,
    seq          INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    actor        BLOB    NOT NULL,
    author       BLOB,
    device_id    BLOB,
    txn          BLOB,
    claimed_at   INTEGER NOT NULL,
    received_at  INTEGER NOT NULL,
    bytes        BLOB    NOT NULL,
    PRIMARY KEY (tenant_id, doc_id, hash),
    FOREIGN KEY (tenant_id, doc_id) REFERENCES docs (tenant_id, id)
) STRICT;
CREATE INDEX changes_by_seq ON changes (tenant_id, doc_id, seq);

-- Which scope holds which record, when that last changed, and when the record came or left.
CREATE TABLE doc_scopes (
    tenant_id    BLOB    NOT NULL,
    scope        TEXT    NOT NULL,
    doc_id       BLOB    NOT NULL,
    seq          INTEGER NOT NULL,
    entered_seq  INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, scope, doc_id),
    FOREIGN KEY (tenant_id, doc_id) REFERENCES docs (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX doc_scopes_by_seq ON doc_scopes (tenant_id, scope, seq);
CREATE INDEX doc_scopes_by_doc ON doc_scopes (tenant_id, doc_id);

-- Whose number it is: the caller ID of the server.
CREATE TABLE phone_index (
    tenant_id  BLOB    NOT NULL,
    e164       TEXT    NOT NULL,
    record_id  BLOB    NOT NULL,
    field      TEXT    NOT NULL,
    extension  TEXT,
    rank       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, e164, record_id, field),
    FOREIGN KEY (tenant_id, record_id) REFERENCES docs (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX phone_index_by_record ON phone_index (tenant_id, record_id);

-- Changes that were refused, kept so that nothing a person typed is lost.
CREATE TABLE quarantine (
    tenant_id    BLOB    NOT NULL REFERENCES tenants (id),
    hash         BLOB    NOT NULL,
    doc_id       BLOB    NOT NULL,
    device_id    BLOB,
    reason       TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    bytes        BLOB    NOT NULL,
    PRIMARY KEY (tenant_id, hash, doc_id)
) STRICT;

-- What must leave the house, enqueued in the transaction of its cause.
CREATE TABLE outbox (
    tenant_id     BLOB    NOT NULL REFERENCES tenants (id),
    id            BLOB    NOT NULL,
    kind          TEXT    NOT NULL,
    dedupe_key    TEXT    NOT NULL,
    payload       TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    priority      INTEGER NOT NULL,
    next_at       INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    max_attempts  INTEGER NOT NULL,
    last_error    TEXT,
    created_at    INTEGER NOT NULL,
    done_at       INTEGER,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX outbox_by_dedupe_key ON outbox (tenant_id, kind, dedupe_key);
