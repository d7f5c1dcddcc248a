//! The UserInfo endpoint (OpenID Connect Core 1.0 §5.3). Asks whether the session lives: a revoked one says no at once.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Json, Response},
};
use serde_json::{Value, json};

use super::{HttpState, form, tenant::Tenant, token::failed};
use crate::{
    app::Adapters,
    domain::user::{User, UserId},
    error::AuthError,
    ports::UserStore as _,
};

const CORS: [(HeaderName, &str); 2] =
    [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"), (header::ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate")];
/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

pub(super) async fn by_header<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
) -> Response {
    answer(&state, &tenant.0, bearer(&headers)).await
}

/// The token may stand in the body of a POST instead (RFC 6750 §2.2), but not in both places, and never in the query.
pub(super) async fn by_form<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = form::form(&headers, &body).unwrap_or_default();
    match (bearer(&headers), fields.get("access_token")) {
        (Some(_), Some(_)) => challenge(StatusCode::BAD_REQUEST, r#"Bearer error="invalid_request""#),
        (header, body) => answer(&state, &tenant.0, header.or(body)).await,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

async fn answer<A: Adapters>(state: &HttpState<A>, tenant: &str, token: Option<&str>) -> Response {
    let Some(token) = token.filter(|token| token.len() <= TOKEN_BYTES_MAX) else {
        return challenge(StatusCode::UNAUTHORIZED, "Bearer");
    };
    match claims(state, tenant, token).await {
        Ok(Ok(claims)) => (CORS, Json(claims)).into_response(),
        Ok(Err((status, text))) => challenge(status, text),
        Err(error) => failed(&error),
    }
}

type Refusal = (StatusCode, &'static str);

async fn claims<A: Adapters>(
    state: &HttpState<A>,
    tenant: &str,
    token: &str,
) -> Result<Result<Value, Refusal>, AuthError> {
    const INVALID: Refusal = (StatusCode::UNAUTHORIZED, r#"Bearer error="invalid_token""#);
    const SCOPE: Refusal = (StatusCode::FORBIDDEN, r#"Bearer error="insufficient_scope", scope="openid""#);
    // Only access tokens: a refresh token that is shown here has leaked.
    if state.auth.read_access_token(token).is_none() {
        return Ok(Err(INVALID));
    }
    let found = state.auth.introspect(token).await?;
    let Some(found) = found.filter(|found| found.tenant == tenant) else { return Ok(Err(INVALID)) };
    let scopes: Vec<&str> = found.scope.split(' ').collect();
    if !scopes.contains(&"openid") {
        return Ok(Err(SCOPE));
    }
    let user = match UserId::parse(&found.sub) {
        Ok(id) => state.auth.store.user(&id).await?,
        Err(_) => None,
    };
    Ok(user.filter(|user| !user.is_disabled).map_or(Err(INVALID), |user| Ok(of_user(&user, &scopes))))
}

fn of_user(user: &User, scopes: &[&str]) -> Value {
    let mut claims = json!({ "sub": user.id.as_str() });
    if scopes.contains(&"profile") {
        claims["preferred_username"] = user.login.as_str().into();
        for (name, value) in user.claims.iter().filter(|(_, value)| !value.is_empty()) {
            claims[name] = value.clone().into();
        }
        claims["updated_at"] = user.updated_at.as_secs().into();
        if !user.name.is_empty() {
            claims["name"] = user.name.clone().into();
        }
    }
    if scopes.contains(&"email") {
        claims["email"] = user.login.as_str().into();
        claims["email_verified"] = user.is_email_verified.into();
    }
    claims
}

fn challenge(status: StatusCode, text: &'static str) -> Response {
    (status, CORS, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(text))]).into_response()
}
