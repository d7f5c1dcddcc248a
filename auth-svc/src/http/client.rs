//! Client authentication over HTTP: what a client presents, in the header or in the form.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use super::{
    HttpState, form,
    form::FormError,
    token::{failed, oauth_error, refuse},
};
use crate::{
    app::{
        Adapters,
        oidc::client::{ClientCredentials, Evidence},
    },
    domain::{application::Application, assertion::ASSERTION_TYPE, authorize::Parameters},
};

/// Longest header or assertion that is looked at.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// The endpoint of a tenant that a client asks: its path, without the slash.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) tenant: &'a str,
    pub(super) endpoint: &'static str,
}

/// Reads a form and finds out which application sends it.
pub(super) async fn client<A: Adapters>(
    state: &HttpState<A>,
    asked: Asked<'_>,
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
    match state.auth.client(asked.tenant, asked.endpoint, &presented).await {
        Ok(Some(application)) => Ok((fields, application)),
        Ok(None) => Err(unknown_client()),
        Err(error) => Err(failed(&error)),
    }
}

/// Finds out which application asks, where the body is no form.
pub(super) async fn by_header<A: Adapters>(
    state: &HttpState<A>,
    asked: Asked<'_>,
    headers: &HeaderMap,
) -> Result<Application, Response> {
    let presented = credentials(headers, &Parameters::default())?;
    match state.auth.client(asked.tenant, asked.endpoint, &presented).await {
        Ok(found) => found.ok_or_else(unknown_client),
        Err(error) => Err(failed(&error)),
    }
}

fn credentials(headers: &HeaderMap, fields: &Parameters) -> Result<ClientCredentials, Response> {
    let authorization = headers.get(header::AUTHORIZATION);
    let posted = (fields.get("client_secret"), fields.get("client_assertion"));
    match (authorization, posted) {
        (Some(value), (None, None)) => basic(value, fields),
        (None, (secret, None)) => match fields.text("client_id") {
            "" => Err(unknown_client()),
            id => {
                let evidence = secret.map_or(Evidence::None, |secret| Evidence::Secret(secret.into()));
                Ok(ClientCredentials { id: id.to_owned(), evidence })
            }
        },
        (None, (None, Some(assertion))) => asserted(assertion, fields),
        _ => Err(refuse("invalid_request", "the client authenticates in two ways at once")),
    }
}

fn basic(value: &HeaderValue, fields: &Parameters) -> Result<ClientCredentials, Response> {
    let text = value.to_str().ok().filter(|text| text.len() <= VALUE_BYTES_MAX);
    let text = text.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let decoded = text.and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let (id, secret) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(unknown_client)?;
    // Both are form-encoded before they are put together (RFC 6749 §2.3.1).
    let (id, secret) = (form_decode(id), form_decode(secret));
    named(id, fields, Evidence::Secret(secret.into()))
}

/// The assertion says itself whose it is; whether that is true is found out by its signature.
fn asserted(assertion: &str, fields: &Parameters) -> Result<ClientCredentials, Response> {
    if fields.text("client_assertion_type") != ASSERTION_TYPE {
        return Err(refuse("invalid_request", "client_assertion_type must be the one of JWT"));
    }
    let payload = assertion.split('.').nth(1).filter(|_| assertion.len() <= VALUE_BYTES_MAX);
    let claims = payload.and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let claims: Option<Value> = claims.and_then(|json| serde_json::from_slice(&json).ok());
    let id = claims.as_ref().and_then(|claims| claims.get("sub")).and_then(Value::as_str).ok_or_else(unknown_client)?;
    named(id.to_owned(), fields, Evidence::Assertion(assertion.into()))
}

fn named(id: String, fields: &Parameters, evidence: Evidence) -> Result<ClientCredentials, Response> {
    if fields.get("client_id").is_some_and(|posted| posted != id) {
        return Err(refuse("invalid_request", "client_id differs from the one that authenticates"));
    }
    Ok(ClientCredentials { id, evidence })
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
