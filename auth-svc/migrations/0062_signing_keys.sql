-- Signing keys of several algorithms, which come and go while tokens are signed. Times are milliseconds since 1970.

ALTER TABLE signing_key
    ADD COLUMN algorithm  text    NOT NULL DEFAULT 'RS256',
    -- pending, active or retiring
    ADD COLUMN state      text    NOT NULL DEFAULT 'retiring',
    ADD COLUMN since_ms   bigint  NOT NULL DEFAULT 0;
UPDATE signing_key SET since_ms = created_at_ms, state = CASE WHEN is_active THEN 'active' ELSE 'retiring' END;
DROP INDEX one_active_signing_key;
ALTER TABLE signing_key DROP COLUMN is_active;
CREATE UNIQUE INDEX one_active_key ON signing_key (algorithm) WHERE state = 'active';
CREATE UNIQUE INDEX one_pending_key ON signing_key (algorithm) WHERE state = 'pending';
