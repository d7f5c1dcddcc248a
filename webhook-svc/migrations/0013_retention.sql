-- What is old goes. Attempts by dropping the partitions of their days, events and deliveries in batches.

INSERT INTO job (name, next_at_ms, tenant_id, position) VALUES ('retention', 0, '', 0);

-- A delivery outlives its event.
ALTER TABLE delivery ADD COLUMN event_type text NOT NULL DEFAULT '';
UPDATE delivery SET event_type = event.type FROM event WHERE event.id = delivery.event_id;
ALTER TABLE delivery DROP CONSTRAINT delivery_event_id_fkey;

-- What there is becomes one partition, without being copied. A partition is named after its end (in milliseconds since 1970);
-- the service makes those that follow ahead of time, and what none is there for goes into the default one.
ALTER TABLE attempt DROP CONSTRAINT attempt_delivery_id_fkey;
ALTER TABLE attempt DROP CONSTRAINT attempt_pkey;
ALTER INDEX attempt_of_endpoint RENAME TO attempt_before_of_endpoint;
ALTER TABLE attempt RENAME TO attempt_before;
CREATE TABLE attempt (LIKE attempt_before) PARTITION BY RANGE (at_ms);
ALTER TABLE attempt ADD PRIMARY KEY (delivery_id, number, at_ms);
CREATE INDEX attempt_of_endpoint ON attempt (endpoint_id, at_ms DESC);
DO $$
DECLARE
    day   CONSTANT bigint := 86400000;
    today CONSTANT bigint := floor(extract(epoch FROM now()) * 1000 / day);
    until bigint;
BEGIN
    SELECT (greatest(today, coalesce(max(at_ms) / day, 0)) + 1) * day INTO until FROM attempt_before;
    EXECUTE format('ALTER TABLE attempt_before RENAME TO attempt_until_%s', until);
    EXECUTE format('ALTER TABLE attempt ATTACH PARTITION attempt_until_%s FOR VALUES FROM (MINVALUE) TO (%s)', until, until);
END $$;
CREATE TABLE attempt_default PARTITION OF attempt DEFAULT;
