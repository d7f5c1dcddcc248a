//! Which tenant a request is for: the path says it. Its pages look as it wants.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{HttpState, look, pages};
use crate::{app::Adapters, error::AuthError};

/// The tenant of a request, which exists and is not suspended.
pub(super) struct Tenant(pub(super) String);

impl<A: Adapters> FromRequestParts<HttpState<A>> for Tenant {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState<A>) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let named = params
            .ok()
            .and_then(|params| params.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value.to_owned()));
        let path = named.as_ref().map(|named| format!("/t/{named}")).unwrap_or_default();
        let id = named.unwrap_or_else(|| state.auth.settings.default_tenant.clone());
        match state.auth.open_tenant(&id).await {
            Ok(tenant) => {
                look::wear(&tenant, &path);
                Ok(Self(id))
            }
            Err(AuthError::TenantNotFound | AuthError::TenantSuspended) => {
                Err(pages::say(StatusCode::NOT_FOUND, pages::texts().not_found))
            }
            Err(error) => Err(pages::failed(&error)),
        }
    }
}
