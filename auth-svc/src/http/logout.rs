//! The end-session endpoint and its pages.

use axum::{http::StatusCode, response::Response};
use proto::session::v1::Session;
use serde::{Deserialize, Serialize};

use super::{
    language,
    pages::{self, LogoutPage},
    signed_out,
    visit::{Form, Page, Visit},
};
use crate::app::Adapters;

/// What is left to do once the user is sure.
#[derive(Serialize, Deserialize)]
struct Going {
    /// The session that the user was asked about; empty where nothing is left to end.
    session: String,
    asking: String,
    redirect: Option<String>,
}

/// Where the user confirms.
const CONFIRM: &str = "logout/confirm";

/// The endpoint, by GET and by POST.
pub(super) async fn logout<A: Adapters>(visit: Visit<A>) -> Page {
    if let Some(again) = visit.come_again("logout") {
        return Ok(again);
    }
    let Ok(parameters) = &visit.fields else { return Ok(bad_request("The request is malformed.")) };
    let sso = visit.sso_session().await?;
    let plan = match visit.auth.plan_logout(&visit.tenant, parameters, sso.as_ref()).await? {
        Ok(plan) => plan,
        Err(problem) => return Ok(bad_request(problem)),
    };
    let session = plan.session.as_ref().map(|session| session.id.clone()).unwrap_or_default();
    let going = Going { session, asking: plan.asking, redirect: plan.redirect };
    if !plan.must_confirm {
        return end(&visit, plan.session.as_ref(), going).await;
    }
    let language = language::current();
    visit.show(CONFIRM, language, &going, |Form { action, interaction }| {
        pages::page(StatusCode::OK, &LogoutPage { language, action, interaction })
    })
}

fn bad_request(text: &str) -> Response {
    pages::explain(StatusCode::BAD_REQUEST, pages::texts().bad_sign_out_link, text)
}

/// Takes the user's word.
pub(super) async fn confirm<A: Adapters>(visit: Visit<A>) -> Page {
    if visit.fields.is_err() {
        return Ok(bad_request("The form is malformed."));
    }
    let Some(going) = visit.back::<Going>(CONFIRM) else {
        return Ok(pages::say(StatusCode::FORBIDDEN, pages::texts().sign_out_too_old));
    };
    // Who signed in meanwhile is the one who says it.
    let session = match visit.sso_session().await? {
        Some(sso) => Some(sso),
        None => visit.auth.living(&going.session).await?,
    };
    end(&visit, session.as_ref(), going).await
}

async fn end<A: Adapters>(visit: &Visit<A>, session: Option<&Session>, going: Going) -> Page {
    let auth = &visit.auth;
    let frames = match session {
        Some(session) => auth.leave(session, &auth.leave_of(&visit.tenant, going.asking).await?).await?,
        None => Vec::new(),
    };
    let mut response = signed_out::answer(&frames, going.redirect.as_deref());
    visit.drop_all(&mut response);
    Ok(response)
}
