//! The pages on which a user lets a device in (RFC 8628 §3.3): type the code, sign in if need be, and say yes or no.
//!
//! Whoever comes by an address that has the code in it sees the code and presses a button all the same: an address that
//! somebody sent must not be enough (§5.4). What is agreed to is shown before.

use axum::http::StatusCode;
use proto::session::v1::Session;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::{
    consent::wish,
    credentials::{Problem, remaining_seconds, sign_in_problem},
    language,
    login_form::LoginForm,
    pages::{self, ConsentPage, DevicePage},
    visit::{Form, Page, Visit},
};
use crate::{
    app::Adapters,
    domain::device::{Device, UserCode},
    error::AuthError,
    ports::ApplicationStore as _,
};

/// Longest text that is shown as a code.
const CODE_CHARS_MAX: usize = 16;

/// Where the forms are posted.
const CODE: &str = "device/code";
const LOGIN: &str = "device/login";
const DECIDE: &str = "device/decide";

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

/// Asks for the code.
pub(super) async fn ask<A: Adapters>(visit: Visit<A>) -> Page {
    code_form(&visit, typed(&visit), Problem::default())
}

/// Takes the code.
pub(super) async fn code<A: Adapters>(visit: Visit<A>) -> Page {
    if visit.back::<Step>(CODE).is_none() {
        return Ok(visit.too_old());
    }
    let texts = pages::texts();
    let found = visit.auth.device_to_decide(&visit.tenant, visit.field("user_code"), &visit.address).await;
    let waiting = match found {
        Ok(Some((code, device))) => Waiting { code, device },
        Ok(None) => {
            return code_form(&visit, typed(&visit), Problem::new(StatusCode::BAD_REQUEST, texts.device_unknown));
        }
        Err(error @ AuthError::Throttled(_)) => {
            return code_form(&visit, typed(&visit), Problem::too_many(&error, texts.device_busy));
        }
        Err(error) => return Err(error.into()),
    };
    match visit.sso_session().await? {
        Some(sso) if visit.auth.serves_others(&sso).await? => question(&visit, &waiting, &sso).await,
        _ => login_form(&visit, &waiting, ("", false), Problem::default()).await,
    }
}

/// Takes the credentials of a user who was not signed in.
pub(super) async fn login<A: Adapters>(visit: Visit<A>) -> Page {
    let Some(waiting) = waiting(&visit, visit.back(LOGIN)).await? else { return Ok(visit.too_old()) };
    let given = visit.credentials();
    let (login, is_remembered) = (given.login.clone(), given.keep_signed_in);
    let client = waiting.device.request.client_id.as_str();
    match visit.auth.sign_in_here(&visit.tenant, client, given, visit.sso_token().as_deref()).await {
        Ok((_, session, token)) => {
            let mut response = question(&visit, &waiting, &session).await?;
            let seconds = is_remembered.then(|| remaining_seconds(&visit.auth, &session));
            visit.keep_sso(&mut response, token.expose_secret(), seconds);
            Ok(response)
        }
        Err(error) => match sign_in_problem(&error) {
            None => Err(error.into()),
            Some(problem) => login_form(&visit, &waiting, (&login, is_remembered), problem).await,
        },
    }
}

/// Takes the answer.
pub(super) async fn decide<A: Adapters>(visit: Visit<A>) -> Page {
    let Some(step) = visit.back::<Step>(DECIDE) else { return Ok(visit.too_old()) };
    let sso = visit.sso_session().await?;
    // Who signed in as somebody else meanwhile was not asked.
    let Some(sso) = sso.filter(|sso| sso.id == step.session) else { return Ok(visit.too_old()) };
    // Nothing but a clear yes is a yes.
    let is_allowed = visit.field("decision") == "allow";
    let texts = pages::texts();
    let Some(code) = UserCode::parse(&step.code) else { return Ok(visit.too_old()) };
    let said = match (visit.auth.decide_device(&code, &sso, is_allowed).await?, is_allowed) {
        (true, true) => texts.device_allowed,
        (true, false) => texts.device_denied,
        (false, _) => return Ok(visit.too_old()),
    };
    let mut response = pages::say(StatusCode::OK, said);
    // It was only needed for the question.
    if !visit.auth.serves_others(&sso).await? {
        visit.drop_sso(&mut response);
    }
    Ok(response)
}

/// The code that the browser brings, as it is shown again.
fn typed<A: Adapters>(visit: &Visit<A>) -> String {
    visit.field("user_code").chars().take(CODE_CHARS_MAX).collect()
}

/// The device that a form is about, if it waits still.
async fn waiting<A: Adapters>(visit: &Visit<A>, step: Option<Step>) -> Result<Option<Waiting>, AuthError> {
    let Some(code) = step.and_then(|step| UserCode::parse(&step.code)) else { return Ok(None) };
    let device = visit.auth.open_device(&visit.tenant, &code).await?;
    Ok(device.map(|device| Waiting { code, device }))
}

fn code_form<A: Adapters>(visit: &Visit<A>, code: String, problem: Problem) -> Page {
    let language = language::current();
    let step = Step { code: String::new(), session: String::new() };
    let mut response = visit.show(CODE, language, &step, |Form { action, interaction }| {
        pages::page(problem.status, &DevicePage { language, action, interaction, code: &code, problem: problem.text })
    })?;
    problem.ask_to_wait(&mut response);
    Ok(response)
}

async fn login_form<A: Adapters>(
    visit: &Visit<A>,
    waiting: &Waiting,
    (login, is_remembered): (&str, bool),
    problem: Problem,
) -> Page {
    let application = visit.auth.store.application(&waiting.device.request.client_id).await?;
    let application = application.map(|application| application.name).unwrap_or_default();
    let step = Step { code: waiting.code.to_string(), session: String::new() };
    let form = LoginForm { to: &application, login, is_remembered, problem };
    form.show(visit, (LOGIN, language::current()), &step)
}

/// Asks the user of an SSO session whether the device may come in.
async fn question<A: Adapters>(visit: &Visit<A>, waiting: &Waiting, sso: &Session) -> Page {
    let (auth, device, code) = (&visit.auth, &waiting.device, waiting.code.to_string());
    let step = Step { code: code.clone(), session: sso.id.clone() };
    let Some(user) = auth.user_of(sso).await? else { return Ok(visit.too_old()) };
    let application = auth.store.application(&device.request.client_id).await?;
    let Some(application) = application else { return Ok(visit.too_old()) };
    let (language, texts) = (language::current(), pages::texts());
    // Said here, because the device can only say that it failed. It waits on, for somebody who is let in.
    if !auth.is_let_in(&application, &user.id).await? {
        return Ok(pages::say(StatusCode::FORBIDDEN, texts.device_not_let_in));
    }
    let wishes: Vec<String> = device.request.scopes.iter().map(|scope| wish(texts, scope)).collect();
    visit.show(DECIDE, language, &step, |Form { action, interaction }| {
        let page = ConsentPage {
            language,
            action,
            interaction,
            application: &application.name,
            login: user.login.as_str(),
            wishes: &wishes,
            code: &code,
        };
        pages::page(StatusCode::OK, &page)
    })
}
