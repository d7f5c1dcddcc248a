//! The UserInfo endpoint (OpenID Connect Core 1.0 §5.3). Asks whether the session lives: a revoked one says no at once.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Json, Response},
};
use serde_json::{Value, json};

use super::{HttpState, tenant::Tenant, token::failed};
use crate::{
    app::Adapters,
    domain::user::{User, UserId},
    error::AuthError,
    ports::UserStore as _,
};

const CORS: [(HeaderName, &str); 1] = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];

pub(super) async fn userinfo<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = bearer.and_then(|text| text.strip_prefix("Bearer ")) else {
        return challenge(StatusCode::UNAUTHORIZED, "Bearer");
    };
    match claims(&state, &tenant.0, token).await {
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
    if scopes.contains(&"profile") && !user.name.is_empty() {
        claims["name"] = user.name.clone().into();
    }
    if scopes.contains(&"email") {
        claims["email"] = user.login.as_str().into();
    }
    claims
}

fn challenge(status: StatusCode, text: &'static str) -> Response {
    (status, CORS, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(text))]).into_response()
}
