//! What happens around every request: trace, deadline, language, headers.

use std::{net::SocketAddr, time::Duration};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use svc_kit::{
    origin::with_origin,
    telemetry::{TraceContext, with_context},
};
use tracing::Instrument as _;

use super::{
    HttpState, address,
    language::{self, Language},
    look, pages,
};
use crate::app::Adapters;

/// Longest time for a request: a password may have to wait for its turn.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest query, in bytes.
const QUERY_BYTES_MAX: usize = 8 * 1024;
/// No script, nothing from elsewhere, in nobody's frame. Forms may lead anywhere: an answer redirects to the application.
const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; object-src 'none'; frame-ancestors 'none'";

/// Wraps a request.
pub(super) async fn around<A: Adapters>(State(state): State<HttpState<A>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|connected| connected.0);
    let header = &state.auth.settings.client_address_header;
    let origin = peer.and_then(|peer| address::of_browser(request.headers(), peer, header).parse().ok());
    let trace = TraceContext::from_headers(request.headers()).unwrap_or_else(TraceContext::root);
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("auth.http.request", http.method = %request.method(), http.path = path, trace_id = trace.trace_id());
    trace.adopt(&span);
    let language = Language::of(request.uri(), request.headers());
    let is_too_long = request.uri().query().is_some_and(|query| query.len() > QUERY_BYTES_MAX);
    let work = async {
        if is_too_long {
            return pages::say(StatusCode::URI_TOO_LONG, pages::texts().too_long);
        }
        let answer = tokio::time::timeout(DEADLINE, next.run(request)).await;
        answer.unwrap_or_else(|_| pages::unavailable())
    };
    let is_https = state.auth.settings.base_url.starts_with("https://");
    let answer = async {
        let mut response = with_context(trace, language::speak(language, work.instrument(span))).await;
        add_headers(response.headers_mut(), is_https);
        response
    };
    with_origin(origin, look::dressed(answer)).await
}

fn add_headers(headers: &mut HeaderMap, is_https: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CACHE_CONTROL, "no-store");
    set(header::CONTENT_SECURITY_POLICY, CSP);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if is_https {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
    }
    look::admit_logo(headers);
}
