//! The consent page: shown to somebody who is signed in, answered by the same browser in the same SSO session.

use axum::http::StatusCode;
use proto::session::v1::Session;
use serde::{Deserialize, Serialize};

use super::{
    answer, language,
    pages::{self, ConsentPage},
    texts::Texts,
    visit::{Form, Page, Visit},
};
use crate::{
    app::Adapters,
    domain::{application::Application, authorize::AuthorizationRequest},
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
pub(super) fn show<A: Adapters>(visit: &Visit<A>, asking: Asking<'_>) -> Page {
    let language = language::asked_for(&asking.request);
    let wishes: Vec<String> =
        asking.request.consent_scopes().iter().map(|scope| wish(language.texts(), scope)).collect();
    let asked = Asked { request: asking.request, session: asking.sso.id.clone() };
    visit.show("consent", language, &asked, |Form { action, interaction }| {
        let page = ConsentPage {
            language,
            action,
            interaction,
            application: &asking.application.name,
            login: &asking.login,
            wishes: &wishes,
            code: "",
        };
        pages::page(StatusCode::OK, &page)
    })
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

/// Takes the answer.
pub(super) async fn decide<A: Adapters>(visit: Visit<A>) -> Page {
    let Some(asked) = visit.back::<Asked>("consent") else { return Ok(visit.too_old()) };
    let sso = visit.sso_session().await?;
    let Some(sso) = sso.filter(|sso| sso.id == asked.session) else { return Ok(visit.too_old()) };
    let (request, issuer) = (asked.request, visit.issuer());
    // Nothing but a clear yes is a yes.
    let mut response = if visit.field("decision") != "allow" {
        answer::error(&issuer, &request.refused("access_denied", "the user does not agree"))
    } else if let Some(code) = visit.auth.agree(&request, &sso).await? {
        answer::code(&issuer, &request, &code)
    } else {
        answer::error(&issuer, &request.login_required())
    };
    // It was only needed for the question.
    if !visit.auth.serves_others(&sso).await? {
        visit.drop_sso(&mut response);
    }
    Ok(response)
}
