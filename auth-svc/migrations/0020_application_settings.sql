-- What applications are set to beyond their addresses, a second secret for the time of a rotation, and orders to end the
-- sessions of an application. An order that session-svc refuses waits, longer each time, and holds up no other.

ALTER TABLE application
    ADD COLUMN settings_json        text    NOT NULL DEFAULT '{}',
    ADD COLUMN old_secret_hash      bytea,
    ADD COLUMN old_secret_until_ms  bigint,
    -- Grows with every change; a change of what was read before another change does not count.
    ADD COLUMN revision             bigint  NOT NULL DEFAULT 0;

ALTER TABLE revocation
    ADD COLUMN application_id  text     NOT NULL DEFAULT '',
    ADD COLUMN refusals        integer  NOT NULL DEFAULT 0,
    ADD COLUMN due_at_ms       bigint   NOT NULL DEFAULT 0;
CREATE INDEX revocation_due ON revocation (due_at_ms, id);
