//! The pages on which a user lets a device in (RFC 8628 §3.3): type the code, sign in if need be, and say yes or no.
//!
//! Whoever comes by an address that has the code in it sees the code and presses a button all the same: an address that
//! somebody sent must not be enough (§5.4). What is agreed to is shown before.

use std::net::SocketAddr;

use axum::{
    body::Bytes,
    extract::{ConnectInfo, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use proto::session::v1::Session;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::{
    HttpState, address,
    authorize::add_cookie,
    consent::wish,
    cookies::{Cookies, SSO},
    credentials::{credentials, remaining_seconds, sign_in_problem},
    form, interaction,
    language::{self},
    pages::{self, ConsentPage, DevicePage, LoginPage},
    tenant::Tenant,
};
use crate::{
    app::Adapters,
    domain::{
        authorize::Parameters,
        device::{Device, UserCode},
    },
    error::AuthError,
    ports::ApplicationStore as _,
};

/// What a form carries from one page to the next.
#[derive(Serialize, Deserialize)]
struct Step {
    /// The code, as the device shows it; empty before one was typed.
    code: String,
    /// The SSO session of whoever is asked; empty before.
    session: String,
}

/// A device that waits, and the code that it shows.
struct Waiting {
    code: UserCode,
    device: Device,
}

/// A request to one of the pages.
struct Visit<'a, A: Adapters> {
    state: &'a HttpState<A>,
    tenant: &'a str,
    headers: &'a HeaderMap,
    cookies: Cookies,
    /// Where the browser is, as far as that is known.
    address: String,
}

impl<'a, A: Adapters> Visit<'a, A> {
    fn new(state: &'a HttpState<A>, tenant: &'a Tenant, headers: &'a HeaderMap, peer: SocketAddr) -> Self {
        let settings = &state.auth.settings;
        let address = address::of_browser(headers, peer, &settings.client_address_header);
        Self { state, tenant: &tenant.0, headers, cookies: Cookies::new(&settings.base_url, &tenant.0), address }
    }

    fn context(&self) -> String {
        format!("interaction device {}", self.tenant)
    }

    fn action(&self, path: &str) -> String {
        let issuer = self.state.auth.settings.issuer(self.tenant);
        format!("{issuer}/{path}?ui_locales={}", language::current().tag())
    }

    /// Renders a page whose form carries `step`.
    fn show(&self, step: &Step, render: impl FnOnce(&str) -> Response) -> Result<Response, AuthError> {
        let shown = interaction::show(&self.state.auth, &self.context(), self.headers, &self.cookies, step)?;
        let mut response = render(&shown.field);
        add_cookie(&mut response, &shown.cookie);
        Ok(response)
    }

    /// What a form of ours carried; `None` when it did not come from one of our pages in this browser.
    fn back(&self, fields: &Parameters) -> Option<Step> {
        let auth = &self.state.auth;
        let step = interaction::back(auth, &self.context(), self.headers, &self.cookies, fields.text("interaction"));
        step.filter(|_| form::is_from_us(self.headers, &auth.settings.base_url))
    }

    fn code_form(&self, code: &str, problem: Option<(StatusCode, &'static str)>) -> Result<Response, AuthError> {
        let (status, problem) = problem.unwrap_or((StatusCode::OK, ""));
        let step = Step { code: String::new(), session: String::new() };
        let action = self.action("device/code");
        let mut response = self.show(&step, |interaction| {
            let language = language::current();
            pages::page(status, &DevicePage { language, action: &action, interaction, code, problem })
        })?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        Ok(response)
    }

    fn too_old(&self) -> Response {
        pages::say(StatusCode::FORBIDDEN, pages::texts().form_too_old)
    }

    /// The device that a form is about, if it waits still.
    async fn device(&self, step: &Step) -> Result<Option<Waiting>, AuthError> {
        let Some(code) = UserCode::parse(&step.code) else { return Ok(None) };
        let device = self.state.auth.open_device(self.tenant, &code).await?;
        Ok(device.map(|device| Waiting { code, device }))
    }

    async fn application_name(&self, device: &Device) -> Result<String, AuthError> {
        let application = self.state.auth.store.application(&device.request.client_id).await?;
        Ok(application.map(|application| application.name).unwrap_or_default())
    }

    async fn login_form(
        &self,
        waiting: &Waiting,
        (login, is_remembered): (&str, bool),
        (status, problem): (StatusCode, &'static str),
    ) -> Result<Response, AuthError> {
        let step = Step { code: waiting.code.to_string(), session: String::new() };
        let (application, action) = (self.application_name(&waiting.device).await?, self.action("device/login"));
        self.show(&step, |interaction| {
            let page = LoginPage {
                language: language::current(),
                action: &action,
                application: &application,
                interaction,
                login,
                is_remembered,
                problem,
            };
            pages::page(status, &page)
        })
    }

    /// Asks the user of an SSO session whether the device may come in.
    async fn question(&self, waiting: &Waiting, sso: &Session) -> Result<Response, AuthError> {
        let (device, code) = (&waiting.device, waiting.code.to_string());
        let step = Step { code: code.clone(), session: sso.id.clone() };
        let Some(user) = self.state.auth.user_of(sso).await? else { return Ok(self.too_old()) };
        let auth = &self.state.auth;
        let application = auth.store.application(&device.request.client_id).await?;
        let Some(application) = application else { return Ok(self.too_old()) };
        let texts = language::current().texts();
        // Said here, because the device can only say that it failed. It waits on, for somebody who is let in.
        if !auth.is_let_in(&application, &user.id).await? {
            return Ok(pages::say(StatusCode::FORBIDDEN, texts.device_not_let_in));
        }
        let action = self.action("device/decide");
        let wishes: Vec<String> = device.request.scopes.iter().map(|scope| wish(texts, scope)).collect();
        self.show(&step, |interaction| {
            let page = ConsentPage {
                language: language::current(),
                action: &action,
                interaction,
                application: &application.name,
                login: user.login.as_str(),
                wishes: &wishes,
                code: &code,
            };
            pages::page(StatusCode::OK, &page)
        })
    }
}

/// Asks for the code.
pub(super) async fn ask<A: Adapters>(
    State(state): State<HttpState<A>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    tenant: Tenant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let visit = Visit::new(&state, &tenant, &headers, peer);
    let query = form::query(query.as_deref()).unwrap_or_default();
    let code: String = query.text("user_code").chars().take(CODE_CHARS_MAX).collect();
    visit.code_form(&code, None).unwrap_or_else(|error| pages::failed(&error))
}

/// Longest text that is shown as a code.
const CODE_CHARS_MAX: usize = 16;

/// Takes the code.
pub(super) async fn code<A: Adapters>(
    State(state): State<HttpState<A>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let visit = Visit::new(&state, &tenant, &headers, peer);
    let taken = async {
        let fields = form::form(&headers, &body).unwrap_or_default();
        if visit.back(&fields).is_none() {
            return Ok(visit.too_old());
        }
        let (typed, texts) = (fields.text("user_code"), pages::texts());
        let shown: String = typed.chars().take(CODE_CHARS_MAX).collect();
        let auth = &state.auth;
        let waiting = match auth.device_to_decide(&tenant.0, typed, &visit.address).await {
            Ok(Some((code, device))) => Waiting { code, device },
            Ok(None) => return visit.code_form(&shown, Some((StatusCode::BAD_REQUEST, texts.device_unknown))),
            Err(AuthError::Throttled(_)) => {
                return visit.code_form(&shown, Some((StatusCode::TOO_MANY_REQUESTS, texts.device_busy)));
            }
            Err(error) => return Err(error),
        };
        match auth.sso_session(&tenant.0, visit.cookies.get(&headers, SSO).as_deref()).await? {
            Some(sso) if auth.serves_others(&sso).await? => visit.question(&waiting, &sso).await,
            _ => visit.login_form(&waiting, ("", false), (StatusCode::OK, "")).await,
        }
    };
    taken.await.unwrap_or_else(|error| pages::failed(&error))
}

/// Takes the credentials of a user who was not signed in.
pub(super) async fn login<A: Adapters>(
    State(state): State<HttpState<A>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let visit = Visit::new(&state, &tenant, &headers, peer);
    let signed_in = async {
        let fields = form::form(&headers, &body).unwrap_or_default();
        let Some(step) = visit.back(&fields) else { return Ok(visit.too_old()) };
        let Some(waiting) = visit.device(&step).await? else { return Ok(visit.too_old()) };
        let given = credentials(&headers, &fields, visit.address.clone());
        let (login, is_remembered) = (given.login.clone(), given.keep_signed_in);
        let previous = visit.cookies.get(&headers, SSO);
        let client = waiting.device.request.client_id.as_str();
        match state.auth.sign_in_here(&tenant.0, client, given, previous.as_deref()).await {
            Ok((_, session, token)) => {
                let mut response = visit.question(&waiting, &session).await?;
                let seconds = is_remembered.then(|| remaining_seconds(&state, &session));
                let cookie = visit.cookies.set(SSO, token.expose_secret().to_owned(), seconds);
                add_cookie(&mut response, &cookie);
                Ok(response)
            }
            Err(error) => match sign_in_problem(&error) {
                Some(problem) => visit.login_form(&waiting, (&login, is_remembered), problem).await,
                None => Err(error),
            },
        }
    };
    signed_in.await.unwrap_or_else(|error| pages::failed(&error))
}

/// Takes the answer.
pub(super) async fn decide<A: Adapters>(
    State(state): State<HttpState<A>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let visit = Visit::new(&state, &tenant, &headers, peer);
    let decided = async {
        let fields = form::form(&headers, &body).unwrap_or_default();
        let Some(step) = visit.back(&fields) else { return Ok(visit.too_old()) };
        let sso = state.auth.sso_session(&tenant.0, visit.cookies.get(&headers, SSO).as_deref()).await?;
        // Who signed in as somebody else meanwhile was not asked.
        let Some(sso) = sso.filter(|sso| sso.id == step.session) else { return Ok(visit.too_old()) };
        // Nothing but a clear yes is a yes.
        let is_allowed = fields.text("decision") == "allow";
        let texts = pages::texts();
        let Some(code) = UserCode::parse(&step.code) else { return Ok(visit.too_old()) };
        let said = match (state.auth.decide_device(&code, &sso, is_allowed).await?, is_allowed) {
            (true, true) => texts.device_allowed,
            (true, false) => texts.device_denied,
            (false, _) => return Ok(visit.too_old()),
        };
        let mut response = pages::say(StatusCode::OK, said);
        // It was only needed for the question.
        if !state.auth.serves_others(&sso).await? {
            add_cookie(&mut response, &visit.cookies.remove(SSO));
        }
        Ok(response)
    };
    decided.await.unwrap_or_else(|error: AuthError| pages::failed(&error))
}
