-- Who may sign in to applications that let in registered users only, and who must change the password first. Times are
-- milliseconds since 1970.

ALTER TABLE "user" ADD COLUMN must_change_password boolean NOT NULL DEFAULT false;

CREATE TABLE user_registration (
    user_id         text    NOT NULL,
    application_id  text    NOT NULL,
    created_at_ms   bigint  NOT NULL,
    PRIMARY KEY (user_id, application_id),
    CONSTRAINT registration_of_user FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE,
    CONSTRAINT registration_for_application FOREIGN KEY (application_id) REFERENCES application (id) ON DELETE CASCADE
);
CREATE INDEX user_registration_by_application ON user_registration (application_id);
