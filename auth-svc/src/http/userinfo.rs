//! The UserInfo endpoint (OpenID Connect Core 1.0 §5.3). Asks whether the session lives: a revoked one says no at once.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method},
    response::{IntoResponse, Json, Response},
};
use serde_json::{Value, json};

use super::{
    HttpState, form,
    resource::{self, CORS, Presented, Refusal, Request, Scheme},
    tenant::Tenant,
    token::failed,
};
use crate::{
    app::Adapters,
    domain::user::{User, UserId},
    error::AuthError,
    ports::UserStore as _,
};

pub(super) async fn by_header<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let request = Request { tenant: &tenant.0, path: "userinfo", method: &method, headers: &headers };
    answer(&state, &request, resource::in_header(&headers)).await
}

/// The token may stand in the body of a POST instead (RFC 6750 §2.2), but not in both places, and never in the query.
pub(super) async fn by_form<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = form::form(&headers, &body).unwrap_or_default();
    let in_body = fields.get("access_token").map(|token| Presented { scheme: Scheme::Bearer, token });
    let presented = match (resource::in_header(&headers), in_body) {
        (Some(_), Some(_)) => return Refusal::TWICE.into_response(),
        (in_header, in_body) => in_header.or(in_body),
    };
    let request = Request { tenant: &tenant.0, path: "userinfo", method: &method, headers: &headers };
    answer(&state, &request, presented).await
}

async fn answer<A: Adapters>(
    state: &HttpState<A>,
    request: &Request<'_>,
    presented: Option<Presented<'_>>,
) -> Response {
    let Some(presented) = presented else { return Refusal::MISSING.into_response() };
    match claims(state, request, presented).await {
        Ok(Ok(claims)) => (CORS, Json(claims)).into_response(),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(error) => failed(&error),
    }
}

async fn claims<A: Adapters>(
    state: &HttpState<A>,
    request: &Request<'_>,
    presented: Presented<'_>,
) -> Result<Result<Value, Refusal>, AuthError> {
    if let Err(refusal) = resource::claims(state, request, presented).await? {
        return Ok(Err(refusal));
    }
    let Some(found) = state.auth.introspect(presented.token).await? else { return Ok(Err(Refusal::INVALID)) };
    let scopes: Vec<&str> = found.scope.split(' ').collect();
    if !scopes.contains(&"openid") {
        return Ok(Err(Refusal::SCOPE));
    }
    let user = match UserId::parse(&found.sub) {
        Ok(id) => state.auth.store.user(&id).await?,
        Err(_) => None,
    };
    let user = user.filter(|user| !user.is_disabled);
    Ok(user.map(|user| of_user(&user, &scopes)).ok_or(Refusal::INVALID))
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
