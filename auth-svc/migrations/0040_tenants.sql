-- What tenants are set to, and whether they are suspended.

ALTER TABLE tenant
    ADD COLUMN is_suspended   boolean  NOT NULL DEFAULT false,
    ADD COLUMN settings_json  text     NOT NULL DEFAULT '{}',
    ADD COLUMN created_at_ms  bigint   NOT NULL DEFAULT 0,
    ADD COLUMN updated_at_ms  bigint   NOT NULL DEFAULT 0,
    -- Grows with every change; a change of what was read before another change does not count.
    ADD COLUMN revision       bigint   NOT NULL DEFAULT 0;
