//! What callers ask about tokens: introspection (RFC 7662) and revocation (RFC 7009).

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Json, Response},
};
use serde_json::{Value, json};

use super::{
    HttpState,
    client::{Asked, client},
    cors,
    tenant::Tenant,
    token::{failed, oauth_error, refuse},
};
use crate::{
    app::{Adapters, introspection::Introspection, tokens::INTROSPECTION},
    domain::application::Application,
    error::AuthError,
    ports::{SessionRef, SessionsError, Tokens as _},
};

/// The type of a signed answer.
const SIGNED: &str = "application/token-introspection+jwt";
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
    let token = fields.text("token");
    if token.is_empty() {
        return refuse("invalid_request", "token is required");
    }
    let found = if token.len() > TOKEN_BYTES_MAX { Ok(None) } else { state.auth.introspect(token).await };
    let found = match found {
        Ok(found) => found.filter(|found| may_ask(&application, found)),
        Err(error) => return failed(&error),
    };
    let answer = found.map_or_else(|| json!({ "active": false }), |found| describe(&state, &found));
    if wants_jwt(&headers) { signed(&state, &application, answer) } else { Json(answer).into_response() }
}

/// Says whether the answer must be signed (RFC 9701 §4).
fn wants_jwt(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|text| text.split(',')).any(|range| range.split(';').next().map(str::trim) == Some(SIGNED))
}

/// The answer as a JWT for the one who asks. It has neither `sub` nor `exp`, so that it is no token itself (RFC 9701 §5).
fn signed<A: Adapters>(state: &HttpState<A>, application: &Application, answer: Value) -> Response {
    let claims = json!({
        "iss": state.auth.settings.issuer(&application.tenant),
        "aud": application.id,
        "iat": state.auth.clock.now().as_secs(),
        "token_introspection": answer,
    });
    match state.auth.tokens.sign(INTROSPECTION, application.settings.signing_algorithm, &claims) {
        Ok(jwt) => ([(header::CONTENT_TYPE, HeaderValue::from_static(SIGNED))], jwt).into_response(),
        Err(error) => failed(&error.into()),
    }
}

/// An application sees its own tokens; one that may read sessions sees those of its tenant.
fn may_ask(application: &Application, token: &Introspection) -> bool {
    let reads_sessions = application.service_scopes.iter().any(|scope| scope.starts_with("sessions."));
    token.tenant == application.tenant && (token.client_id == application.id || reads_sessions)
}

fn describe<A: Adapters>(state: &HttpState<A>, token: &Introspection) -> Value {
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
    if found.session.is_empty() {
        return Ok(Revoked::Cannot);
    }
    match state.auth.logout(SessionRef::Id(&found.session)).await {
        Ok(_) | Err(AuthError::Sessions(SessionsError::NotFound)) => Ok(Revoked::Done),
        Err(error) => Err(error),
    }
}
