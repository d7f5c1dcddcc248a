-- How much an endpoint is sent, counted over all replicas.

ALTER TABLE endpoint
    ADD COLUMN max_concurrency       integer  NOT NULL DEFAULT 10,
    -- NULL: any number.
    ADD COLUMN rate_limit_per_second integer;

-- When the next attempt of an endpoint with a rate limit may begin. Of those that have one; a row of its own because the
-- endpoints themselves are locked while events come in.
CREATE TABLE endpoint_pace (
    endpoint_id      text    PRIMARY KEY REFERENCES endpoint (id) ON DELETE CASCADE,
    -- Microseconds since 1970.
    next_slot_at_us  bigint  NOT NULL
);

-- Whether somebody has it, until next_attempt_at_ms.
ALTER TABLE delivery ADD COLUMN is_claimed boolean NOT NULL DEFAULT false;
CREATE INDEX delivery_claimed ON delivery (endpoint_id, next_attempt_at_ms) WHERE is_claimed;

DROP VIEW open_endpoint;
CREATE VIEW open_endpoint AS
WITH RECURSIVE backlog (endpoint_id) AS (
    (SELECT endpoint_id FROM delivery WHERE state = 1 ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT delivery.endpoint_id FROM delivery
            WHERE delivery.state = 1 AND delivery.endpoint_id > backlog.endpoint_id
            ORDER BY delivery.endpoint_id LIMIT 1)
    FROM backlog WHERE backlog.endpoint_id IS NOT NULL
)
SELECT endpoint.id AS endpoint_id, endpoint.tenant_id, endpoint_health.next_probe_at_ms, endpoint.max_concurrency,
       -- From one slot to the next, and how much earlier one may be taken: a tenth of a second's slots together.
       (1000000 / endpoint.rate_limit_per_second)::bigint AS interval_us,
       (greatest(endpoint.rate_limit_per_second / 10, 1) - 1) * (1000000 / endpoint.rate_limit_per_second)::bigint AS early_us,
       coalesce(endpoint_pace.next_slot_at_us, 0) AS next_slot_at_us
FROM backlog JOIN endpoint ON endpoint.id = backlog.endpoint_id
LEFT JOIN endpoint_health ON endpoint_health.endpoint_id = endpoint.id
LEFT JOIN endpoint_pace ON endpoint_pace.endpoint_id = endpoint.id
WHERE endpoint.is_enabled AND endpoint.paused_at_ms IS NULL;
