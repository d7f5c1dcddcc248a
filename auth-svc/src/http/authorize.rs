//! The authorization endpoint and the sign-in form.

use axum::{http::StatusCode, response::Response};
use secrecy::ExposeSecret as _;

use super::{
    answer,
    consent::{self, Asking},
    credentials::{Problem, remaining_seconds, sign_in_problem},
    language,
    login_form::LoginForm,
    pages, password,
    visit::{Failed, Page, Visit},
};
use crate::{
    app::{
        Adapters, Auth,
        oidc::authorize::{Answer, SignedIn},
    },
    domain::{
        application::Application,
        authorize::{AuthorizationRequest, AuthorizeError, Parameters, RedirectError},
        pushed::REFERENCE_PREFIX,
    },
    error::AuthError,
};

/// The endpoint, by GET and by POST.
pub(super) async fn authorize<A: Adapters>(visit: Visit<A>) -> Page {
    if let Some(again) = visit.come_again("authorize") {
        return Ok(again);
    }
    let Ok(parameters) = &visit.fields else {
        return Ok(bad_request("The request is malformed or names a parameter twice."));
    };
    let Some(application) = visit.application(parameters.text("client_id")).await? else {
        return Ok(bad_request("There is no such application."));
    };
    let request = match request_of(&visit.auth, &application, parameters).await? {
        Ok(request) => request,
        Err(AuthorizeError::Page(problem)) => return Ok(bad_request(problem)),
        Err(AuthorizeError::Redirect(error)) => return Ok(answer::error(&visit.issuer(), &error)),
    };
    if !visit.auth.is_hint_ours(&visit.tenant, &request) {
        let error = request.refused("invalid_request", "the id_token_hint is not one of ours");
        return Ok(answer::error(&visit.issuer(), &error));
    }
    let refused = request.is_silent.then(|| request.refused("temporarily_unavailable", "try again in a moment"));
    match (go_on(&visit, &application, request).await, refused) {
        (Err(Failed(error)), Some(refused)) => {
            // Nothing may be shown (OpenID Connect Core 1.0 §3.1.2.1), so the application is told of it.
            pages::note(&error);
            Ok(answer::error(&visit.issuer(), &refused))
        }
        (answered, _) => answered,
    }
}

fn bad_request(text: &str) -> Response {
    pages::explain(StatusCode::BAD_REQUEST, pages::texts().bad_sign_in_link, text)
}

/// Answers a good request from the SSO session, or shows the form.
async fn go_on<A: Adapters>(visit: &Visit<A>, application: &Application, request: AuthorizationRequest) -> Page {
    if let Some(sso) = visit.sso_session().await? {
        let answer = visit.auth.authorize_silently(&request, application, &sso).await?;
        match answer {
            Answer::Code(code) => return Ok(answer::code(&visit.issuer(), &request, &code)),
            Answer::Consent { .. } if request.is_silent => {
                return Ok(answer::error(&visit.issuer(), &request.consent_required()));
            }
            Answer::Consent { login } => {
                return consent::show(visit, Asking { application, request, sso: &sso, login });
            }
            Answer::NotRegistered => return Ok(answer::error(&visit.issuer(), &not_registered(&request))),
            Answer::SignIn => {}
        }
    }
    if request.is_silent {
        return Ok(answer::error(&visit.issuer(), &request.login_required()));
    }
    let hint = request.login_hint.clone();
    show_form(visit, &request, &LoginForm { to: &application.name, login: &hint, ..LoginForm::default() })
}

/// The request that the browser brings, or a reference to; then nothing counts but the reference (RFC 9126 §4).
async fn request_of<A: Adapters>(
    auth: &Auth<A>,
    application: &Application,
    parameters: &Parameters,
) -> Result<Result<AuthorizationRequest, AuthorizeError>, AuthError> {
    let reference = parameters.text("request_uri");
    if reference.starts_with(REFERENCE_PREFIX) {
        let pushed = auth.pushed(&application.id, reference).await?;
        return Ok(pushed.ok_or(AuthorizeError::Page("The request_uri is unknown, too old, or was used.")));
    }
    let request = AuthorizationRequest::parse(parameters, application);
    Ok(request.and_then(|request| match application.settings.requires_pushed_requests {
        true => Err(AuthorizeError::Redirect(request.refused("invalid_request", "the request must be pushed"))),
        false => Ok(request),
    }))
}

fn show_form<A: Adapters>(visit: &Visit<A>, request: &AuthorizationRequest, form: &LoginForm<'_>) -> Page {
    form.show(visit, ("login", language::asked_for(request)), request)
}

/// Takes the sign-in form.
pub(super) async fn login<A: Adapters>(visit: Visit<A>) -> Page {
    if visit.fields.is_err() {
        return Ok(bad_request("The form is malformed."));
    }
    let Some(request) = visit.back::<AuthorizationRequest>("login") else { return Ok(visit.too_old_or_no_cookies()) };
    let Some(application) = visit.application(&request.client_id).await? else {
        return Ok(bad_request("There is no such application."));
    };
    let credentials = visit.credentials();
    let (login, is_remembered) = (credentials.login.clone(), credentials.keep_signed_in);
    match visit.auth.sign_in(&request, &application, credentials, visit.sso_token().as_deref()).await {
        Ok(entered) => signed_in(&visit, &application, request, &entered).await,
        Err(AuthError::PasswordChangeRequired) => {
            let step = password::Step { request, login, is_remembered };
            password::show(&visit, &step, Problem::default())
        }
        Err(error) => match sign_in_problem(&error) {
            None => Err(error.into()),
            Some(problem) => {
                let to = &application.name;
                show_form(&visit, &request, &LoginForm { to, login: &login, is_remembered, problem })
            }
        },
    }
}

/// The answer to a browser whose user has just signed in.
pub(super) async fn signed_in<A: Adapters>(
    visit: &Visit<A>,
    application: &Application,
    request: AuthorizationRequest,
    entered: &SignedIn,
) -> Page {
    let (issuer, sso) = (visit.issuer(), &entered.session);
    let mut response = match entered.answer.clone() {
        Answer::Code(code) => answer::code(&issuer, &request, &code),
        Answer::SignIn => answer::error(&issuer, &request.login_required()),
        Answer::NotRegistered => answer::error(&issuer, &not_registered(&request)),
        Answer::Consent { login } => consent::show(visit, Asking { application, request, sso, login })?,
    };
    let is_asked = matches!(entered.answer, Answer::Consent { .. });
    if sso.keep_signed_in || is_asked || visit.auth.keeps_browsers(&visit.tenant).await? {
        let seconds = sso.keep_signed_in.then(|| remaining_seconds(&visit.auth, sso));
        visit.keep_sso(&mut response, entered.token.expose_secret(), seconds);
    } else if visit.sso_token().is_some() {
        visit.drop_sso(&mut response);
    }
    Ok(response)
}

fn not_registered(request: &AuthorizationRequest) -> RedirectError {
    request.refused("access_denied", "the user is not registered for the application")
}
