-- Endpoints can be paused, and those that may be sent to are found without reading what piled up.

ALTER TABLE endpoint ADD COLUMN paused_at_ms bigint;

-- The endpoints that something waits for and that may be sent to. Jumps from one endpoint to the next in the index of
-- what is pending: the cost grows with the endpoints, not with their backlogs.
CREATE VIEW open_endpoint AS
WITH RECURSIVE backlog (endpoint_id) AS (
    (SELECT endpoint_id FROM delivery WHERE state = 1 ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT delivery.endpoint_id FROM delivery
            WHERE delivery.state = 1 AND delivery.endpoint_id > backlog.endpoint_id
            ORDER BY delivery.endpoint_id LIMIT 1)
    FROM backlog WHERE backlog.endpoint_id IS NOT NULL
)
SELECT endpoint.id AS endpoint_id, endpoint.tenant_id
FROM backlog JOIN endpoint ON endpoint.id = backlog.endpoint_id
WHERE endpoint.is_enabled AND endpoint.paused_at_ms IS NULL;
