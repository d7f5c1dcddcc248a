-- Endpoints that follow the configuration of applications: those that get logout tokens.

-- 1: webhooks. 2: logout tokens; its application is the one in application_ids.
ALTER TABLE endpoint ADD COLUMN kind smallint NOT NULL DEFAULT 1;

-- When the application became what its endpoint follows: what is older changes nothing.
CREATE TABLE managed_endpoint (
    endpoint_id  text    PRIMARY KEY REFERENCES endpoint (id) ON DELETE CASCADE,
    at_ms        bigint  NOT NULL
);
