//! The endpoint for pushed authorization requests (RFC 9126 §2).

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Json, Response},
};
use serde_json::json;

use super::{
    HttpState,
    client::{Asked, client},
    cors, possession,
    tenant::Tenant,
    token::{NOT_CACHED, failed, refuse},
};
use crate::{
    app::{Adapters, oidc::pushed::PushError},
    domain::pushed::PUSHED_LIFETIME,
};

pub(super) async fn push<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked { tenant: &tenant.0, endpoint: "par" };
    let (fields, application) = match client(&state, asked, &headers, &body).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let key = match possession::of_client(&state, asked, &headers).await {
        Ok(key) => key,
        Err(mut response) => {
            cors::allow(&mut response, &headers, &application);
            return response;
        }
    };
    let mut response = match state.auth.push(&application, &fields, key).await {
        Ok(reference) => {
            let answer = json!({ "request_uri": reference, "expires_in": PUSHED_LIFETIME.as_secs() });
            (StatusCode::CREATED, NOT_CACHED, Json(answer)).into_response()
        }
        Err(PushError::Refused(error, description)) => refuse(error, description),
        Err(PushError::Failed(error)) => failed(&error),
    };
    cors::allow(&mut response, &headers, &application);
    response
}
