-- The endpoints that a batch of events may concern are found without reading every logout endpoint of its tenants.

CREATE INDEX endpoint_webhooks ON endpoint (tenant_id, id) WHERE kind = 1;
CREATE INDEX endpoint_managed ON endpoint USING gin (application_ids) WHERE kind <> 1;
