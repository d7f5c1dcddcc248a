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
    client::{Asked, client},
    cors,
    tenant::Tenant,
    token::{failed, oauth_error, refuse},
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
    let asked = Asked { tenant: &tenant.0, endpoint: "introspect" };
    let (fields, application) = match client(&state, asked, &headers, &body).await {
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
        "aud": token.aud,
        "exp": token.exp,
        "iat": token.iat,
        "nbf": token.iat,
        "token_type": match (token.token_use, token.key.as_str()) {
            ("access_token", "") => "Bearer",
            ("access_token", _) => "DPoP",
            _ => "refresh_token",
        },
        "tenant_id": token.tenant,
    });
    for (name, value) in [("sid", &token.sid), ("jti", &token.jti)] {
        if !value.is_empty() {
            answer[name] = value.clone().into();
        }
    }
    if !token.key.is_empty() {
        answer["cnf"] = json!({ "jkt": token.key });
    }
    if let Some(auth_time) = token.auth_time {
        answer["auth_time"] = auth_time.into();
    }
    answer
}

pub(super) async fn revoke<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked { tenant: &tenant.0, endpoint: "revoke" };
    let (fields, application) = match client(&state, asked, &headers, &body).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let token = match fields.text("token") {
        "" => return refuse("invalid_request", "token is required"),
        token => token,
    };
    let mut response = match end(&state, &application, token).await {
        Ok(Revoked::Done) => StatusCode::OK.into_response(),
        Ok(Revoked::Foreign) => refuse("invalid_grant", "the token belongs to another client"),
        Ok(Revoked::Cannot) => refuse("unsupported_token_type", "a token without a session ends by itself"),
        Err(error) => failed(&error),
    };
    cors::allow(&mut response, &headers, &application);
    response
}

/// What became of a token that was to be revoked.
enum Revoked {
    /// It is over, or was never one, which is as good (RFC 7009 §2.2).
    Done,
    /// It is another application's, and lives on.
    Foreign,
    /// It has no session that could end: an application's own token.
    Cannot,
}

async fn end<A: Adapters>(state: &HttpState<A>, application: &Application, token: &str) -> Result<Revoked, AuthError> {
    let found = if token.len() > TOKEN_BYTES_MAX { None } else { state.auth.introspect(token).await? };
    let Some(found) = found else { return Ok(Revoked::Done) };
    if found.client_id != application.id || found.tenant != application.tenant {
        return Ok(Revoked::Foreign);
    }
    if found.sid.is_empty() {
        return Ok(Revoked::Cannot);
    }
    match state.auth.logout(SessionRef::Id(&found.sid)).await {
        Ok(_) | Err(AuthError::Sessions(SessionsError::NotFound)) => Ok(Revoked::Done),
        Err(error) => Err(error),
    }
}
