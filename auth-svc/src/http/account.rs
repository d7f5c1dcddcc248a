//! The page on which users see what they have open, in every browser and application, and end it.

use axum::{http::StatusCode, response::Response};
use proto::session::v1::Session;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::{
    account_view::{AccountPage, View},
    credentials::{remaining_seconds, sign_in_problem},
    language,
    login_form::LoginForm,
    pages,
    visit::{Form, Page, Visit},
};
use crate::{app::Adapters, error::AuthError};

/// What stands for everything elsewhere where a session is named otherwise.
pub(super) const ELSEWHERE: &str = "elsewhere";

/// Where the forms are posted.
const LOGIN: &str = "account/login";
const END: &str = "account/end";

/// What a form carries.
#[derive(Default, Serialize, Deserialize)]
struct Step {
    /// The SSO session that the page was made for; empty before one is signed in.
    session: String,
    /// What is to end when the user has proved again who they are; empty for nothing.
    end: String,
}

/// Shows the page, or the way to it.
pub(super) async fn open<A: Adapters>(visit: Visit<A>) -> Page {
    match usable(&visit).await? {
        Some(sso) => list(&visit, &sso, "").await,
        None => sign_in_form(&visit, &Step::default(), LoginForm::default()),
    }
}

/// Takes the credentials of a user who was not signed in, or must prove again who they are.
pub(super) async fn login<A: Adapters>(visit: Visit<A>) -> Page {
    let Some(step) = visit.back::<Step>(LOGIN) else { return Ok(too_old()) };
    let given = visit.credentials();
    let (login, is_remembered) = (given.login.clone(), given.keep_signed_in);
    match visit.auth.sign_in_here(&visit.tenant, "", given, visit.sso_token().as_deref()).await {
        Ok((_, sso, token)) => {
            // Who signs in as somebody else is in another session, of which nothing was to end.
            let end = if sso.id == step.session { step.end.as_str() } else { "" };
            let mut response = ended(&visit, &sso, end).await?;
            let seconds = sso.keep_signed_in.then(|| remaining_seconds(&visit.auth, &sso));
            visit.keep_sso(&mut response, token.expose_secret(), seconds);
            Ok(response)
        }
        Err(error) => match sign_in_problem(&error) {
            None => Err(error.into()),
            Some(problem) => {
                sign_in_form(&visit, &step, LoginForm { login: &login, is_remembered, problem, ..LoginForm::default() })
            }
        },
    }
}

/// Ends what the user wants to end.
pub(super) async fn end<A: Adapters>(visit: Visit<A>) -> Page {
    let Some(step) = visit.back::<Step>(END) else { return Ok(too_old()) };
    // Who signed in as somebody else meanwhile was shown something else.
    let Some(sso) = usable(&visit).await?.filter(|sso| sso.id == step.session) else { return Ok(too_old()) };
    let what = visit.field("end");
    if visit.auth.may_end_own(&sso) {
        return ended(&visit, &sso, what).await;
    }
    let user = visit.auth.user_of(&sso).await?;
    let login = user.as_ref().map(|user| user.login.as_str()).unwrap_or_default();
    let step = Step { session: sso.id.clone(), end: what.to_owned() };
    let is_remembered = sso.keep_signed_in;
    sign_in_form(&visit, &step, LoginForm { login, is_remembered, ..LoginForm::default() })
}

fn too_old() -> Response {
    pages::say(StatusCode::FORBIDDEN, pages::texts().sign_out_too_old)
}

/// The SSO session of the browser, if it may be used here: one that is there for its own request only may while it is new.
async fn usable<A: Adapters>(visit: &Visit<A>) -> Result<Option<Session>, AuthError> {
    match visit.sso_session().await? {
        Some(sso) if visit.auth.may_end_own(&sso) || visit.auth.serves_others(&sso).await? => Ok(Some(sso)),
        _ => Ok(None),
    }
}

fn sign_in_form<A: Adapters>(visit: &Visit<A>, step: &Step, form: LoginForm<'_>) -> Page {
    let language = language::current();
    LoginForm { to: language.texts().account_title, ..form }.show(visit, (LOGIN, language), step)
}

/// Shows what the user has open, after what was `done`.
async fn list<A: Adapters>(visit: &Visit<A>, sso: &Session, done: &'static str) -> Page {
    let Some(account) = visit.auth.account(sso).await? else {
        return sign_in_form(visit, &Step::default(), LoginForm::default());
    };
    let language = language::current();
    let view = View::of(&account, &sso.id, language.texts());
    let sign_out = format!("{}/logout?ui_locales={}", visit.issuer(), language.tag());
    let step = Step { session: sso.id.clone(), end: String::new() };
    visit.show(END, language, &step, |Form { action, interaction }| {
        let (sign_out, view) = (sign_out.as_str(), &view);
        pages::page(StatusCode::OK, &AccountPage { language, action, sign_out, interaction, done, view })
    })
}

/// Ends what is named, and shows what is left.
async fn ended<A: Adapters>(visit: &Visit<A>, sso: &Session, what: &str) -> Page {
    match what {
        "" => return list(visit, sso, "").await,
        ELSEWHERE => visit.auth.end_elsewhere(sso).await?,
        session => visit.auth.end_own(sso, session).await?,
    }
    list(visit, sso, pages::texts().account_done).await
}
