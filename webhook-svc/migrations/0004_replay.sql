-- Events can be delivered again: chosen by time and user, and marked.

ALTER TABLE event ADD COLUMN user_id text NOT NULL DEFAULT '';
ALTER TABLE event ALTER COLUMN user_id DROP DEFAULT;
CREATE INDEX event_received ON event (tenant_id, received_at_ms, position);

ALTER TABLE delivery ADD COLUMN is_replay boolean NOT NULL DEFAULT false;
