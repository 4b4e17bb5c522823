-- Writes under an Idempotency-Key, and locks over all processes. Never edit this file once it shipped.
-- The clock of the database, which all processes share, in milliseconds since 1970.
CREATE VIEW clock AS SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now;

-- A row belongs to whoever wrote its fence, until `lease_until`. From `look_at` on the background looks again for a lost
-- create. `key` is a digest; `sealed` holds the request while its outcome is open, then the answer.
CREATE TABLE idempotency (
    tenant_id     TEXT    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    key           TEXT    NOT NULL,
    fingerprint   BLOB    NOT NULL,
    credential_id TEXT,
    stage         TEXT    NOT NULL,
    fence         TEXT    NOT NULL,
    lease_until   INTEGER NOT NULL,
    look_at       INTEGER NOT NULL,
    sends         INTEGER NOT NULL,
    sealed        BLOB,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, key)
) STRICT;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
CREATE INDEX idempotency_by_stage ON idempotency (stage, look_at);

CREATE TABLE write_locks (
    word        TEXT    NOT NULL PRIMARY KEY,
    fence       TEXT    NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT;
CREATE INDEX write_locks_by_fence ON write_locks (fence);
