//! Which tenant a request is for: the path says it.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{HttpState, pages};
use crate::{app::Adapters, ports::ApplicationStore as _};

/// The tenant of a request, which exists.
pub(super) struct Tenant(pub(super) String);

impl<A: Adapters> FromRequestParts<HttpState<A>> for Tenant {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState<A>) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let named = params
            .ok()
            .and_then(|params| params.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value.to_owned()));
        let Some(named) = named else { return Ok(Self(state.auth.settings.default_tenant.clone())) };
        match state.auth.store.has_tenant(&named).await {
            Ok(true) => Ok(Self(named)),
            Ok(false) => Err(pages::say(StatusCode::NOT_FOUND, pages::texts().not_found)),
            Err(error) => Err(pages::failed(&error.into())),
        }
    }
}
