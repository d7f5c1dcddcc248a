-- How long sessions live, as tenants and applications are set to; null where they say nothing.

ALTER TABLE tenant ADD COLUMN session_policy_json text;
ALTER TABLE application ADD COLUMN session_policy_json text;
CREATE INDEX tenant_with_session_policy ON tenant (id) WHERE session_policy_json IS NOT NULL;
CREATE INDEX application_with_session_policy ON application (tenant_id, id) WHERE session_policy_json IS NOT NULL;
