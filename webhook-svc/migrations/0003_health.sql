-- How endpoints are doing, and what an event is about.

ALTER TABLE event ADD COLUMN aggregate_id text NOT NULL DEFAULT '';
ALTER TABLE event ALTER COLUMN aggregate_id DROP DEFAULT;

ALTER TABLE attempt ADD COLUMN endpoint_id text NOT NULL DEFAULT '';
UPDATE attempt SET endpoint_id = delivery.endpoint_id FROM delivery WHERE delivery.id = attempt.delivery_id;
ALTER TABLE attempt ALTER COLUMN endpoint_id DROP DEFAULT;
CREATE INDEX attempt_of_endpoint ON attempt (endpoint_id, at_ms DESC);

-- There is a row while an endpoint fails: from a failed attempt until one that was taken.
CREATE TABLE endpoint_health (
    endpoint_id        text      PRIMARY KEY REFERENCES endpoint (id) ON DELETE CASCADE,
    failing_since_ms   bigint    NOT NULL,
    failures_in_a_row  integer   NOT NULL,
    -- Warnings sent.
    warnings           smallint  NOT NULL,
    -- While the breaker is open: why, when the next attempt is made, and how many were made in vain.
    open_reason        text      NOT NULL,
    next_probe_at_ms   bigint,
    probes             integer   NOT NULL
);

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
SELECT endpoint.id AS endpoint_id, endpoint.tenant_id, endpoint_health.next_probe_at_ms
FROM backlog JOIN endpoint ON endpoint.id = backlog.endpoint_id
LEFT JOIN endpoint_health ON endpoint_health.endpoint_id = endpoint.id
WHERE endpoint.is_enabled AND endpoint.paused_at_ms IS NULL;
