//! The token endpoint (RFC 6749 §3.2), and how its neighbours answer.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Json, Response},
};
use serde_json::json;
use svc_kit::error::{Kind, ServiceError as _, chain};

use super::{
    HttpState,
    client::{Asked, client},
    cors, possession,
    tenant::Tenant,
};
use crate::{
    app::{
        Adapters,
        oidc::{
            device::{DeviceError, PresentedDeviceCode},
            exchange::{ExchangeError, PresentedCode, PresentedToken},
        },
        tokens::Terms,
    },
    domain::{application::Application, authorize::Parameters, device::DEVICE_GRANT},
    error::AuthError,
};

/// For caches that know nothing newer (RFC 6749 §5.1); the newer header is on every answer.
pub(super) const NOT_CACHED: [(HeaderName, &str); 1] = [(header::PRAGMA, "no-cache")];

pub(super) async fn token<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked { tenant: &tenant.0, endpoint: "token" };
    let (fields, application) = match client(&state, asked, &headers, &body).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let mut response = match possession::of_client(&state, asked, &headers).await {
        Ok(None) if application.settings.requires_dpop => refuse("invalid_dpop_proof", "a proof is required"),
        Ok(key) => grant(&state, &application, &fields, key.as_deref()).await,
        Err(response) => response,
    };
    cors::allow(&mut response, &headers, &application);
    response
}

async fn grant<A: Adapters>(
    state: &HttpState<A>,
    application: &Application,
    fields: &Parameters,
    key: Option<&str>,
) -> Response {
    let resources = fields.resources();
    let tokens = match fields.text("grant_type") {
        "authorization_code" => {
            let (code, redirect_uri) = (fields.text("code"), fields.text("redirect_uri"));
            if code.is_empty() || redirect_uri.is_empty() {
                return refuse("invalid_request", "code and redirect_uri are required");
            }
            let verifier = fields.get("code_verifier");
            let presented = PresentedCode { code, redirect_uri, verifier, key, resources };
            state.auth.exchange_code(application, &presented).await
        }
        "refresh_token" => match fields.text("refresh_token") {
            "" => return refuse("invalid_request", "refresh_token is required"),
            token => {
                let presented = PresentedToken { token, scope: fields.text("scope"), resources, key };
                state.auth.exchange_refresh_token(application, &presented).await
            }
        },
        "client_credentials" => {
            let terms = Terms { key, resources, ..Terms::default() };
            state.auth.exchange_client_credentials(application, fields.text("scope"), &terms)
        }
        DEVICE_GRANT => match fields.text("device_code") {
            "" => return refuse("invalid_request", "device_code is required"),
            code => {
                let presented = PresentedDeviceCode { code, key, resources };
                match state.auth.exchange_device_code(application, &presented).await {
                    Ok(tokens) => Ok(tokens),
                    Err(error) => return device_refused(error),
                }
            }
        },
        "" => return refuse("invalid_request", "grant_type is required"),
        _ => return refuse("unsupported_grant_type", "grant_type is not supported"),
    };
    match tokens {
        Ok(tokens) => (NOT_CACHED, Json(tokens)).into_response(),
        Err(error) => refused(error),
    }
}

/// The answer when no tokens are given.
fn refused(error: ExchangeError) -> Response {
    match error {
        ExchangeError::InvalidGrant(problem) => refuse("invalid_grant", problem),
        ExchangeError::InvalidScope => refuse("invalid_scope", "the application may not have these scopes"),
        ExchangeError::InvalidTarget => refuse("invalid_target", "the resource was not granted"),
        ExchangeError::UnauthorizedClient => refuse("unauthorized_client", "the grant is not for this client"),
        ExchangeError::Failed(error) => failed(&error),
    }
}

/// The answer to a device that must wait or gets nothing.
pub(super) fn device_refused(error: DeviceError) -> Response {
    match error {
        DeviceError::Refused(error, description) => refuse(error, description),
        DeviceError::Exchange(error) => refused(error),
    }
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
