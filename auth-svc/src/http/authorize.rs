//! The authorization endpoint and the sign-in form.

use std::net::SocketAddr;

use axum::{
    body::Bytes,
    extract::{ConnectInfo, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use secrecy::ExposeSecret as _;

use super::{
    HttpState, address, answer,
    consent::{self, Asking},
    cookies::{Cookies, INTERACTION, SSO},
    credentials::{credentials, remaining_seconds, sign_in_problem},
    form::{self, FormError},
    interaction, language,
    pages::{self, LoginPage},
    password, same_site,
    tenant::Tenant,
};
use crate::{
    app::{
        Adapters,
        oidc::authorize::{Answer, SignedIn},
    },
    domain::{
        application::Application,
        authorize::{AuthorizationRequest, AuthorizeError, Parameters, RedirectError},
        pushed::REFERENCE_PREFIX,
    },
    error::AuthError,
    ports::ApplicationStore as _,
};

pub(super) async fn by_query<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    reply(&state, &tenant.0, &headers, form::query(query.as_deref())).await
}

pub(super) async fn by_form<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = form::form(&headers, &body);
    let settings = &state.auth.settings;
    if let Ok(parameters) = &parameters
        && same_site::must_come_again(&headers, &Cookies::new(&settings.base_url, &tenant.0))
    {
        let endpoint = format!("{}/authorize", settings.issuer(&tenant.0));
        let again = same_site::come_again(&endpoint, parameters);
        return again.unwrap_or_else(|| bad_request("The request is malformed."));
    }
    reply(&state, &tenant.0, &headers, parameters).await
}

async fn reply<A: Adapters>(
    state: &HttpState<A>,
    tenant: &str,
    headers: &HeaderMap,
    parameters: Result<Parameters, FormError>,
) -> Response {
    let Ok(parameters) = parameters else {
        return bad_request("The request is malformed or names a parameter twice.");
    };
    match begin(state, tenant, headers, &parameters).await {
        Ok(response) => response,
        Err(error) => pages::failed(&error),
    }
}

fn bad_request(text: &str) -> Response {
    pages::explain(StatusCode::BAD_REQUEST, pages::texts().bad_sign_in_link, text)
}

async fn begin<A: Adapters>(
    state: &HttpState<A>,
    tenant: &str,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response, AuthError> {
    let auth = &state.auth;
    let application = auth.store.application(parameters.text("client_id")).await?;
    let Some(application) = application.filter(|application| application.tenant == tenant) else {
        return Ok(bad_request("There is no such application."));
    };
    let request = match request_of(state, &application, parameters).await? {
        Ok(request) => request,
        Err(AuthorizeError::Page(problem)) => return Ok(bad_request(problem)),
        Err(AuthorizeError::Redirect(error)) => return Ok(answer::error(state, tenant, &error)),
    };
    if !auth.is_hint_ours(tenant, &request) {
        let error = request.refused("invalid_request", "the id_token_hint is not one of ours");
        return Ok(answer::error(state, tenant, &error));
    }
    let refused = request.is_silent.then(|| request.refused("temporarily_unavailable", "try again in a moment"));
    match (go_on(state, headers, &application, request).await, refused) {
        (Err(error), Some(refused)) => {
            // Nothing may be shown (OpenID Connect Core 1.0 §3.1.2.1), so the application is told of it.
            pages::note(&error);
            Ok(answer::error(state, tenant, &refused))
        }
        (answered, _) => answered,
    }
}

/// Answers a good request from the SSO session, or shows the form.
async fn go_on<A: Adapters>(
    state: &HttpState<A>,
    headers: &HeaderMap,
    application: &Application,
    request: AuthorizationRequest,
) -> Result<Response, AuthError> {
    let (auth, tenant) = (&state.auth, application.tenant.as_str());
    let cookies = Cookies::new(&auth.settings.base_url, tenant);
    let cookie = cookies.get(headers, SSO);
    if let Some(sso) = auth.sso_session(tenant, cookie.as_deref()).await? {
        let answer = auth.authorize_silently(&request, application, &sso).await?;
        match answer {
            Answer::Code(code) => return Ok(answer::code(state, tenant, &request, &code)),
            Answer::Consent { .. } if request.is_silent => {
                return Ok(answer::error(state, tenant, &request.consent_required()));
            }
            Answer::Consent { login } => {
                return consent::show(state, headers, Asking { application, request, sso: &sso, login });
            }
            Answer::NotRegistered => return Ok(answer::error(state, tenant, &not_registered(&request))),
            Answer::SignIn => {}
        }
    }
    if request.is_silent {
        return Ok(answer::error(state, tenant, &request.login_required()));
    }
    let hint = request.login_hint.clone();
    show_form(state, application, headers, &request, Form { login: &hint, ..Form::default() })
}

/// The request that the browser brings, or a reference to; then nothing counts but the reference (RFC 9126 §4).
async fn request_of<A: Adapters>(
    state: &HttpState<A>,
    application: &Application,
    parameters: &Parameters,
) -> Result<Result<AuthorizationRequest, AuthorizeError>, AuthError> {
    let reference = parameters.text("request_uri");
    if reference.starts_with(REFERENCE_PREFIX) {
        let pushed = state.auth.pushed(&application.id, reference).await?;
        return Ok(pushed.ok_or(AuthorizeError::Page("The request_uri is unknown, too old, or was used.")));
    }
    let request = AuthorizationRequest::parse(parameters, application);
    Ok(request.and_then(|request| match application.settings.requires_pushed_requests {
        true => Err(AuthorizeError::Redirect(request.refused("invalid_request", "the request must be pushed"))),
        false => Ok(request),
    }))
}

/// What the form shows.
#[derive(Default)]
struct Form<'a> {
    login: &'a str,
    is_remembered: bool,
    problem: Option<(StatusCode, &'static str)>,
}

fn show_form<A: Adapters>(
    state: &HttpState<A>,
    application: &Application,
    headers: &HeaderMap,
    request: &AuthorizationRequest,
    form: Form<'_>,
) -> Result<Response, AuthError> {
    let auth = &state.auth;
    let tenant = application.tenant.as_str();
    let cookies = Cookies::new(&auth.settings.base_url, tenant);
    let shown = interaction::show(auth, &context(tenant), headers, &cookies, request)?;
    let language = language::asked_for(request);
    let action = format!("{}/login?ui_locales={}", auth.settings.issuer(tenant), language.tag());
    let (status, problem) = form.problem.unwrap_or((StatusCode::OK, ""));
    let page = LoginPage {
        language,
        action: &action,
        application: &application.name,
        interaction: &shown.field,
        login: form.login,
        is_remembered: form.is_remembered,
        problem,
    };
    let mut response = pages::page(status, &page);
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    add_cookie(&mut response, &shown.cookie);
    Ok(response)
}

fn context(tenant: &str) -> String {
    format!("interaction login {tenant}")
}

pub(super) async fn login<A: Adapters>(
    State(state): State<HttpState<A>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let address = address::of_browser(&headers, peer, &state.auth.settings.client_address_header);
    match sign_in(&state, &tenant.0, &headers, &body, address).await {
        Ok(response) => response,
        Err(error) => pages::failed(&error),
    }
}

async fn sign_in<A: Adapters>(
    state: &HttpState<A>,
    tenant: &str,
    headers: &HeaderMap,
    body: &Bytes,
    address: String,
) -> Result<Response, AuthError> {
    let auth = &state.auth;
    let Ok(fields) = form::form(headers, body) else { return Ok(bad_request("The form is malformed.")) };
    let cookies = Cookies::new(&auth.settings.base_url, tenant);
    let request: Option<AuthorizationRequest> =
        interaction::back(auth, &context(tenant), headers, &cookies, fields.text("interaction"));
    let Some(request) = request.filter(|_| form::is_from_us(headers, &auth.settings.base_url)) else {
        let has_cookie = cookies.get(headers, INTERACTION).is_some();
        let texts = pages::texts();
        return Ok(pages::say(StatusCode::FORBIDDEN, if has_cookie { texts.form_too_old } else { texts.no_cookies }));
    };
    let application = auth.store.application(&request.client_id).await?.filter(|found| found.tenant == tenant);
    let Some(application) = application else { return Ok(bad_request("There is no such application.")) };
    let (login, is_remembered) = (fields.text("login"), fields.get("remember").is_some());
    let credentials = credentials(headers, &fields, address);
    let previous = cookies.get(headers, SSO);
    match auth.sign_in(&request, &application, credentials, previous.as_deref()).await {
        Ok(entered) => signed_in(state, headers, &application, request, &entered).await,
        Err(AuthError::PasswordChangeRequired) => {
            let step = password::Step { request, login: login.to_owned(), is_remembered };
            password::show(state, headers, &application, &step, (StatusCode::OK, ""))
        }
        Err(error) => match sign_in_problem(&error) {
            None => Err(error),
            problem => show_form(state, &application, headers, &request, Form { login, is_remembered, problem }),
        },
    }
}

/// The answer to a browser whose user has just signed in.
pub(super) async fn signed_in<A: Adapters>(
    state: &HttpState<A>,
    headers: &HeaderMap,
    application: &Application,
    request: AuthorizationRequest,
    entered: &SignedIn,
) -> Result<Response, AuthError> {
    let (auth, tenant, sso) = (&state.auth, application.tenant.as_str(), &entered.session);
    let cookies = Cookies::new(&auth.settings.base_url, tenant);
    let mut response = match entered.answer.clone() {
        Answer::Code(code) => answer::code(state, tenant, &request, &code),
        Answer::SignIn => answer::error(state, tenant, &request.login_required()),
        Answer::NotRegistered => answer::error(state, tenant, &not_registered(&request)),
        Answer::Consent { login } => consent::show(state, headers, Asking { application, request, sso, login })?,
    };
    let is_asked = matches!(entered.answer, Answer::Consent { .. });
    if sso.keep_signed_in || is_asked || auth.keeps_browsers(tenant).await? {
        let seconds = sso.keep_signed_in.then(|| remaining_seconds(state, sso));
        let token = entered.token.expose_secret().to_owned();
        add_cookie(&mut response, &cookies.set(SSO, token, seconds));
    } else if cookies.get(headers, SSO).is_some() {
        add_cookie(&mut response, &cookies.remove(SSO));
    }
    Ok(response)
}

fn not_registered(request: &AuthorizationRequest) -> RedirectError {
    request.refused("access_denied", "the user is not registered for the application")
}

/// Adds a cookie to a response.
pub(super) fn add_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
