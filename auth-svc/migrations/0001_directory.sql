-- Tenants, applications, users, signing keys, authorization codes, orders to end sessions, and the outbox. Times are
-- milliseconds since 1970.

CREATE TABLE tenant (
    id    text  PRIMARY KEY,
    name  text  NOT NULL
);

CREATE TABLE application (
    id                         text     PRIMARY KEY,
    tenant_id                  text     NOT NULL REFERENCES tenant (id),
    name                       text     NOT NULL,
    is_public                  boolean  NOT NULL,
    secret_hash                bytea,
    redirect_uris              text[]   NOT NULL,
    post_logout_redirect_uris  text[]   NOT NULL,
    service_scopes             text[]   NOT NULL,
    is_application_managed     boolean  NOT NULL,
    keep_on_sso_logout         boolean  NOT NULL
);
CREATE INDEX application_of_tenant ON application (tenant_id, id);

CREATE TABLE "user" (
    id             text     PRIMARY KEY,
    tenant_id      text     NOT NULL REFERENCES tenant (id),
    login          text     NOT NULL,
    name           text     NOT NULL,
    password_hash  text     NOT NULL,
    is_disabled    boolean  NOT NULL DEFAULT false,
    -- Grows when a change must end sessions; a sign-in that began under another value does not count.
    epoch          bigint   NOT NULL DEFAULT 0,
    created_at_ms  bigint   NOT NULL,
    CONSTRAINT one_login_per_tenant UNIQUE (tenant_id, login)
);
CREATE INDEX user_of_tenant ON "user" (tenant_id, id);

CREATE TABLE signing_key (
    id             text     PRIMARY KEY,
    private_key    bytea    NOT NULL,
    is_active      boolean  NOT NULL,
    created_at_ms  bigint   NOT NULL
);
CREATE UNIQUE INDEX one_active_signing_key ON signing_key (is_active) WHERE is_active;

CREATE TABLE authorization_code (
    hash           bytea    PRIMARY KEY,
    grant_json     text     NOT NULL,
    expires_at_ms  bigint   NOT NULL,
    is_used        boolean  NOT NULL DEFAULT false,
    session_id     text     NOT NULL DEFAULT ''
);
CREATE INDEX authorization_code_expiry ON authorization_code (expires_at_ms);

-- Orders to end all sessions of a user, written with the change that demands it and kept until session-svc has done it.
CREATE TABLE revocation (
    id         bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id  text    NOT NULL,
    user_id    text    NOT NULL,
    reason     text    NOT NULL
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
