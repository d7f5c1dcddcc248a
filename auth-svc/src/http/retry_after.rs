//! `Retry-After` (RFC 9110 §10.2.3).

use std::time::Duration;

use axum::{
    http::{HeaderValue, header},
    response::Response,
};

/// Tells whoever asked how long to wait, in whole seconds: rather a little too long than in vain.
pub(super) fn ask_to_wait(response: &mut Response, wait: Duration) {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}
