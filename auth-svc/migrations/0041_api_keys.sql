-- Credentials of programs that call auth-svc. Of their secrets there are hashes only. Times are milliseconds since 1970.
CREATE TABLE api_key (
    id                   text    PRIMARY KEY,
    tenant_id            text    NOT NULL REFERENCES tenant (id),
    name                 text    NOT NULL,
    scopes               text[]  NOT NULL,
    hash                 bytea   NOT NULL,
    -- The secret before the last rotation.
    old_secret_hash      bytea,
    old_secret_until_ms  bigint,
    created_at_ms        bigint  NOT NULL,
    created_by           text    NOT NULL,
    expires_at_ms        bigint  NOT NULL,
    last_used_at_ms      bigint,
    revision             bigint  NOT NULL DEFAULT 0
);
CREATE INDEX api_key_of_tenant ON api_key (tenant_id, id);
