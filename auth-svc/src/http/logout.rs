//! The end-session endpoint and its pages.

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use proto::session::v1::Session;
use serde::{Deserialize, Serialize};

use super::{
    HttpState,
    authorize::add_cookie,
    cookies::{Cookies, INTERACTION, SSO},
    form::{self, FormError},
    interaction, language,
    pages::{self, LogoutPage},
    same_site, signed_out,
    tenant::Tenant,
};
use crate::{app::Adapters, domain::authorize::Parameters, error::AuthError};

pub(super) async fn by_query<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    answer(&state, &tenant.0, &headers, form::query(query.as_deref())).await
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
        let endpoint = format!("{}/logout", settings.issuer(&tenant.0));
        let again = same_site::come_again(&endpoint, parameters);
        return again.unwrap_or_else(|| bad_request("The request is malformed."));
    }
    answer(&state, &tenant.0, &headers, parameters).await
}

async fn answer<A: Adapters>(
    state: &HttpState<A>,
    tenant: &str,
    headers: &HeaderMap,
    parameters: Result<Parameters, FormError>,
) -> Response {
    let Ok(parameters) = parameters else { return bad_request("The request is malformed.") };
    match begin(state, tenant, headers, &parameters).await {
        Ok(response) => response,
        Err(error) => pages::failed(&error),
    }
}

fn bad_request(text: &str) -> Response {
    pages::explain(StatusCode::BAD_REQUEST, pages::texts().bad_sign_out_link, text)
}

async fn begin<A: Adapters>(
    state: &HttpState<A>,
    tenant: &str,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response, AuthError> {
    let cookies = Cookies::new(&state.auth.settings.base_url, tenant);
    let sso = state.auth.sso_session(tenant, cookies.get(headers, SSO).as_deref()).await?;
    let plan = match state.auth.plan_logout(tenant, parameters, sso.as_ref()).await? {
        Ok(plan) => plan,
        Err(problem) => return Ok(bad_request(problem)),
    };
    if !plan.must_confirm {
        return end(state, (tenant, headers), sso.as_ref(), Going { asking: plan.asking, redirect: plan.redirect })
            .await;
    }
    let going = Going { asking: plan.asking, redirect: plan.redirect };
    let shown = interaction::show(&state.auth, &context(tenant), headers, &cookies, &going)?;
    let language = language::current();
    let action = format!("{}/logout/confirm?ui_locales={}", state.auth.settings.issuer(tenant), language.tag());
    let page = LogoutPage { language, action: &action, interaction: &shown.field };
    let mut response = pages::page(StatusCode::OK, &page);
    add_cookie(&mut response, &shown.cookie);
    Ok(response)
}

/// What is left to do once the user is sure.
#[derive(Serialize, Deserialize)]
struct Going {
    asking: String,
    redirect: Option<String>,
}

fn context(tenant: &str) -> String {
    format!("interaction logout {tenant}")
}

pub(super) async fn confirm<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(fields) = form::form(&headers, &body) else { return bad_request("The form is malformed.") };
    let auth = &state.auth;
    let cookies = Cookies::new(&auth.settings.base_url, &tenant.0);
    let going: Option<Going> =
        interaction::back(auth, &context(&tenant.0), &headers, &cookies, fields.text("interaction"));
    let Some(going) = going.filter(|_| form::is_from_us(&headers, &auth.settings.base_url)) else {
        return pages::say(StatusCode::FORBIDDEN, pages::texts().sign_out_too_old);
    };
    let ended = async {
        let sso = auth.sso_session(&tenant.0, cookies.get(&headers, SSO).as_deref()).await?;
        end(&state, (&tenant.0, &headers), sso.as_ref(), going).await
    };
    ended.await.unwrap_or_else(|error| pages::failed(&error))
}

async fn end<A: Adapters>(
    state: &HttpState<A>,
    (tenant, headers): (&str, &HeaderMap),
    sso: Option<&Session>,
    going: Going,
) -> Result<Response, AuthError> {
    let (auth, cookies) = (&state.auth, Cookies::new(&state.auth.settings.base_url, tenant));
    let frames = match sso {
        Some(sso) => auth.leave(sso, &auth.leave_of(tenant, going.asking).await?).await?,
        None => Vec::new(),
    };
    let mut response = signed_out::answer(&frames, going.redirect.as_deref());
    // Only what was shown is removed: a request that another site sent without the cookie must not take it away.
    for what in [SSO, INTERACTION].into_iter().filter(|what| cookies.get(headers, what).is_some()) {
        add_cookie(&mut response, &cookies.remove(what));
    }
    Ok(response)
}
