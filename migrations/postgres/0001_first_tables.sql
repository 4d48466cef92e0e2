-- Companies, and the counter that orders their feed.
CREATE TABLE tenants (
    id           UUID   PRIMARY KEY,
    name         TEXT   NOT NULL,
    country      TEXT   NOT NULL,
    incarnation  UUID   NOT NULL,
    cursor_key   BYTEA  NOT NULL,
    next_seq     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL
);

-- extension: what colleagues dial. presence: domain::PresenceState, until presence_until if that is known.
CREATE TABLE users (
    tenant_id       UUID   NOT NULL REFERENCES tenants (id),
    id              UUID   NOT NULL,
    name            TEXT   NOT NULL,
    extension       TEXT,
    decline         TEXT   NOT NULL,
    presence        TEXT   NOT NULL DEFAULT 'online',
    presence_until  BIGINT,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX users_by_extension ON users (tenant_id, extension);

CREATE TABLE admin_tokens (
    tenant_id   UUID   NOT NULL REFERENCES tenants (id),
    id          UUID   NOT NULL,
    name        TEXT   NOT NULL,
    token_hash  BYTEA  NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX admin_tokens_by_hash ON admin_tokens (token_hash);

CREATE TABLE enrolment_codes (
    tenant_id   UUID   NOT NULL,
    code_hash   BYTEA  NOT NULL,
    user_id     UUID   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT,
    used_by     UUID,
    PRIMARY KEY (tenant_id, code_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX enrolment_codes_by_hash ON enrolment_codes (code_hash);

CREATE TABLE devices (
    tenant_id            UUID   NOT NULL,
    id                   UUID   NOT NULL,
    user_id              UUID   NOT NULL,
    platform             TEXT   NOT NULL,
    name                 TEXT   NOT NULL,
    app_version          TEXT   NOT NULL,
    os_version           TEXT   NOT NULL,
    public_key           BYTEA  NOT NULL,
    token_hash           BYTEA  NOT NULL,
    push_service         TEXT,
    push_token           TEXT,
    push_alert_token     TEXT,
    push_environment     TEXT,
    push_registered_at   BIGINT,
    push_invalid_since   BIGINT,
    push_invalid_reason  TEXT,
    created_at           BIGINT NOT NULL,
    enrolled_at          BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX devices_by_hash ON devices (token_hash);
CREATE INDEX devices_by_user ON devices (tenant_id, user_id);

-- Desk phones and foreign softphones: they log in with a password, of which only hashes with the SIP domain are kept.
CREATE TABLE desk_phones (
    tenant_id   UUID   NOT NULL,
    id          UUID   NOT NULL,
    user_id     UUID   NOT NULL,
    name        TEXT   NOT NULL,
    username    TEXT   NOT NULL,
    ha1_md5     TEXT   NOT NULL,
    ha1_sha256  TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX desk_phones_by_username ON desk_phones (username);
CREATE INDEX desk_phones_by_user ON desk_phones (tenant_id, user_id);

-- Where foreign softphones are woken; it outlives their registration. tokens are sealed (server/src/app/vault.rs).
CREATE TABLE softphone_tokens (
    tenant_id       UUID   NOT NULL,
    device_id       UUID   NOT NULL,
    instance        TEXT   NOT NULL,
    reg_id          BIGINT NOT NULL,
    service         TEXT   NOT NULL,
    environment     TEXT   NOT NULL,
    app             TEXT   NOT NULL,
    tokens          BYTEA  NOT NULL,
    registered_at   BIGINT NOT NULL,
    invalid_since   BIGINT,
    invalid_reason  TEXT,
    PRIMARY KEY (tenant_id, device_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES desk_phones (tenant_id, id)
);

-- Company numbers. The calls of user_id show this one; one without is shown by everybody who has none.
CREATE TABLE numbers (
    tenant_id   UUID   NOT NULL REFERENCES tenants (id),
    id          UUID   NOT NULL,
    e164        TEXT   NOT NULL,
    route       TEXT   NOT NULL,
    user_id     UUID,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX numbers_by_tenant_e164 ON numbers (tenant_id, e164);
CREATE INDEX numbers_by_e164 ON numbers (e164);

-- How calls come in and go out; calls go out to an IP address and a UDP port, if to anywhere. The lowest priority is
-- tried first. credentials are sealed (server/src/app/vault.rs).
CREATE TABLE trunks (
    tenant_id      UUID   NOT NULL REFERENCES tenants (id),
    id             UUID   NOT NULL,
    name           TEXT   NOT NULL,
    kind           TEXT   NOT NULL,
    outgoing_host  TEXT,
    outgoing_port  BIGINT,
    priority       BIGINT NOT NULL,
    max_calls      BIGINT,
    credentials    BYTEA,
    is_enabled     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- Where a static trunk's calls come from: the text of an IP address.
CREATE TABLE trunk_addresses (
    tenant_id  UUID NOT NULL,
    trunk_id   UUID NOT NULL,
    address    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, trunk_id, address),
    FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks (tenant_id, id)
);
CREATE INDEX trunk_addresses_by_address ON trunk_addresses (address);

-- The facts of a call as domain::CallFacts; record_made_at says when its record was made from them.
CREATE TABLE calls (
    tenant_id       UUID   NOT NULL REFERENCES tenants (id),
    id              UUID   NOT NULL,
    direction       TEXT   NOT NULL,
    caller          TEXT   NOT NULL,
    callee          TEXT   NOT NULL,
    user_id         UUID,
    device_id       UUID,
    state           TEXT   NOT NULL,
    outcome         TEXT,
    started_at      BIGINT NOT NULL,
    answered_at     BIGINT,
    ended_at        BIGINT,
    transferred_to  TEXT,
    record_made_at  BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX calls_by_start ON calls (tenant_id, started_at, id);
CREATE INDEX calls_without_record ON calls (tenant_id, ended_at) WHERE record_made_at IS NULL AND ended_at IS NOT NULL;

-- The why-it-rang timeline.
CREATE TABLE call_events (
    tenant_id  UUID   NOT NULL,
    call_id    UUID   NOT NULL,
    position   BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    milestone  TEXT   NOT NULL,
    device_id  UUID,
    detail     TEXT,
    PRIMARY KEY (tenant_id, call_id, position)
);

-- One row a record: its Automerge document and the projection of it.
CREATE TABLE docs (
    tenant_id   UUID   NOT NULL REFERENCES tenants (id),
    id          UUID   NOT NULL,
    type        TEXT   NOT NULL,
    owner       UUID,
    epoch       BIGINT NOT NULL,
    snapshot    BYTEA  NOT NULL,
    heads       BYTEA  NOT NULL,
    projection  JSONB  NOT NULL,
    last_seq    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX docs_by_type ON docs (tenant_id, type, id);

-- The changes that made a record, for duplicates, the feed and who wrote what.
CREATE TABLE changes (
    tenant_id    UUID   NOT NULL,
    doc_id       UUID   NOT NULL,
    hash         BYTEA  NOT NULL,
    seq          BIGINT NOT NULL,
    epoch        BIGINT NOT NULL,
    actor        BYTEA  NOT NULL,
    author       UUID,
    device_id    UUID,
    txn          UUID,
    claimed_at   BIGINT NOT NULL,
    received_at  BIGINT NOT NULL,
    bytes        BYTEA  NOT NULL,
    PRIMARY KEY (tenant_id, doc_id, hash),
    FOREIGN KEY (tenant_id, doc_id) REFERENCES docs (tenant_id, id)
);
CREATE INDEX changes_by_seq ON changes (tenant_id, doc_id, seq);

-- Which scope holds which record, when that last changed, and when the record came or left.
CREATE TABLE doc_scopes (
    tenant_id    UUID   NOT NULL,
    scope        TEXT   NOT NULL,
    doc_id       UUID   NOT NULL,
    seq          BIGINT NOT NULL,
    entered_seq  BIGINT NOT NULL,
    state        TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, scope, doc_id),
    FOREIGN KEY (tenant_id, doc_id) REFERENCES docs (tenant_id, id)
);
CREATE INDEX doc_scopes_by_seq ON doc_scopes (tenant_id, scope, seq);
CREATE INDEX doc_scopes_by_doc ON doc_scopes (tenant_id, doc_id);

-- Whose number it is: the caller ID of the server.
CREATE TABLE phone_index (
    tenant_id  UUID   NOT NULL,
    e164       TEXT   NOT NULL,
    record_id  UUID   NOT NULL,
    field      TEXT   NOT NULL,
    extension  TEXT,
    rank       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, e164, record_id, field),
    FOREIGN KEY (tenant_id, record_id) REFERENCES docs (tenant_id, id)
);
CREATE INDEX phone_index_by_record ON phone_index (tenant_id, record_id);

-- Changes that were refused, kept so that nothing a person typed is lost.
CREATE TABLE quarantine (
    tenant_id    UUID   NOT NULL REFERENCES tenants (id),
    hash         BYTEA  NOT NULL,
    doc_id       UUID   NOT NULL,
    device_id    UUID,
    reason       TEXT   NOT NULL,
    received_at  BIGINT NOT NULL,
    bytes        BYTEA  NOT NULL,
    PRIMARY KEY (tenant_id, hash, doc_id)
);

-- What must leave the house, enqueued in the transaction of its cause.
CREATE TABLE outbox (
    tenant_id     UUID   NOT NULL REFERENCES tenants (id),
    id            UUID   NOT NULL,
    kind          TEXT   NOT NULL,
    dedupe_key    TEXT   NOT NULL,
    payload       JSONB  NOT NULL,
    state         TEXT   NOT NULL,
    priority      BIGINT NOT NULL,
    next_at       BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    max_attempts  BIGINT NOT NULL,
    last_error    TEXT,
    created_at    BIGINT NOT NULL,
    done_at       BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX outbox_by_dedupe_key ON outbox (tenant_id, kind, dedupe_key);
