//! The pages: no script, one stylesheet, readable by everybody.

use std::any::Any;

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use svc_kit::error::{Kind, ServiceError as _, chain};

use crate::error::AuthError;

/// The sign-in page.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) action: &'a str,
    pub(super) application: &'a str,
    pub(super) interaction: &'a str,
    pub(super) login: &'a str,
    pub(super) is_remembered: bool,
    pub(super) problem: &'a str,
}

/// The page that asks before it logs out.
#[derive(Template)]
#[template(path = "logout.html")]
pub(super) struct LogoutPage<'a> {
    pub(super) action: &'a str,
    pub(super) interaction: &'a str,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    title: &'a str,
    text: &'a str,
}

/// Renders a page.
pub(super) fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(error = chain(&error), "a page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Renders a page that only says something.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, &MessagePage { title, text })
}

/// Says that it will work again soon.
pub(super) fn unavailable() -> Response {
    let text = "Signing in is not possible at the moment. Please try again shortly.";
    let mut response = message(StatusCode::SERVICE_UNAVAILABLE, "Please try again", text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// The page for a failure of a use case.
pub(super) fn failed(error: &AuthError) -> Response {
    match error.kind() {
        Kind::Unavailable | Kind::ResourceExhausted => {
            tracing::warn!(error = chain(error), reason = error.reason(), "a page cannot be served now");
            let mut response = unavailable();
            if error.kind() == Kind::ResourceExhausted {
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            }
            response
        }
        Kind::Internal => {
            tracing::error!(error = chain(error), reason = error.reason(), "a page failed by a fault of ours");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", "This is our fault. Please try again.")
        }
        _ => message(StatusCode::BAD_REQUEST, "This does not work", "The request cannot be answered."),
    }
}

/// For addresses that are none.
pub(super) async fn not_found() -> Response {
    message(StatusCode::NOT_FOUND, "Not found", "There is nothing at this address.")
}

/// For a handler that panicked.
pub(super) fn panicked(_cause: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    message(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", "This is our fault. Please try again.")
}

/// The stylesheet.
pub(super) async fn stylesheet() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("../../templates/latchkey.css"))
}
