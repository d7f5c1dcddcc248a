//! Applications register themselves, and manage what they registered (RFC 7591 §3, RFC 7592 §2).

use axum::{
    body::Bytes,
    extract::{RawPathParams, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Json, Response},
};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::{
    HttpState, pages,
    resource::{self, Scheme},
    tenant::Tenant,
    token::{NOT_CACHED, failed, oauth_error, refuse},
};
use crate::{
    app::{Adapters, oidc::registration::RegistrationError},
    domain::{application::Application, registration},
};

pub(super) async fn register<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let members = match members(&headers, &body) {
        Ok(members) => members,
        Err(response) => return response,
    };
    let registered = match state.auth.register(&tenant.0, token(&headers), &members).await {
        Ok(registered) => registered,
        Err(error) => return refused(error),
    };
    let application = &registered.application;
    let mut answer = described(&state, application, registered.token.expose_secret());
    answer.insert("client_id_issued_at".to_owned(), state.auth.clock.now().as_secs().into());
    if let Some(secret) = &registered.secret {
        answer.insert("client_secret".to_owned(), secret.expose_secret().into());
        // It does not end by itself.
        answer.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    (StatusCode::CREATED, NOT_CACHED, Json(answer)).into_response()
}

pub(super) async fn read<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    params: RawPathParams,
    headers: HeaderMap,
) -> Response {
    match managed(&state, &tenant, &params, &headers).await {
        Ok(application) => answered(&state, &application, &headers),
        Err(error) => refused(error),
    }
}

pub(super) async fn replace<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    params: RawPathParams,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let current = match managed(&state, &tenant, &params, &headers).await {
        Ok(application) => application,
        Err(error) => return refused(error),
    };
    let members = match members(&headers, &body) {
        Ok(members) => members,
        Err(response) => return response,
    };
    match state.auth.reregister(&current, &members).await {
        Ok(application) => answered(&state, &application, &headers),
        Err(error) => refused(error),
    }
}

pub(super) async fn delete<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    params: RawPathParams,
    headers: HeaderMap,
) -> Response {
    let deleted = async {
        let current = managed(&state, &tenant, &params, &headers).await?;
        state.auth.deregister(&current).await
    };
    match deleted.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(error),
    }
}

async fn managed<A: Adapters>(
    state: &HttpState<A>,
    tenant: &Tenant,
    params: &RawPathParams,
    headers: &HeaderMap,
) -> Result<Application, RegistrationError> {
    let id = params.iter().find(|(name, _)| *name == "client_id").map(|(_, value)| value).unwrap_or_default();
    state.auth.registered(&tenant.0, id, token(headers)).await
}

/// What is registered, with where and by what it is managed: every answer says so (RFC 7592 §3).
fn described<A: Adapters>(state: &HttpState<A>, application: &Application, token: &str) -> Map<String, Value> {
    let mut described = registration::describe(application);
    let address = format!("{}/register/{}", state.auth.settings.issuer(&application.tenant), application.id);
    described.insert("registration_client_uri".to_owned(), address.into());
    described.insert("registration_access_token".to_owned(), token.into());
    described
}

/// The answer to whoever manages an application, and showed the token for it.
fn answered<A: Adapters>(state: &HttpState<A>, application: &Application, headers: &HeaderMap) -> Response {
    let described = described(state, application, token(headers).unwrap_or_default());
    (NOT_CACHED, Json(described)).into_response()
}

fn token(headers: &HeaderMap) -> Option<&str> {
    resource::in_header(headers).filter(|presented| presented.scheme == Scheme::Bearer).map(|presented| presented.token)
}

fn members(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Response> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/json" {
        let text = "the body must be application/json";
        return Err(oauth_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_client_metadata", text));
    }
    serde_json::from_slice(body).map_err(|_| refuse("invalid_client_metadata", "the body must be a JSON object"))
}

fn refused(error: RegistrationError) -> Response {
    match error {
        RegistrationError::Off => pages::say(StatusCode::NOT_FOUND, pages::texts().not_found),
        RegistrationError::TokenRefused => {
            let mut response = oauth_error(StatusCode::UNAUTHORIZED, "invalid_token", "the token is not good for this");
            let challenge = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
        RegistrationError::Refused(registration::Unregistrable(error, description)) => refuse(error, description),
        RegistrationError::Failed(error) => failed(&error),
    }
}
