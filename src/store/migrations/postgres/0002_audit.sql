-- Who did what, and how it ended. A record outlives its tenant, so it refers to none; it is added or erased, never changed.
-- `fields` is a JSON list of names.
CREATE TABLE audit (
    id         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor_kind TEXT   NOT NULL,
    actor_id   TEXT,
    tenant_id  TEXT   COLLATE "C",
    action     TEXT   NOT NULL,
    target     TEXT,
    fields     TEXT   NOT NULL,
    outcome    TEXT   NOT NULL,
    request_id TEXT
);
CREATE INDEX audit_by_age ON audit (at, id);
CREATE INDEX audit_by_tenant ON audit (tenant_id, at, id);
CREATE FUNCTION audit_never_changes() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'audit records never change'; END $$;
CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_never_changes();
