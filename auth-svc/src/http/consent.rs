//! The consent page: shown to somebody who is signed in, answered by the same browser in the same SSO session.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use proto::session::v1::Session;
use serde::{Deserialize, Serialize};

use super::{
    HttpState, answer,
    authorize::add_cookie,
    cookies::{Cookies, SSO},
    form, interaction, language,
    pages::{self, ConsentPage},
    tenant::Tenant,
    texts::Texts,
};
use crate::{
    app::Adapters,
    domain::{application::Application, authorize::AuthorizationRequest},
    error::AuthError,
};

/// Who asks whom for what.
pub(super) struct Asking<'a> {
    pub(super) application: &'a Application,
    pub(super) request: AuthorizationRequest,
    pub(super) sso: &'a Session,
    pub(super) login: String,
}

/// What the form carries. Who signs in again as somebody else is in another session, for which nobody was asked.
#[derive(Serialize, Deserialize)]
struct Asked {
    request: AuthorizationRequest,
    session: String,
}

/// Shows the page.
pub(super) fn show<A: Adapters>(
    state: &HttpState<A>,
    headers: &HeaderMap,
    asking: Asking<'_>,
) -> Result<Response, AuthError> {
    let (auth, tenant) = (&state.auth, asking.application.tenant.as_str());
    let cookies = Cookies::new(&auth.settings.base_url, tenant);
    let language = language::asked_for(&asking.request);
    let wishes: Vec<String> =
        asking.request.consent_scopes().iter().map(|scope| wish(language.texts(), scope)).collect();
    let asked = Asked { request: asking.request, session: asking.sso.id.clone() };
    let shown = interaction::show(auth, &context(tenant), headers, &cookies, &asked)?;
    let action = format!("{}/consent?ui_locales={}", auth.settings.issuer(tenant), language.tag());
    let page = ConsentPage {
        language,
        action: &action,
        interaction: &shown.field,
        application: &asking.application.name,
        login: &asking.login,
        wishes: &wishes,
        code: "",
    };
    let mut response = pages::page(StatusCode::OK, &page);
    add_cookie(&mut response, &shown.cookie);
    Ok(response)
}

/// What a scope lets an application do, in words.
pub(super) fn wish(texts: &Texts, scope: &str) -> String {
    let words = match scope {
        "openid" => texts.wish_openid,
        "profile" => texts.wish_profile,
        "email" => texts.wish_email,
        "offline_access" => texts.wish_offline,
        // Nothing is agreed to that was not shown.
        unnamed => unnamed,
    };
    words.to_owned()
}

fn context(tenant: &str) -> String {
    format!("interaction consent {tenant}")
}

/// Takes the answer.
pub(super) async fn decide<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match decided(&state, &tenant.0, &headers, &body).await {
        Ok(response) => response,
        Err(error) => pages::failed(&error),
    }
}

async fn decided<A: Adapters>(
    state: &HttpState<A>,
    tenant: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, AuthError> {
    let auth = &state.auth;
    let too_old = || pages::say(StatusCode::FORBIDDEN, pages::texts().form_too_old);
    let Ok(fields) = form::form(headers, body) else { return Ok(too_old()) };
    let cookies = Cookies::new(&auth.settings.base_url, tenant);
    let asked: Option<Asked> = interaction::back(auth, &context(tenant), headers, &cookies, fields.text("interaction"));
    let Some(asked) = asked.filter(|_| form::is_from_us(headers, &auth.settings.base_url)) else {
        return Ok(too_old());
    };
    let sso = auth.sso_session(tenant, cookies.get(headers, SSO).as_deref()).await?;
    let Some(sso) = sso.filter(|sso| sso.id == asked.session) else { return Ok(too_old()) };
    let request = asked.request;
    // Nothing but a clear yes is a yes.
    let mut response = if fields.text("decision") != "allow" {
        answer::error(state, tenant, &request.refused("access_denied", "the user does not agree"))
    } else if let Some(code) = auth.agree(&request, &sso).await? {
        answer::code(state, tenant, &request, &code)
    } else {
        answer::error(state, tenant, &request.login_required())
    };
    // It was only needed for the question.
    if !auth.serves_others(&sso).await? {
        add_cookie(&mut response, &cookies.remove(SSO));
    }
    Ok(response)
}
