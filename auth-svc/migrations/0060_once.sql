-- What may be presented once only, and requests that were pushed. Times are milliseconds since 1970.

CREATE TABLE presented (
    hash           bytea   PRIMARY KEY,
    expires_at_ms  bigint  NOT NULL
);
CREATE INDEX presented_expiry ON presented (expires_at_ms);

CREATE TABLE pushed_request (
    hash           bytea    PRIMARY KEY,
    request_json   text     NOT NULL,
    expires_at_ms  bigint   NOT NULL,
    is_spent       boolean  NOT NULL DEFAULT false
);
CREATE INDEX pushed_request_expiry ON pushed_request (expires_at_ms);
