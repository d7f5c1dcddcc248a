-- What the reconciler needs: since when an endpoint matches as it does now, and how far it has come.

-- A place in the log: events after it that the endpoint wants have a delivery. Endpoints that a version made which does not
-- know this column have the last of all places: nothing is missed there.
ALTER TABLE endpoint ADD COLUMN matches_after bigint NOT NULL DEFAULT 9223372036854775807;
UPDATE endpoint SET matches_after = (SELECT coalesce(max(position), 0) FROM event);

-- Jobs that the replicas do in turns, and where the next step goes on.
CREATE TABLE job (
    name        text    PRIMARY KEY,
    next_at_ms  bigint  NOT NULL,
    tenant_id   text    NOT NULL,
    position    bigint  NOT NULL
);
INSERT INTO job (name, next_at_ms, tenant_id, position) VALUES ('reconciler', 0, '', 0);

-- Always empty, unless something is broken.
CREATE INDEX delivery_timeless ON delivery (id) WHERE state = 1 AND next_attempt_at_ms IS NULL;
