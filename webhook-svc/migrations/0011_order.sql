-- Order: the deliveries of one session to an endpoint that wants order stand in a lane. Only the one in front is tried; the
-- others are behind, where no claim looks.

ALTER TABLE endpoint ADD COLUMN is_ordered boolean NOT NULL DEFAULT false;

-- Number of the event within what it happened to; 0: it has none.
ALTER TABLE event ADD COLUMN sequence bigint NOT NULL DEFAULT 0;

ALTER TABLE delivery
    -- What the event happened to, if the endpoint wanted order when the delivery was made.
    ADD COLUMN lane        text,
    ADD COLUMN lane_place  bigint   NOT NULL DEFAULT 0,
    ADD COLUMN is_behind   boolean  NOT NULL DEFAULT false,
    ADD CHECK (NOT is_behind OR (state = 1 AND lane IS NOT NULL AND NOT is_claimed));
CREATE INDEX delivery_lane ON delivery (endpoint_id, lane, is_behind, lane_place) WHERE state = 1 AND lane IS NOT NULL;

DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (endpoint_id, is_behind, next_attempt_at_ms) WHERE state = 1;
