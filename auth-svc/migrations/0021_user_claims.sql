-- What is known of a user besides login and name.

ALTER TABLE "user"
    ADD COLUMN claims_json        text     NOT NULL DEFAULT '{}',
    ADD COLUMN is_email_verified  boolean  NOT NULL DEFAULT false,
    ADD COLUMN updated_at_ms      bigint   NOT NULL DEFAULT 0;
UPDATE "user" SET updated_at_ms = created_at_ms;
