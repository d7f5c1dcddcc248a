//! The page on which users see what they have open, and end it: their own only, and nobody in their place.

use std::{sync::Arc, time::Duration};

use proto::auth::v1::{
    ListAuditEventsRequest, Tenant, UpdateTenantRequest, audit_service_client::AuditServiceClient,
    tenant_service_client::TenantServiceClient,
};
use reqwest::{Response, StatusCode, header};
use svc_kit::clock::{Clock as _, ManualClock, SystemClock};

use crate::{
    matrix::line,
    support::{Stack, claim, cookie_of, field_of},
};

const ADA: (&str, &str) = ("ada@example.com", "correct horse battery staple");
const GRACE: (&str, &str) = ("grace@example.com", "nanoseconds matter too");
/// How old the proof of who the user is may be.
const PROOF_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The page as a browser has it: what its form needs, and what it says.
struct Page {
    status: StatusCode,
    cookie: String,
    html: String,
}

impl Page {
    async fn of(answer: Response, cookie: &str) -> Self {
        // What the answer sets replaces what the browser had.
        let sso = cookie_of(&answer, "sso").unwrap_or_else(|| cookie.to_owned());
        let cookie = format!("{}; {sso}", cookie_of(&answer, "interaction").unwrap_or_default());
        Self { status: answer.status(), cookie, html: answer.text().await.unwrap() }
    }

    async fn open(stack: &Stack, cookie: &str) -> Self {
        Self::of(stack.get(&stack.at("/account"), cookie).await, cookie).await
    }

    /// Sends a form of the page.
    async fn send(&self, stack: &Stack, path: &str, fields: &[(&str, &str)]) -> Self {
        let form = [&[("interaction", field_of(&self.html))], fields].concat();
        let request = stack.http.post(stack.at(path)).header(header::COOKIE, &self.cookie).form(&form);
        Self::of(request.send().await.unwrap(), &self.cookie).await
    }

    async fn sign_in(&self, stack: &Stack, (login, password): (&str, &str)) -> Self {
        self.send(stack, "/account/login", &[("login", login), ("password", password)]).await
    }

    fn is_sign_in(&self) -> bool {
        self.html.contains("id=\"password\"")
    }

    fn has(&self, id: &str) -> bool {
        self.html.contains(&format!("id=\"{id}\""))
    }
}

/// Ends something in a browser that is signed in.
pub(crate) async fn end(stack: &Stack, cookie: &str, what: &str) {
    let ended = Page::open(stack, cookie).await.send(stack, "/account/end", &[("end", what)]).await;
    assert_eq!(ended.status, StatusCode::OK);
    assert!(ended.has("done"), "{}", ended.html);
}

async fn started() -> (Arc<ManualClock>, Stack) {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let stack = Stack::start_at(clock.clone(), "").await;
    (clock, stack)
}

#[tokio::test]
async fn users_see_what_they_have_open_and_end_it() {
    let stack = Stack::start().await;
    let (here, other) = (stack.sign_in().await, stack.sign_in().await);
    let shop = claim(&stack.open("front-web", &here.cookie).await, "sid");
    let record = stack.open("front-managed", &here.cookie).await;
    let page = Page::open(&stack, &here.cookie).await;
    for text in ["Your sessions", ADA.0, "this browser", "Told by the browser", "Demo web application", " UTC</time>"] {
        assert!(page.html.contains(text), "{text}: {}", page.html);
    }
    for session in [claim(&here.tokens, "sid"), claim(&other.tokens, "sid"), shop.clone()] {
        assert!(page.has(&session) && page.has(&format!("end-{session}")), "{session}");
    }
    assert!(page.html.contains("Told by the browser, keeps its own sessions"));
    // This browser is left by signing out, which tells applications that only a browser can reach.
    assert!(page.has("sign-out") && !page.has(&format!("end-{}", claim(&record, "sid"))));
    let page = page.send(&stack, "/account/end", &[("end", &shop)]).await;
    assert!(page.has("done") && !page.has(&shop), "{}", page.html);
    let page = page.send(&stack, "/account/end", &[("end", "elsewhere")]).await;
    assert!(page.has("done") && page.has(&claim(&here.tokens, "sid")) && !page.has("end-elsewhere"), "{}", page.html);
    assert!(stack.is_signed_in(&here.cookie).await && stack.is_active("demo-web", &here.tokens).await);
    assert!(!stack.is_signed_in(&other.cookie).await && !stack.is_active("demo-web", &other.tokens).await);
    // Both are on record; what follows a browser that was signed out is not told of one by one.
    let mut audit = AuditServiceClient::new(line(stack.server.addresses.auth_grpc));
    let request = ListAuditEventsRequest {
        tenant_id: "default".into(),
        action: "user.logout".into(),
        ..ListAuditEventsRequest::default()
    };
    let entries = audit.list_audit_events(request).await.unwrap().into_inner().audit_events;
    let ended: Vec<&str> = entries.iter().map(|entry| entry.application_id.as_str()).collect();
    assert_eq!(ended, ["", "front-web"], "newest first");
    stack.stop().await;
}

#[tokio::test]
async fn who_is_not_signed_in_signs_in_first_and_comes_back() {
    let stack = Stack::start().await;
    let page = Page::open(&stack, "").await;
    assert!(page.is_sign_in() && page.html.contains("Your sessions"), "{}", page.html);
    let refused = page.sign_in(&stack, (ADA.0, "wrong")).await;
    assert_eq!((refused.status, refused.is_sign_in()), (StatusCode::UNAUTHORIZED, true));
    let page = refused.sign_in(&stack, ADA).await;
    assert!(page.has("here") && page.has("account") && !page.has("done"), "{}", page.html);
    let sso = page.cookie.split("; ").find(|pair| pair.starts_with("lk_sso_")).unwrap();
    assert!(stack.is_signed_in(sso).await, "as with any sign-in");
    stack.stop().await;
}

#[tokio::test]
async fn nothing_ends_unless_the_user_pressed_the_button() {
    let stack = Stack::start().await;
    let (here, other, grace) = (stack.sign_in().await, stack.sign_in().await, stack.sign_in_as(GRACE, "").await);
    let (mine, theirs) = (Page::open(&stack, &here.cookie).await, Page::open(&stack, &grace.cookie).await);
    let field = field_of(&mine.html);
    let post = |cookie: &str, field: &str| {
        let form = [("interaction", field), ("end", "elsewhere")];
        stack.http.post(stack.at("/account/end")).header(header::COOKIE, cookie).form(&form)
    };
    for (what, request) in [
        ("no field", post(&mine.cookie, "")),
        ("another's field", post(&mine.cookie, field_of(&theirs.html))),
        ("another's cookie", post(&theirs.cookie, field)),
        ("no binding", post(&here.cookie, field)),
        ("another site", post(&mine.cookie, field).header(header::ORIGIN, "https://evil.example")),
        ("a cross-site form", post(&mine.cookie, field).header("sec-fetch-site", "cross-site")),
    ] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{what}");
    }
    let get = format!("{}?interaction={field}&end=elsewhere", stack.at("/account/end"));
    assert_eq!(stack.get(&get, &mine.cookie).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    // A session of somebody else is not one of theirs, whoever knows its id; nor is what is no id.
    for what in [claim(&here.tokens, "sid").as_str(), "sess_", "lkr_x", "'\"><b>"] {
        let page = theirs.send(&stack, "/account/end", &[("end", what)]).await;
        assert_eq!(page.status, StatusCode::OK, "{what}");
    }
    for signed_in in [&here, &other, &grace] {
        assert!(stack.is_signed_in(&signed_in.cookie).await && stack.is_active("demo-web", &signed_in.tokens).await);
    }
    stack.stop().await;
}

#[tokio::test]
async fn ending_needs_a_proof_that_is_not_old() {
    let (clock, stack) = started().await;
    let (here, other) = (stack.sign_in().await, stack.sign_in().await);
    clock.advance(PROOF_LIFETIME);
    let list = Page::open(&stack, &here.cookie).await;
    assert!(!list.is_sign_in(), "looking needs none");
    let asked = list.send(&stack, "/account/end", &[("end", "elsewhere")]).await;
    assert!(asked.is_sign_in() && asked.html.contains(&format!("value=\"{}\"", ADA.0)), "{}", asked.html);
    let refused = asked.sign_in(&stack, (ADA.0, "wrong")).await;
    assert!(refused.is_sign_in() && stack.is_signed_in(&other.cookie).await);
    let ended = refused.sign_in(&stack, ADA).await;
    assert!(ended.has("done") && !stack.is_signed_in(&other.cookie).await, "{}", ended.html);
    // Who signs in as somebody else ends nothing of theirs by it.
    let (browser, others) = (stack.sign_in().await, stack.sign_in_as(GRACE, "").await);
    clock.advance(PROOF_LIFETIME);
    let list = Page::open(&stack, &browser.cookie).await;
    let asked = list.send(&stack, "/account/end", &[("end", "elsewhere")]).await;
    let page = asked.sign_in(&stack, GRACE).await;
    assert!(!page.has("done") && page.html.contains(GRACE.0), "{}", page.html);
    assert!(stack.is_signed_in(&others.cookie).await);
    stack.stop().await;
}

#[tokio::test]
async fn tenants_have_pages_of_their_own_and_may_forget_browsers() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let seed = "[[tenants]]\nid = \"other\"\nname = \"Other\"\n";
    let stack = Stack::start_at(clock.clone(), seed).await;
    let here = stack.sign_in().await;
    let moved = here.cookie.replace("_default=", "_other=");
    let there = Page::of(stack.get(&stack.at("/t/other/account?ui_locales=de"), &moved).await, &moved).await;
    assert!(there.is_sign_in() && there.html.contains("Ihre Sitzungen"), "{}", there.html);
    assert!(there.html.contains("/t/other/account/login?ui_locales=de"), "{}", there.html);
    let field = [("interaction", field_of(&there.html)), ("end", "elsewhere")];
    let request = stack.http.post(stack.at("/account/end")).header(header::COOKIE, &there.cookie).form(&field);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let tenant = Tenant {
        id: "default".into(),
        sso_without_keep_signed_in: proto::auth::v1::SsoWithoutKeepSignedIn::None.into(),
        ..Tenant::default()
    };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["sso_without_keep_signed_in".into()] });
    let request = UpdateTenantRequest { tenant: Some(tenant), update_mask };
    TenantServiceClient::new(line(stack.server.addresses.auth_grpc)).update_tenant(request).await.unwrap();
    assert!(!Page::open(&stack, &here.cookie).await.is_sign_in());
    clock.advance(PROOF_LIFETIME);
    assert!(Page::open(&stack, &here.cookie).await.is_sign_in(), "nobody asked to stay signed in");
    stack.stop().await;
}

#[tokio::test]
async fn what_browsers_and_applications_call_themselves_is_text() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    crate::consent::opened(&stack, &signed_in.cookie).await;
    let page = Page::open(&stack, &signed_in.cookie).await;
    assert!(page.html.contains("Somebody &#60;b&#62;else&#60;/b&#62;"), "{}", page.html);
    stack.stop().await;
}
