-- What each tenant has stored, kept right by triggers, whoever writes. Never edit this file once it shipped.
-- An open row is charged 64 KiB, for the response that may still come, and its request; a done row what it holds; each with
-- 512 bytes for its columns and indexes.
ALTER TABLE idempotency ADD COLUMN request_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE idempotency ADD COLUMN charge INTEGER GENERATED ALWAYS AS (
    512 + CASE stage WHEN 'done' THEN coalesce(octet_length(sealed), 0)
    ELSE 65536 + max(coalesce(octet_length(sealed), 0), request_bytes) END) VIRTUAL;
CREATE INDEX idempotency_by_tenant_expiry ON idempotency (tenant_id, expires_at);

-- `kind` is `ledger`, `credentials`, `keys` or `audit`. Audit records outlive their tenant, and so does their count.
CREATE TABLE tenant_usage (
    tenant_id  TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    row_count  INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, kind)
) STRICT, WITHOUT ROWID;

INSERT INTO tenant_usage SELECT tenants.id, 'ledger', count(idempotency.key), coalesce(sum(idempotency.charge), 0)
    FROM tenants LEFT JOIN idempotency ON idempotency.tenant_id = tenants.id GROUP BY tenants.id;
INSERT INTO tenant_usage SELECT tenants.id, 'credentials', count(credentials.id), 0
    FROM tenants LEFT JOIN credentials ON credentials.tenant_id = tenants.id GROUP BY tenants.id;
INSERT INTO tenant_usage SELECT tenants.id, 'keys', count(api_keys.id), 0
    FROM tenants LEFT JOIN api_keys ON api_keys.tenant_id = tenants.id GROUP BY tenants.id;
INSERT INTO tenant_usage SELECT tenant_id, 'audit', count(*), 0
    FROM audit WHERE tenant_id IS NOT NULL GROUP BY tenant_id;

CREATE TRIGGER tenants_usage_begins AFTER INSERT ON tenants BEGIN
    INSERT INTO tenant_usage VALUES (NEW.id, 'ledger', 0, 0), (NEW.id, 'credentials', 0, 0), (NEW.id, 'keys', 0, 0);
END;
CREATE TRIGGER tenants_usage_ends AFTER DELETE ON tenants BEGIN
    DELETE FROM tenant_usage WHERE tenant_id = OLD.id AND kind <> 'audit';
END;

CREATE TRIGGER idempotency_usage_added AFTER INSERT ON idempotency BEGIN
    UPDATE tenant_usage SET row_count = row_count + 1, byte_count = byte_count + NEW.charge
    WHERE tenant_id = NEW.tenant_id AND kind = 'ledger';
END;
CREATE TRIGGER idempotency_usage_changed AFTER UPDATE ON idempotency WHEN OLD.charge <> NEW.charge BEGIN
    UPDATE tenant_usage SET byte_count = byte_count - OLD.charge + NEW.charge
    WHERE tenant_id = NEW.tenant_id AND kind = 'ledger';
END;
CREATE TRIGGER idempotency_usage_removed AFTER DELETE ON idempotency BEGIN
    UPDATE tenant_usage SET row_count = row_count - 1, byte_count = byte_count - OLD.charge
    WHERE tenant_id = OLD.tenant_id AND kind = 'ledger';
END;

CREATE TRIGGER credentials_usage_added AFTER INSERT ON credentials BEGIN
    UPDATE tenant_usage SET row_count = row_count + 1 WHERE tenant_id = NEW.tenant_id AND kind = 'credentials';
END;
CREATE TRIGGER credentials_usage_removed AFTER DELETE ON credentials BEGIN
    UPDATE tenant_usage SET row_count = row_count - 1 WHERE tenant_id = OLD.tenant_id AND kind = 'credentials';
END;

CREATE TRIGGER api_keys_usage_added AFTER INSERT ON api_keys BEGIN
    UPDATE tenant_usage SET row_count = row_count + 1 WHERE tenant_id = NEW.tenant_id AND kind = 'keys';
END;
CREATE TRIGGER api_keys_usage_removed AFTER DELETE ON api_keys BEGIN
    UPDATE tenant_usage SET row_count = row_count - 1 WHERE tenant_id = OLD.tenant_id AND kind = 'keys';
END;

CREATE TRIGGER audit_usage_added AFTER INSERT ON audit WHEN NEW.tenant_id IS NOT NULL BEGIN
    INSERT INTO tenant_usage VALUES (NEW.tenant_id, 'audit', 1, 0)
    ON CONFLICT (tenant_id, kind) DO UPDATE SET row_count = row_count + 1;
END;
CREATE TRIGGER audit_usage_removed AFTER DELETE ON audit WHEN OLD.tenant_id IS NOT NULL BEGIN
    UPDATE tenant_usage SET row_count = row_count - 1 WHERE tenant_id = OLD.tenant_id AND kind = 'audit';
    DELETE FROM tenant_usage WHERE tenant_id = OLD.tenant_id AND kind = 'audit' AND row_count <= 0;
END;
