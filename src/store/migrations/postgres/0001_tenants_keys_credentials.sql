-- Tenants, API keys and credentials. Times are milliseconds since 1970. Never edit this file once it shipped.
-- Ids compare byte by byte, as in SQLite, whatever the language of the database.
CREATE TABLE tenants (
    id         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    name       TEXT   COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE INDEX tenants_by_age ON tenants (created_at, id);

CREATE TABLE api_keys (
    id           TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id    TEXT   COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name         TEXT   NOT NULL,
    digest       BYTEA  NOT NULL,
    scopes       TEXT   NOT NULL,
    credential_ids TEXT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT
);
CREATE INDEX api_keys_by_age ON api_keys (tenant_id, created_at, id);

CREATE TABLE credentials (
    id            TEXT   COLLATE "C" NOT NULL,
    tenant_id     TEXT   COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    provider      TEXT   NOT NULL,
    name          TEXT   COLLATE "C" NOT NULL,
    settings      TEXT   NOT NULL,
    base_url      TEXT   NOT NULL,
    secret        BYTEA  NOT NULL,
    revision      BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    checked_at    BIGINT,
    check_ok      BIGINT,
    check_code    TEXT,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CREATE INDEX credentials_by_age ON credentials (tenant_id, created_at, id);
