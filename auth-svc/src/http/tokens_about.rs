//! What callers ask about tokens: introspection (RFC 7662) and revocation (RFC 7009).

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Json, Response},
};
use serde_json::json;

use super::{
    HttpState,
    tenant::Tenant,
    token::{client, failed, oauth_error, refuse},
};
use crate::{
    app::{Adapters, login::Introspection},
    domain::application::Application,
    error::AuthError,
    ports::{SessionRef, SessionsError},
};

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

pub(super) async fn introspect<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (fields, application) = match client(&state, &tenant.0, &headers, &body).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    if application.is_public() {
        // Whoever can ask without proving anything could fish for tokens (RFC 7662 §2.1).
        return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", "only confidential clients may introspect");
    }
    let token = match fields.text("token") {
        "" => return refuse("invalid_request", "token is required"),
        token if token.len() > TOKEN_BYTES_MAX => return Json(json!({ "active": false })).into_response(),
        token => token,
    };
    match state.auth.introspect(token).await {
        Ok(found) => {
            let visible = found.filter(|found| may_ask(&application, found));
            Json(visible.map_or_else(|| json!({ "active": false }), |found| describe(&state, &found))).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// An application sees its own tokens; one that may read sessions sees those of its tenant.
fn may_ask(application: &Application, token: &Introspection) -> bool {
    let reads_sessions = application.service_scopes.iter().any(|scope| scope.starts_with("sessions."));
    token.tenant == application.tenant && (token.client_id == application.id || reads_sessions)
}

fn describe<A: Adapters>(state: &HttpState<A>, token: &Introspection) -> serde_json::Value {
    let mut answer = json!({
        "active": true,
        "iss": state.auth.settings.issuer(&token.tenant),
        "sub": token.sub,
        "client_id": token.client_id,
        "scope": token.scope,
        "exp": token.exp,
        "token_type": if token.token_use == "access_token" { "Bearer" } else { "refresh_token" },
        "tenant_id": token.tenant,
    });
    if !token.sid.is_empty() {
        answer["sid"] = token.sid.clone().into();
    }
    answer
}

pub(super) async fn revoke<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (fields, application) = match client(&state, &tenant.0, &headers, &body).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let token = match fields.text("token") {
        "" => return refuse("invalid_request", "token is required"),
        token => token,
    };
    match end(&state, &application, token).await {
        // A token that is over or was never one is as good as revoked (RFC 7009 §2.2).
        Ok(true) => StatusCode::OK.into_response(),
        Ok(false) => refuse("invalid_grant", "the token belongs to another client"),
        Err(error) => failed(&error),
    }
}

/// Ends the session of a token; `false` when it is another application's.
async fn end<A: Adapters>(state: &HttpState<A>, application: &Application, token: &str) -> Result<bool, AuthError> {
    let found = if token.len() > TOKEN_BYTES_MAX { None } else { state.auth.introspect(token).await? };
    let Some(found) = found.filter(|found| !found.sid.is_empty()) else { return Ok(true) };
    if found.client_id != application.id || found.tenant != application.tenant {
        return Ok(false);
    }
    match state.auth.logout(SessionRef::Id(&found.sid)).await {
        Ok(_) | Err(AuthError::Sessions(SessionsError::NotFound)) => Ok(true),
        Err(error) => Err(error),
    }
}
