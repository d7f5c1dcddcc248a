//! API keys in requests.

use proto::auth::v1 as pb;
use svc_kit::clock::Timestamp;

use super::{NAME_BYTES_MAX, Parsed, field, tenant, text};
use crate::{
    app::api_keys::NewApiKey,
    domain::api_key::{ApiKeyId, LIFETIME_DEFAULT, LIFETIME_MAX, SCOPES},
};

pub(in crate::grpc) fn api_key_id(text: &str) -> Parsed<ApiKeyId> {
    ApiKeyId::parse(text).map_err(|error| field("api_key_id", error.to_string()))
}

pub(in crate::grpc) fn new_api_key(key: pb::ApiKey, now: Timestamp) -> Parsed<NewApiKey> {
    let mut scopes = key.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() || !scopes.iter().all(|scope| SCOPES.contains(&scope.as_str())) {
        return Err(field("api_key.scopes", format!("must be one or more of {}", SCOPES.join(", "))));
    }
    Ok(NewApiKey {
        tenant: tenant("api_key.tenant_id", &key.tenant_id)?,
        name: text("api_key.name", key.name, NAME_BYTES_MAX)?,
        scopes,
        expires_at: end(key.expires_at.as_ref(), now)?,
    })
}

fn end(given: Option<&prost_types::Timestamp>, now: Timestamp) -> Parsed<Timestamp> {
    let Some(given) = given else { return Ok(now.saturating_add(LIFETIME_DEFAULT)) };
    let end = Timestamp::from_proto(given).ok().filter(|end| now < *end && *end <= now.saturating_add(LIFETIME_MAX));
    end.ok_or_else(|| field("api_key.expires_at", "must be later than now and within 400 days"))
}
