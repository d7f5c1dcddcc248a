-- Devices without a browser that wait for their users. Times are milliseconds since 1970.

CREATE TABLE device (
    hash           bytea   PRIMARY KEY,
    user_code      bytea   NOT NULL,
    request_json   text    NOT NULL,
    expires_at_ms  bigint  NOT NULL,
    -- Grows with every change; a change of what was read before another change does not count.
    revision       bigint  NOT NULL DEFAULT 0,
    CONSTRAINT one_device_shows_a_code UNIQUE (user_code)
);
CREATE INDEX device_expiry ON device (expires_at_ms);
