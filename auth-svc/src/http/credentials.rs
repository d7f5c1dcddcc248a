//! What a sign-in form says, and how it is shown again when that is not good.

use axum::http::{HeaderMap, StatusCode, header};
use proto::session::v1::Session;
use svc_kit::error::{Kind, ServiceError as _};

use super::language;
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

/// How a sign-in form is shown again after a failure that whoever signs in can do something about.
pub(super) fn sign_in_problem(error: &AuthError) -> Option<(StatusCode, &'static str)> {
    let texts = language::current().texts();
    match error {
        // Whoever is disabled is told so by those who did it, not by a page.
        AuthError::CredentialsRefused | AuthError::UserDisabled => Some((StatusCode::UNAUTHORIZED, texts.refused)),
        AuthError::PasswordChangeRequired => Some((StatusCode::FORBIDDEN, texts.password_first)),
        AuthError::Password(_) | AuthError::Throttled(_) if error.kind() == Kind::ResourceExhausted => {
            Some((StatusCode::TOO_MANY_REQUESTS, texts.busy))
        }
        _ => None,
    }
}

/// How long a session lives on, in seconds.
pub(super) fn remaining_seconds<A: Adapters>(auth: &Auth<A>, session: &Session) -> i64 {
    session.expires_at.as_ref().map_or(0, |at| at.seconds - auth.clock.now().as_secs()).max(0)
}
