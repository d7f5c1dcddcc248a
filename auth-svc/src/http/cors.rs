//! Which other sites may read our answers: none by a cookie, and at the token endpoint only those of the application.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use url::Url;

use crate::domain::application::Application;

/// What scripts may read besides the body.
const EXPOSED: &str = "WWW-Authenticate, DPoP-Nonce";

/// Answers a preflight. It allows only to ask: who may read the answer is decided when the answer is there.
pub(super) async fn preflight(headers: HeaderMap) -> Response {
    let origin = headers.get(header::ORIGIN).cloned().unwrap_or(HeaderValue::from_static("null"));
    let allowed: [(HeaderName, HeaderValue); 5] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type, DPoP")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
        (header::VARY, HeaderValue::from_static("Origin")),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

/// Lets the page that asks read the answer if it is of one of the application's origins, or at one of its redirect addresses.
pub(super) fn allow(response: &mut Response, headers: &HeaderMap, application: &Application) {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = headers.get(header::ORIGIN) else { return };
    // An installed program's own scheme has no origin; browsers call that "null", and so everything else that has none.
    let is_theirs = |uri: &String| {
        let of_uri = Url::parse(uri).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
        of_uri.is_some_and(|of_uri| origin == of_uri.ascii_serialization().as_str())
    };
    let is_named = application.settings.cors_origins.iter().any(|named| origin == named.as_str());
    if is_named || application.redirect_uris.iter().any(is_theirs) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}
