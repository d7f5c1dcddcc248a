-- What users agreed that applications get to know about them. Times are milliseconds since 1970.
CREATE TABLE consent (
    user_id         text    NOT NULL,
    application_id  text    NOT NULL,
    scopes          text[]  NOT NULL,
    given_at_ms     bigint  NOT NULL,
    PRIMARY KEY (user_id, application_id),
    CONSTRAINT consent_of_user FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE,
    CONSTRAINT consent_to_application FOREIGN KEY (application_id) REFERENCES application (id) ON DELETE CASCADE
);
CREATE INDEX consent_by_application ON consent (application_id);
