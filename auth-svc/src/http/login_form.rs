//! The form that takes login and password, wherever a page asks for them.

use serde::Serialize;

use super::{
    credentials::Problem,
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
    pub(super) problem: Problem,
}

impl LoginForm<'_> {
    /// Shows it; it is posted to `path` and brings `content` back.
    pub(super) fn show<A: Adapters>(
        &self,
        visit: &Visit<A>,
        (path, language): (&str, Language),
        content: &impl Serialize,
    ) -> Page {
        let Problem { status, text: problem, .. } = self.problem;
        let mut response = visit.show(path, language, content, |Form { action, interaction }| {
            let Self { to: application, login, is_remembered, .. } = *self;
            pages::page(
                status,
                &LoginPage { language, action, application, interaction, login, is_remembered, problem },
            )
        })?;
        self.problem.ask_to_wait(&mut response);
        Ok(response)
    }
}
