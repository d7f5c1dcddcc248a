-- Endpoints, the event log, deliveries with their attempts, and the outbox. Times are milliseconds since 1970.

CREATE TABLE endpoint (
    id                 text     PRIMARY KEY,
    tenant_id          text     NOT NULL,
    url                text     NOT NULL,
    description        text     NOT NULL,
    event_types        text[]   NOT NULL,
    application_ids    text[]   NOT NULL,
    is_enabled         boolean  NOT NULL,
    disabled_reason    text     NOT NULL,
    secret             bytea    NOT NULL,
    previous_secret    bytea,
    previous_until_ms  bigint   NOT NULL,
    created_at_ms      bigint   NOT NULL,
    updated_at_ms      bigint   NOT NULL
);
CREATE INDEX endpoint_of_tenant ON endpoint (tenant_id, id);

-- Doubles as the inbox: an event that is here was taken off the bus before.
CREATE TABLE event (
    id              text    PRIMARY KEY,
    -- Grows in the order of commits within a tenant: the writers of a tenant take turns.
    position        bigint  GENERATED ALWAYS AS IDENTITY,
    tenant_id       text    NOT NULL,
    type            text    NOT NULL,
    application_id  text    NOT NULL,
    occurred_at_ms  bigint  NOT NULL,
    received_at_ms  bigint  NOT NULL,
    payload         text    NOT NULL,
    traceparent     text    NOT NULL,
    tracestate      text    NOT NULL
);
CREATE INDEX event_of_tenant ON event (tenant_id, position);

CREATE TABLE delivery (
    id                  text      PRIMARY KEY,
    tenant_id           text      NOT NULL,
    -- Not a foreign key: the history of a deleted endpoint stays.
    endpoint_id         text      NOT NULL,
    event_id            text      NOT NULL REFERENCES event (id),
    state               smallint  NOT NULL,
    created_at_ms       bigint    NOT NULL,
    -- When it is tried next; while it is being tried, when its lease ends.
    next_attempt_at_ms  bigint,
    -- Grows with every claim; a result counts only for the claim that it belongs to.
    generation          integer   NOT NULL DEFAULT 0,
    attempt_count       integer   NOT NULL DEFAULT 0,
    -- Attempts of the current schedule; starts over when somebody redelivers.
    step                integer   NOT NULL DEFAULT 0,
    UNIQUE (endpoint_id, event_id),
    -- Every delivery is finished or has a due time.
    CHECK ((state = 1) = (next_attempt_at_ms IS NOT NULL))
);
CREATE INDEX delivery_due ON delivery (endpoint_id, next_attempt_at_ms) WHERE state = 1;
CREATE INDEX delivery_of_tenant ON delivery (tenant_id, created_at_ms DESC, id DESC);

CREATE TABLE attempt (
    delivery_id  text      NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    number       integer   NOT NULL,
    at_ms        bigint    NOT NULL,
    verdict      text      NOT NULL,
    status_code  integer   NOT NULL,
    duration_ms  integer   NOT NULL,
    response     text      NOT NULL,
    PRIMARY KEY (delivery_id, number)
);

CREATE TABLE outbox (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid          xid8    NOT NULL DEFAULT pg_current_xact_id(),
    event_id     text    NOT NULL,
    routing_key  text    NOT NULL,
    body         bytea   NOT NULL,
    traceparent  text    NOT NULL,
    tracestate   text    NOT NULL
);
CREATE INDEX outbox_in_commit_order ON outbox (xid, id);
