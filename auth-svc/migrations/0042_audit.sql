-- Who did what, when, from where; written in the transaction of the change. Never holds a secret.
CREATE TABLE audit_entry (
    id              bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       text    NOT NULL,
    at_ms           bigint  NOT NULL,
    action          text    NOT NULL,
    actor           text    NOT NULL,
    subject         text    NOT NULL,
    user_id         text    NOT NULL,
    application_id  text    NOT NULL,
    ip_address      text    NOT NULL,
    details_json    text    NOT NULL
);
CREATE INDEX audit_entry_of_tenant ON audit_entry (tenant_id, id DESC);
CREATE INDEX audit_entry_age ON audit_entry (at_ms);
