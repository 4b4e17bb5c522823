-- What each tenant has stored, kept right by triggers, whoever writes. Never edit this file once it shipped.
-- An open row is charged 64 KiB, for the response that may still come, and its request; a done row what it holds; each with
-- 512 bytes for its columns and indexes.
ALTER TABLE idempotency ADD COLUMN request_bytes BIGINT NOT NULL DEFAULT 0;
CREATE FUNCTION ledger_charge(stage TEXT, sealed BYTEA, request_bytes BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS
$$ SELECT 512 + CASE stage WHEN 'done' THEN coalesce(octet_length(sealed), 0)
    ELSE 65536 + greatest(coalesce(octet_length(sealed), 0), request_bytes) END $$;
CREATE INDEX idempotency_by_tenant_expiry ON idempotency (tenant_id, expires_at);

-- `kind` is `ledger`, `credentials`, `keys` or `audit`. Audit records outlive their tenant, and so does their count.
CREATE TABLE tenant_usage (
    tenant_id  TEXT   COLLATE "C" NOT NULL,
    kind       TEXT   COLLATE "C" NOT NULL,
    row_count  BIGINT NOT NULL,
    byte_count BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind)
) WITH (fillfactor = 50);

-- Nobody writes between the count and the triggers.
LOCK TABLE tenants, idempotency, credentials, api_keys, audit IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO tenant_usage SELECT tenants.id, 'ledger', count(idempotency.key),
    coalesce(sum(ledger_charge(idempotency.stage, idempotency.sealed, idempotency.request_bytes))
        FILTER (WHERE idempotency.key IS NOT NULL), 0)
    FROM tenants LEFT JOIN idempotency ON idempotency.tenant_id = tenants.id GROUP BY tenants.id;
INSERT INTO tenant_usage SELECT tenants.id, 'credentials', count(credentials.id), 0
    FROM tenants LEFT JOIN credentials ON credentials.tenant_id = tenants.id GROUP BY tenants.id;
INSERT INTO tenant_usage SELECT tenants.id, 'keys', count(api_keys.id), 0
    FROM tenants LEFT JOIN api_keys ON api_keys.tenant_id = tenants.id GROUP BY tenants.id;
INSERT INTO tenant_usage SELECT tenant_id, 'audit', count(*), 0
    FROM audit WHERE tenant_id IS NOT NULL GROUP BY tenant_id;

CREATE FUNCTION usage_begins() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO tenant_usage VALUES (NEW.id, 'ledger', 0, 0), (NEW.id, 'credentials', 0, 0), (NEW.id, 'keys', 0, 0);
    RETURN NULL;
END $$;
CREATE TRIGGER tenants_usage_begins AFTER INSERT ON tenants FOR EACH ROW EXECUTE FUNCTION usage_begins();
CREATE FUNCTION usage_ends() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM tenant_usage WHERE tenant_id = OLD.id AND kind <> 'audit';
    RETURN NULL;
END $$;
CREATE TRIGGER tenants_usage_ends AFTER DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION usage_ends();

CREATE FUNCTION ledger_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE tenant_usage SET row_count = row_count + 1,
        byte_count = byte_count + ledger_charge(NEW.stage, NEW.sealed, NEW.request_bytes)
        WHERE tenant_id = NEW.tenant_id AND kind = 'ledger';
    RETURN NULL;
END $$;
CREATE TRIGGER usage_added AFTER INSERT ON idempotency FOR EACH ROW EXECUTE FUNCTION ledger_added();
CREATE FUNCTION ledger_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE tenant_usage SET byte_count = byte_count - ledger_charge(OLD.stage, OLD.sealed, OLD.request_bytes)
        + ledger_charge(NEW.stage, NEW.sealed, NEW.request_bytes)
        WHERE tenant_id = NEW.tenant_id AND kind = 'ledger';
    RETURN NULL;
END $$;
CREATE TRIGGER usage_changed AFTER UPDATE ON idempotency FOR EACH ROW
    WHEN (ledger_charge(OLD.stage, OLD.sealed, OLD.request_bytes)
        <> ledger_charge(NEW.stage, NEW.sealed, NEW.request_bytes))
    EXECUTE FUNCTION ledger_changed();
-- Statements that remove rows of several tenants lock their counts in one order, or two of them could wait for each other.
CREATE FUNCTION ledger_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM 1 FROM tenant_usage WHERE kind = 'ledger' AND tenant_id IN (SELECT tenant_id FROM removed)
        ORDER BY tenant_id FOR UPDATE;
    UPDATE tenant_usage SET row_count = tenant_usage.row_count - gone.row_count,
        byte_count = tenant_usage.byte_count - gone.byte_count
        FROM (SELECT tenant_id, count(*) AS row_count, sum(ledger_charge(stage, sealed, request_bytes)) AS byte_count
            FROM removed GROUP BY tenant_id) AS gone
        WHERE tenant_usage.tenant_id = gone.tenant_id AND kind = 'ledger';
    RETURN NULL;
END $$;
CREATE TRIGGER usage_removed AFTER DELETE ON idempotency REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_removed();

-- The kind is the trigger's argument.
CREATE FUNCTION row_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE tenant_usage SET row_count = row_count + 1 WHERE tenant_id = NEW.tenant_id AND kind = TG_ARGV[0];
    RETURN NULL;
END $$;
CREATE FUNCTION row_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE tenant_usage SET row_count = row_count - 1 WHERE tenant_id = OLD.tenant_id AND kind = TG_ARGV[0];
    RETURN NULL;
END $$;
CREATE TRIGGER usage_added AFTER INSERT ON credentials FOR EACH ROW EXECUTE FUNCTION row_added('credentials');
CREATE TRIGGER usage_removed AFTER DELETE ON credentials FOR EACH ROW EXECUTE FUNCTION row_removed('credentials');
CREATE TRIGGER usage_added AFTER INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION row_added('keys');
CREATE TRIGGER usage_removed AFTER DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION row_removed('keys');

CREATE FUNCTION audit_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO tenant_usage VALUES (NEW.tenant_id, 'audit', 1, 0)
        ON CONFLICT (tenant_id, kind) DO UPDATE SET row_count = tenant_usage.row_count + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER usage_added AFTER INSERT ON audit FOR EACH ROW
    WHEN (NEW.tenant_id IS NOT NULL) EXECUTE FUNCTION audit_added();
CREATE FUNCTION audit_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM 1 FROM tenant_usage WHERE kind = 'audit' AND tenant_id IN (SELECT tenant_id FROM removed)
        ORDER BY tenant_id FOR UPDATE;
    UPDATE tenant_usage SET row_count = tenant_usage.row_count - gone.row_count
        FROM (SELECT tenant_id, count(*) AS row_count FROM removed GROUP BY tenant_id) AS gone
        WHERE tenant_usage.tenant_id = gone.tenant_id AND kind = 'audit';
    DELETE FROM tenant_usage WHERE kind = 'audit' AND row_count <= 0 AND tenant_id IN (SELECT tenant_id FROM removed);
    RETURN NULL;
END $$;
CREATE TRIGGER usage_removed AFTER DELETE ON audit REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION audit_removed();
