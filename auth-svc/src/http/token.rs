//! The token endpoint (RFC 6749 §3.2), and client authentication for its neighbours.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Json, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use svc_kit::error::{Kind, ServiceError as _, chain};

use super::{HttpState, cors, form, form::FormError, tenant::Tenant};
use crate::{
    app::{
        Adapters,
        oidc::{client::ClientCredentials, exchange::ExchangeError},
    },
    domain::{application::Application, authorize::Parameters},
    error::AuthError,
};

/// Longest code, token or secret that is looked at.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// For caches that know nothing newer (RFC 6749 §5.1); the newer header is on every answer.
const NOT_CACHED: [(HeaderName, &str); 1] = [(header::PRAGMA, "no-cache")];

pub(super) async fn token<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (fields, application) = match client(&state, &tenant.0, &headers, &body).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let mut response = grant(&state, &application, &fields).await;
    cors::allow(&mut response, &headers, &application);
    response
}

async fn grant<A: Adapters>(state: &HttpState<A>, application: &Application, fields: &Parameters) -> Response {
    let tokens = match fields.text("grant_type") {
        "authorization_code" => {
            let (code, redirect_uri) = (fields.text("code"), fields.text("redirect_uri"));
            if code.is_empty() || redirect_uri.is_empty() {
                return refuse("invalid_request", "code and redirect_uri are required");
            }
            state.auth.exchange_code(application, code, redirect_uri, fields.get("code_verifier")).await
        }
        "refresh_token" => match fields.text("refresh_token") {
            "" => return refuse("invalid_request", "refresh_token is required"),
            token => state.auth.exchange_refresh_token(application, token, fields.text("scope")).await,
        },
        "client_credentials" => state.auth.exchange_client_credentials(application, fields.text("scope")),
        "" => return refuse("invalid_request", "grant_type is required"),
        _ => return refuse("unsupported_grant_type", "grant_type is not supported"),
    };
    match tokens {
        Ok(tokens) => (NOT_CACHED, Json(tokens)).into_response(),
        Err(ExchangeError::InvalidGrant(problem)) => refuse("invalid_grant", problem),
        Err(ExchangeError::InvalidScope) => refuse("invalid_scope", "the application may not have these scopes"),
        Err(ExchangeError::UnauthorizedClient) => refuse("unauthorized_client", "the grant is not for this client"),
        Err(ExchangeError::Failed(error)) => failed(&error),
    }
}

/// Reads a form and finds out which application sends it.
pub(super) async fn client<A: Adapters>(
    state: &HttpState<A>,
    tenant: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(Parameters, Application), Response> {
    let fields = form::form(headers, body).map_err(|error| match error {
        FormError::NotAForm => {
            let text = "the body must be application/x-www-form-urlencoded";
            oauth_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", text)
        }
        FormError::Invalid => refuse("invalid_request", "the form is malformed or names a parameter twice"),
    })?;
    let presented = credentials(headers, &fields)?;
    match state.auth.client(tenant, &presented).await {
        Ok(Some(application)) => Ok((fields, application)),
        Ok(None) => Err(unknown_client()),
        Err(error) => Err(failed(&error)),
    }
}

fn credentials(headers: &HeaderMap, fields: &Parameters) -> Result<ClientCredentials, Response> {
    let posted = fields.get("client_secret").map(|secret| secret.to_owned().into());
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return match fields.text("client_id") {
            "" => Err(unknown_client()),
            id => Ok(ClientCredentials { id: id.to_owned(), secret: posted }),
        };
    };
    if posted.is_some() {
        return Err(refuse("invalid_request", "the client authenticates in two ways at once"));
    }
    let basic = value.to_str().ok().filter(|text| text.len() <= VALUE_BYTES_MAX);
    let basic = basic.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let decoded = basic.and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let (id, secret) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(unknown_client)?;
    // Both are form-encoded before they are put together (RFC 6749 §2.3.1).
    let (id, secret) = (form_decode(id), form_decode(secret));
    if fields.get("client_id").is_some_and(|posted| posted != id) {
        return Err(refuse("invalid_request", "client_id differs from the one that authenticates"));
    }
    Ok(ClientCredentials { id, secret: Some(secret.into()) })
}

fn form_decode(text: &str) -> String {
    let pair = format!("v={text}");
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn unknown_client() -> Response {
    let mut response = oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", "the client is not authenticated");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"latchkey\""));
    response
}

pub(super) fn refuse(error: &'static str, description: &'static str) -> Response {
    oauth_error(StatusCode::BAD_REQUEST, error, description)
}

/// An error as RFC 6749 §5.2 has it.
pub(super) fn oauth_error(status: StatusCode, error: &'static str, description: &str) -> Response {
    (status, NOT_CACHED, Json(json!({ "error": error, "error_description": description }))).into_response()
}

/// The answer for a failure of a use case.
pub(super) fn failed(error: &AuthError) -> Response {
    let (status, retry) = match error.kind() {
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, true),
        Kind::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, true),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, false),
    };
    tracing::warn!(error = chain(error), reason = error.reason(), "a token request failed");
    let name = if retry { "temporarily_unavailable" } else { "server_error" };
    let mut response = oauth_error(status, name, "the request cannot be answered now");
    if retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
