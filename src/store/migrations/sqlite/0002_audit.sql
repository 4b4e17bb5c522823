-- Who did what, and how it ended. A record outlives its tenant, so it refers to none; it is added or erased, never changed.
-- `fields` is a JSON list of names.
CREATE TABLE audit (
    id         TEXT    NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor_kind TEXT    NOT NULL,
    actor_id   TEXT,
    tenant_id  TEXT,
    action     TEXT    NOT NULL,
    target     TEXT,
    fields     TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    request_id TEXT
) STRICT;
CREATE INDEX audit_by_age ON audit (at, id);
CREATE INDEX audit_by_tenant ON audit (tenant_id, at, id);
CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit records never change'); END;

-- How far back a program may be that still uses this schema: an upgrade runs beside the version before.
CREATE TABLE schema_use (usable_by INTEGER NOT NULL) STRICT;
INSERT INTO schema_use (usable_by) VALUES (1);
