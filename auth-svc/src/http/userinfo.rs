//! The UserInfo endpoint (OpenID Connect Core 1.0 §5.3). Asks whether the session lives: a revoked one says no at once.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, header},
    response::{IntoResponse, Json, Response},
};
use serde_json::{Map, Value};

use super::{
    HttpState, form,
    resource::{self, CORS, Presented, Refusal, Request, Scheme},
    tenant::Tenant,
    token::failed,
};
use crate::{
    app::{Adapters, tokens},
    domain::{claims, user::UserId},
    error::AuthError,
    ports::{ApplicationStore as _, Tokens as _, UserStore as _},
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
    match userinfo(state, request, presented).await {
        Ok(Ok(UserInfo::Plain(claims))) => (CORS, Json(claims)).into_response(),
        Ok(Ok(UserInfo::Signed(jwt))) => {
            (CORS, [(header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"))], jwt).into_response()
        }
        Ok(Err(refusal)) => refusal.into_response(),
        Err(error) => failed(&error),
    }
}

/// What is told, as the application wants it.
enum UserInfo {
    /// As JSON.
    Plain(Map<String, Value>),
    /// As a JWT that we signed (§5.3.2).
    Signed(String),
}

async fn userinfo<A: Adapters>(
    state: &HttpState<A>,
    request: &Request<'_>,
    presented: Presented<'_>,
) -> Result<Result<UserInfo, Refusal>, AuthError> {
    let auth = &state.auth;
    let access = match resource::claims(state, request, presented).await? {
        // One that is for another resource is not for us.
        Ok(access) if access.aud.includes(&auth.settings.audience) => access,
        Ok(_) => return Ok(Err(Refusal::INVALID)),
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !auth.is_live(&access).await? {
        return Ok(Err(Refusal::INVALID));
    }
    let scopes: Vec<&str> = access.scope.split(' ').collect();
    if !scopes.contains(&"openid") {
        return Ok(Err(Refusal::SCOPE));
    }
    let user = match UserId::parse(&access.sub) {
        Ok(id) => auth.store.user(&id).await?.filter(|user| !user.is_disabled),
        Err(_) => None,
    };
    let application = auth.store.application(&access.client_id).await?;
    let Some((user, application)) = user.zip(application) else { return Ok(Err(Refusal::INVALID)) };
    let mut told = claims::of_user(&user, &scopes, &access.userinfo_claims);
    told.insert("sub".to_owned(), user.id.as_str().into());
    if !application.settings.signs_userinfo {
        return Ok(Ok(UserInfo::Plain(told)));
    }
    let algorithm = application.settings.signing_algorithm;
    told.insert("iss".to_owned(), access.iss.into());
    told.insert("aud".to_owned(), application.id.into());
    Ok(Ok(UserInfo::Signed(auth.tokens.sign(tokens::USERINFO, algorithm, &told)?)))
}
