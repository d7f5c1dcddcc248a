//! The page on which a user sets another password because the present one is not to be used any more. It comes after a good
//! sign-in form, asks for the present password once more, and goes on as that form would have.

use std::net::SocketAddr;

use axum::{
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};

use super::{
    HttpState, address,
    authorize::{self, add_cookie},
    cookies::{Cookies, SSO},
    credentials::{credentials, sign_in_problem},
    form, interaction, language,
    pages::{self, PasswordPage},
    tenant::Tenant,
};
use crate::{
    app::{Adapters, oidc::authorize::Credentials, passwords::PasswordCommand},
    domain::{application::Application, authorize::AuthorizationRequest},
    error::AuthError,
    ports::ApplicationStore as _,
};

/// What the form carries: for whom, and where it goes on.
#[derive(Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) request: AuthorizationRequest,
    pub(super) login: String,
    pub(super) is_remembered: bool,
}

fn context(tenant: &str) -> String {
    format!("interaction password {tenant}")
}

/// Shows the page.
pub(super) fn show<A: Adapters>(
    state: &HttpState<A>,
    headers: &HeaderMap,
    application: &Application,
    step: &Step,
    (status, problem): (StatusCode, &'static str),
) -> Result<Response, AuthError> {
    let (auth, tenant) = (&state.auth, application.tenant.as_str());
    let cookies = Cookies::new(&auth.settings.base_url, tenant);
    let shown = interaction::show(auth, &context(tenant), headers, &cookies, step)?;
    let language = language::asked_for(&step.request);
    let action = format!("{}/password?ui_locales={}", auth.settings.issuer(tenant), language.tag());
    let page = PasswordPage {
        language,
        action: &action,
        interaction: &shown.field,
        login: &step.login,
        problem,
        // Everything else is wrong with who asks, or when.
        is_new_refused: status == StatusCode::BAD_REQUEST,
    };
    let mut response = pages::page(status, &page);
    add_cookie(&mut response, &shown.cookie);
    Ok(response)
}

/// Takes the new password.
pub(super) async fn change<A: Adapters>(
    State(state): State<HttpState<A>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let address = address::of_browser(&headers, peer, &state.auth.settings.client_address_header);
    match changed(&state, &tenant.0, &headers, &body, address).await {
        Ok(response) => response,
        Err(error) => pages::failed(&error),
    }
}

async fn changed<A: Adapters>(
    state: &HttpState<A>,
    tenant: &str,
    headers: &HeaderMap,
    body: &Bytes,
    address: String,
) -> Result<Response, AuthError> {
    let auth = &state.auth;
    let too_old = || pages::say(StatusCode::FORBIDDEN, pages::texts().form_too_old);
    let Ok(fields) = form::form(headers, body) else { return Ok(too_old()) };
    let cookies = Cookies::new(&auth.settings.base_url, tenant);
    let step: Option<Step> = interaction::back(auth, &context(tenant), headers, &cookies, fields.text("interaction"));
    let Some(step) = step.filter(|_| form::is_from_us(headers, &auth.settings.base_url)) else {
        return Ok(too_old());
    };
    let application = auth.store.application(&step.request.client_id).await?.filter(|found| found.tenant == tenant);
    let Some(application) = application else { return Ok(too_old()) };
    let command = PasswordCommand {
        tenant: tenant.to_owned(),
        application: application.id.clone(),
        login: step.login.clone(),
        password: fields.text("password").into(),
        new_password: fields.text("new_password").into(),
        address: address.clone(),
    };
    if let Err(error) = auth.change_password(command).await {
        let texts = pages::texts();
        return match &error {
            AuthError::CredentialsRefused => {
                show(state, headers, &application, &step, (StatusCode::UNAUTHORIZED, texts.password_wrong))
            }
            AuthError::PasswordRefused(_) => {
                show(state, headers, &application, &step, (StatusCode::BAD_REQUEST, texts.password_refused))
            }
            other => match sign_in_problem(other) {
                Some(problem) => show(state, headers, &application, &step, problem),
                None => Err(error),
            },
        };
    }
    let signing_in = Credentials {
        login: step.login,
        password: fields.text("new_password").into(),
        keep_signed_in: step.is_remembered,
        ..credentials(headers, &fields, address)
    };
    let previous = cookies.get(headers, SSO);
    let signed_in = auth.sign_in(&step.request, &application, signing_in, previous.as_deref()).await?;
    authorize::signed_in(state, headers, &application, step.request, &signed_in).await
}
