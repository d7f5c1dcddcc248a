//! The page on which a user sets another password because the present one is not to be used any more. It comes after a good
//! sign-in form, asks for the present password once more, and goes on as that form would have.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    authorize,
    credentials::{Problem, sign_in_problem},
    language,
    pages::{self, PasswordPage},
    visit::{Form, Page, Visit},
};
use crate::{
    app::{Adapters, oidc::authorize::Credentials, passwords::PasswordCommand},
    domain::authorize::AuthorizationRequest,
    error::AuthError,
};

/// What the form carries: for whom, and where it goes on.
#[derive(Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) request: AuthorizationRequest,
    pub(super) login: String,
    pub(super) is_remembered: bool,
}

/// Shows the page.
pub(super) fn show<A: Adapters>(visit: &Visit<A>, step: &Step, problem: Problem) -> Page {
    let language = language::asked_for(&step.request);
    let mut response = visit.show("password", language, step, |Form { action, interaction }| {
        let page = PasswordPage {
            language,
            action,
            interaction,
            login: &step.login,
            problem: problem.text,
            // Everything else is wrong with who asks, or when.
            is_new_refused: problem.status == StatusCode::BAD_REQUEST,
        };
        pages::page(problem.status, &page)
    })?;
    problem.ask_to_wait(&mut response);
    Ok(response)
}

/// Takes the new password.
pub(super) async fn change<A: Adapters>(visit: Visit<A>) -> Page {
    let Some(step) = visit.back::<Step>("password") else { return Ok(visit.too_old()) };
    let Some(application) = visit.application(&step.request.client_id).await? else { return Ok(visit.too_old()) };
    let command = PasswordCommand {
        tenant: visit.tenant.clone(),
        application: application.id.clone(),
        login: step.login.clone(),
        password: visit.field("password").into(),
        new_password: visit.field("new_password").into(),
        address: visit.address.clone(),
    };
    if let Err(error) = visit.auth.change_password(command).await {
        let texts = pages::texts();
        let problem = match &error {
            AuthError::CredentialsRefused => Some(Problem::new(StatusCode::UNAUTHORIZED, texts.password_wrong)),
            AuthError::PasswordRefused(_) => Some(Problem::new(StatusCode::BAD_REQUEST, texts.password_refused)),
            other => sign_in_problem(other),
        };
        return show(&visit, &step, problem.ok_or(error)?);
    }
    let signing_in = Credentials {
        login: step.login,
        password: visit.field("new_password").into(),
        keep_signed_in: step.is_remembered,
        ..visit.credentials()
    };
    let previous = visit.sso_token();
    let signed_in = visit.auth.sign_in(&step.request, &application, signing_in, previous.as_deref()).await?;
    authorize::signed_in(&visit, &application, step.request, &signed_in).await
}
