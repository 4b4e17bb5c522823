-- Writes under an Idempotency-Key, and locks over all processes. Never edit this file once it shipped.
-- The clock of the database, which all processes share, in milliseconds since 1970.
CREATE VIEW clock AS SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now;

-- A row belongs to whoever wrote its fence, until `lease_until`. From `look_at` on the background looks again for a lost
-- create. `key` is a digest; `sealed` holds the request while its outcome is open, then the answer.
CREATE TABLE idempotency (
    tenant_id     TEXT   COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    key           TEXT   COLLATE "C" NOT NULL,
    fingerprint   BYTEA  NOT NULL,
    credential_id TEXT   COLLATE "C",
    stage         TEXT   COLLATE "C" NOT NULL,
    fence         TEXT   COLLATE "C" NOT NULL,
    lease_until   BIGINT NOT NULL,
    look_at       BIGINT NOT NULL,
    sends         BIGINT NOT NULL,
    sealed        BYTEA,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
CREATE INDEX idempotency_by_stage ON idempotency (stage, look_at);

CREATE TABLE write_locks (
    word        TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    fence       TEXT   COLLATE "C" NOT NULL,
    lease_until BIGINT NOT NULL
);
CREATE INDEX write_locks_by_fence ON write_locks (fence);
