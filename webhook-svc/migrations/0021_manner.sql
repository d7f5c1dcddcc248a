-- What signs the requests to an endpoint besides its secret, and what its owner says about them.

ALTER TABLE endpoint
    -- The Ed25519 key: the public half, and the seed, sealed. An empty `secret` means that there is none.
    ADD COLUMN key_public             bytea,
    ADD COLUMN key_seed               bytea,
    -- The key before it, which signs too until then.
    ADD COLUMN previous_key_public    bytea,
    ADD COLUMN previous_key_seed      bytea,
    ADD COLUMN previous_key_until_ms  bigint,
    -- [{"name": …, "value": …}], or "sealed": base64 in the place of a value that is a secret.
    ADD COLUMN headers                jsonb     NOT NULL DEFAULT '[]',
    -- 1: all of an event. 2: ids and names.
    ADD COLUMN profile                smallint  NOT NULL DEFAULT 1,
    -- NULL: as is usual.
    ADD COLUMN retry_pauses_ms        bigint[];
