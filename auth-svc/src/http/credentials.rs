//! What a sign-in form says, and how it is shown again when that is not good.

use std::time::Duration;

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use proto::session::v1::Session;
use svc_kit::error::{Kind, ServiceError as _};

use super::{language, retry_after::ask_to_wait};
use crate::{
    app::{Adapters, Auth, oidc::authorize::Credentials},
    domain::authorize::Parameters,
    error::AuthError,
};

/// Longest description of a browser that is kept, in characters.
const USER_AGENT_CHARS_MAX: usize = 256;

/// Reads a sign-in form.
pub(super) fn read(headers: &HeaderMap, fields: &Parameters, address: String) -> Credentials {
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Credentials {
        login: fields.text("login").to_owned(),
        password: fields.text("password").into(),
        keep_signed_in: fields.get("remember").is_some(),
        user_agent: user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS_MAX).collect(),
        address,
    }
}

/// What was wrong with a form; by default nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) text: &'static str,
    /// How long to wait before the next attempt.
    wait: Option<Duration>,
}

impl Problem {
    /// One that needs no waiting.
    pub(super) fn new(status: StatusCode, text: &'static str) -> Self {
        Self { status, text, wait: None }
    }

    /// Too many attempts, or too many people; the failure knows how long to wait.
    pub(super) fn too_many(error: &AuthError, text: &'static str) -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, text, wait: error.retry_after() }
    }

    /// Says on the page that tells of it how long to wait.
    pub(super) fn ask_to_wait(&self, response: &mut Response) {
        if let Some(wait) = self.wait {
            ask_to_wait(response, wait);
        }
    }
}

/// How a sign-in form is shown again after a failure that whoever signs in can do something about.
pub(super) fn sign_in_problem(error: &AuthError) -> Option<Problem> {
    let texts = language::current().texts();
    match error {
        // Whoever is disabled is told so by those who did it, not by a page.
        AuthError::CredentialsRefused | AuthError::UserDisabled => {
            Some(Problem::new(StatusCode::UNAUTHORIZED, texts.refused))
        }
        AuthError::PasswordChangeRequired => Some(Problem::new(StatusCode::FORBIDDEN, texts.password_first)),
        AuthError::Password(_) | AuthError::Throttled(_) if error.kind() == Kind::ResourceExhausted => {
            Some(Problem::too_many(error, texts.busy))
        }
        _ => None,
    }
}

/// How long a session lives on, in seconds.
pub(super) fn remaining_seconds<A: Adapters>(auth: &Auth<A>, session: &Session) -> i64 {
    session.expires_at.as_ref().map_or(0, |at| at.seconds - auth.clock.now().as_secs()).max(0)
}
