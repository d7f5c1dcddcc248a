-- How long the parts of an attempt took, and in which of them it failed.

ALTER TABLE attempt
    ADD COLUMN failed_in      text  NOT NULL DEFAULT '',
    ADD COLUMN detail         text  NOT NULL DEFAULT '',
    -- NULL: there was no such part.
    ADD COLUMN dns_ms         integer,
    ADD COLUMN connect_ms     integer,
    ADD COLUMN tls_ms         integer,
    ADD COLUMN first_byte_ms  integer,
    ADD COLUMN body_ms        integer;
