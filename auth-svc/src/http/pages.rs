//! The pages: no script, one stylesheet, readable by everybody, in the language of the request.

use std::any::Any;

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use svc_kit::error::{Kind, ServiceError as _, chain};

use super::{
    language::{self, Language},
    retry_after::ask_to_wait,
    texts::{Said, Texts},
};
use crate::error::AuthError;

/// The sign-in page.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) language: Language,
    pub(super) action: &'a str,
    pub(super) application: &'a str,
    pub(super) interaction: &'a str,
    pub(super) login: &'a str,
    pub(super) is_remembered: bool,
    pub(super) problem: &'a str,
}

/// The page that asks for another password.
#[derive(Template)]
#[template(path = "password.html")]
pub(super) struct PasswordPage<'a> {
    pub(super) language: Language,
    pub(super) action: &'a str,
    pub(super) interaction: &'a str,
    pub(super) login: &'a str,
    pub(super) problem: &'a str,
    /// Whether the problem is the new password, and not the present one.
    pub(super) is_new_refused: bool,
}

/// The page that asks whether an application may know the user.
#[derive(Template)]
#[template(path = "consent.html")]
pub(super) struct ConsentPage<'a> {
    pub(super) language: Language,
    pub(super) action: &'a str,
    pub(super) interaction: &'a str,
    pub(super) application: &'a str,
    pub(super) login: &'a str,
    pub(super) wishes: &'a [String],
    /// The code that the device shows that wants in; empty where it is the browser's application that does.
    pub(super) code: &'a str,
}

/// The page that asks for the code that a device shows.
#[derive(Template)]
#[template(path = "device.html")]
pub(super) struct DevicePage<'a> {
    pub(super) language: Language,
    pub(super) action: &'a str,
    pub(super) interaction: &'a str,
    pub(super) code: &'a str,
    pub(super) problem: &'a str,
}

/// The page that asks before it logs out.
#[derive(Template)]
#[template(path = "logout.html")]
pub(super) struct LogoutPage<'a> {
    pub(super) language: Language,
    pub(super) action: &'a str,
    pub(super) interaction: &'a str,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    language: Language,
    said: Said,
    /// In English, for whoever made the request; empty for none.
    detail: &'a str,
}

/// What pages say in the language of the request.
pub(super) fn texts() -> &'static Texts {
    language::current().texts()
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
pub(super) fn say(status: StatusCode, said: Said) -> Response {
    explain(status, said, "")
}

/// Renders a page that says something, and to developers what is wrong.
pub(super) fn explain(status: StatusCode, said: Said, detail: &str) -> Response {
    page(status, &MessagePage { language: language::current(), said, detail })
}

/// Says that it will work again soon.
pub(super) fn unavailable() -> Response {
    let mut response = say(StatusCode::SERVICE_UNAVAILABLE, texts().unavailable);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Puts the failure of a use case into the log, where somebody must or may look.
pub(super) fn note(error: &AuthError) {
    match error.kind() {
        Kind::Unavailable | Kind::ResourceExhausted => {
            tracing::warn!(error = chain(error), reason = error.reason(), "a page cannot be served now");
        }
        Kind::Internal => {
            tracing::error!(error = chain(error), reason = error.reason(), "a page failed by a fault of ours");
        }
        _ => {}
    }
}

/// The page for a failure of a use case.
pub(super) fn failed(error: &AuthError) -> Response {
    note(error);
    match error.kind() {
        Kind::Unavailable | Kind::ResourceExhausted => {
            let mut response = unavailable();
            if error.kind() == Kind::ResourceExhausted {
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                if let Some(wait) = error.retry_after() {
                    ask_to_wait(&mut response, wait);
                }
            }
            response
        }
        Kind::Internal => say(StatusCode::INTERNAL_SERVER_ERROR, texts().broken),
        _ => say(StatusCode::BAD_REQUEST, texts().refused_request),
    }
}

/// For addresses that are none.
pub(super) async fn not_found() -> Response {
    say(StatusCode::NOT_FOUND, texts().not_found)
}

/// For a form's address that is opened without the form: a reload or a bookmark.
pub(super) async fn post_only() -> Response {
    let mut response = say(StatusCode::METHOD_NOT_ALLOWED, texts().wrong_method);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

/// For a handler that panicked.
pub(super) fn panicked(_cause: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    say(StatusCode::INTERNAL_SERVER_ERROR, texts().broken)
}

/// The stylesheet.
pub(super) async fn stylesheet() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("../../templates/latchkey.css"))
}
