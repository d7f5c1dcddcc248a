//! The form that takes login and password, wherever a page asks for them.

use axum::http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{
    language::Language,
    pages::{self, LoginPage},
    visit::{Form, Page, Visit},
};
use crate::app::Adapters;

/// What is shown in it.
#[derive(Default)]
pub(super) struct LoginForm<'a> {
    /// Where to: an application, or a page of ours.
    pub(super) to: &'a str,
    pub(super) login: &'a str,
    pub(super) is_remembered: bool,
    /// What was wrong with the last one.
    pub(super) problem: Option<(StatusCode, &'static str)>,
}

impl LoginForm<'_> {
    /// Shows it; it is posted to `path` and brings `content` back.
    pub(super) fn show<A: Adapters>(
        &self,
        visit: &Visit<A>,
        (path, language): (&str, Language),
        content: &impl Serialize,
    ) -> Page {
        let (status, problem) = self.problem.unwrap_or((StatusCode::OK, ""));
        let mut response = visit.show(path, language, content, |Form { action, interaction }| {
            let Self { to: application, login, is_remembered, .. } = *self;
            pages::page(
                status,
                &LoginPage { language, action, application, interaction, login, is_remembered, problem },
            )
        })?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        Ok(response)
    }
}
