//! Consent: asked once for each user, application and scope; remembered; withdrawn with the sessions that it led to.

use proto::auth::v1::{
    Consent, ListConsentsRequest, WithdrawConsentRequest, consent_service_client::ConsentServiceClient,
};
use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use svc_kit::client::Outgoing;
use tonic::{Code, service::interceptor::InterceptedService, transport::Channel};

use crate::support::{SignedIn, Stack, claim, cookie_of, field_of, location, query};

/// Where application `asks` sends a browser.
fn address(stack: &Stack, scope: &str, prompt: &str) -> String {
    stack.authorize_for("asks", &[("scope", scope), ("prompt", prompt)])
}

/// A consent page, and the cookies of the browser that it is shown in.
struct Page {
    html: String,
    cookies: String,
}

impl Page {
    async fn shown(response: Response, cookie: &str) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        let cookies = format!("{cookie}; {}", cookie_of(&response, "interaction").unwrap());
        let html = response.text().await.unwrap();
        assert!(html.contains("id=\"consent-allow\"") && html.contains("id=\"consent-deny\""), "{html}");
        Self { html, cookies }
    }

    async fn of(stack: &Stack, cookie: &str, scope: &str) -> Self {
        Self::shown(stack.get(&address(stack, scope, ""), cookie).await, cookie).await
    }

    fn answer(&self, stack: &Stack, decision: &str) -> reqwest::RequestBuilder {
        let form = [("interaction", field_of(&self.html)), ("decision", decision)];
        stack.http.post(stack.at("/consent")).header(header::COOKIE, &self.cookies).form(&form)
    }

    async fn allow(&self, stack: &Stack) -> String {
        let answer = location(&self.answer(stack, "allow").send().await.unwrap());
        assert_eq!(query(&answer, "iss").as_deref(), Some(stack.server.addresses.issuer.as_str()));
        query(&answer, "code").unwrap()
    }
}

/// Signs in to application `asks`, and agrees.
pub async fn opened(stack: &Stack, cookie: &str) -> Value {
    let code = Page::of(stack, cookie, "openid").await.allow(stack).await;
    stack.exchange("asks", &code).await
}

type Client = ConsentServiceClient<InterceptedService<Channel, Outgoing>>;

fn consents(stack: &Stack) -> Client {
    let url = format!("http://{}", stack.server.addresses.auth_grpc);
    let channel = svc_kit::client::channel(&url, std::time::Duration::from_secs(10)).unwrap();
    ConsentServiceClient::with_interceptor(channel, Outgoing::new(&"dev-operator-key".to_owned().into()))
}

async fn listed(stack: &Stack, user_id: &str) -> Vec<Consent> {
    let request = ListConsentsRequest { user_id: user_id.to_owned(), ..Default::default() };
    consents(stack).list_consents(request).await.unwrap().into_inner().consents
}

async fn withdraw(stack: &Stack, user_id: &str) -> Result<(), tonic::Status> {
    let (user_id, application_id) = (user_id.to_owned(), "asks".to_owned());
    consents(stack).withdraw_consent(WithdrawConsentRequest { user_id, application_id }).await.map(drop)
}

fn user(signed_in: &SignedIn) -> String {
    claim(&signed_in.tokens, "sub")
}

#[tokio::test]
async fn user_is_asked_once_for_what_is_asked_for() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let page = Page::of(&stack, &signed_in.cookie, "openid email").await;
    assert!(page.html.contains("Somebody &#60;b&#62;else&#60;/b&#62;") && page.html.contains("ada@example.com"));
    assert!(page.html.contains("See your e-mail address") && !page.html.contains("See your name"), "{}", page.html);
    page.allow(&stack).await;
    // Agreed, so not asked again, nor for less.
    for scope in ["openid email", "openid"] {
        let answer = location(&stack.get(&address(&stack, scope, "none"), &signed_in.cookie).await);
        assert!(query(&answer, "code").is_some(), "{answer}");
    }
    // More is asked for, and then both are agreed to.
    Page::of(&stack, &signed_in.cookie, "openid profile").await.allow(&stack).await;
    let answer = location(&stack.get(&address(&stack, "openid email profile", "none"), &signed_in.cookie).await);
    assert!(query(&answer, "code").is_some(), "{answer}");
    let known = listed(&stack, &user(&signed_in)).await;
    assert_eq!(known.len(), 1);
    assert_eq!(
        (known[0].application_id.as_str(), known[0].scopes.join(" ").as_str()),
        ("asks", "email openid profile")
    );
    stack.stop().await;
}

#[tokio::test]
async fn nothing_is_shown_where_nothing_may_be_and_prompt_consent_asks_again() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let answer = location(&stack.get(&address(&stack, "openid", "none"), &signed_in.cookie).await);
    assert_eq!(query(&answer, "error").as_deref(), Some("consent_required"));
    Page::of(&stack, &signed_in.cookie, "openid").await.allow(&stack).await;
    let again = stack.get(&address(&stack, "openid", "consent"), &signed_in.cookie).await;
    Page::shown(again, &signed_in.cookie).await.allow(&stack).await;
    // An application of ours asks when it wants to.
    let ours = stack.get(&stack.authorize(&[("prompt", "consent")]), &signed_in.cookie).await;
    Page::shown(ours, &signed_in.cookie).await.allow(&stack).await;
    stack.stop().await;
}

#[tokio::test]
async fn who_does_not_agree_is_not_known_to_the_application() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let page = Page::of(&stack, &signed_in.cookie, "openid").await;
    for decision in ["deny", "", "ALLOW"] {
        let answer = location(&page.answer(&stack, decision).send().await.unwrap());
        assert_eq!(query(&answer, "error").as_deref(), Some("access_denied"));
        assert_eq!(query(&answer, "state").as_deref(), Some("a b&c"));
        assert_eq!(query(&answer, "code"), None);
    }
    assert_eq!(listed(&stack, &user(&signed_in)).await, []);
    assert!(stack.is_signed_in(&signed_in.cookie).await);
    stack.stop().await;
}

#[tokio::test]
async fn somebody_who_signs_in_for_it_is_asked_then() {
    let stack = Stack::start().await;
    let form = stack.get(&address(&stack, "openid", ""), "").await;
    let cookie = cookie_of(&form, "interaction").unwrap();
    let html = form.text().await.unwrap();
    let fields =
        [("interaction", field_of(&html)), ("login", "ada@example.com"), ("password", "correct horse battery staple")];
    let request = stack.http.post(stack.at("/login")).header(header::COOKIE, &cookie).form(&fields);
    let signed_in = request.send().await.unwrap();
    let sso = cookie_of(&signed_in, "sso").unwrap();
    let code = Page::shown(signed_in, &sso).await.allow(&stack).await;
    assert!(stack.exchange("asks", &code).await["access_token"].is_string());
    stack.stop().await;
}

#[tokio::test]
async fn answer_counts_only_from_the_browser_and_the_sign_in_that_were_asked() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let page = Page::of(&stack, &signed_in.cookie, "openid").await;
    let bare = Page { html: page.html.clone(), cookies: signed_in.cookie.clone() };
    let other = stack.sign_in_as(("grace@example.com", "nanoseconds matter too"), "").await;
    let interaction = page.cookies.split("; ").nth(1).unwrap();
    let others = Page { html: page.html.clone(), cookies: format!("{}; {interaction}", other.cookie) };
    let nobody = Page { html: page.html.clone(), cookies: interaction.to_owned() };
    for request in [
        page.answer(&stack, "allow").header(header::ORIGIN, "https://evil.example"),
        page.answer(&stack, "allow").header("sec-fetch-site", "cross-site"),
        bare.answer(&stack, "allow"),
        others.answer(&stack, "allow"),
        nobody.answer(&stack, "allow"),
    ] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    // A form of another page is no consent.
    let mixed =
        Page { html: page.html.replace("name=\"interaction\" value=\"", "name=\"interaction\" value=\"x"), ..page };
    assert_eq!(mixed.answer(&stack, "allow").send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(listed(&stack, &user(&signed_in)).await, []);
    assert_eq!(listed(&stack, &user(&other)).await, []);
    stack.stop().await;
}

#[tokio::test]
async fn withdrawn_consent_ends_the_sessions_and_asks_again() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let first = Page::of(&stack, &signed_in.cookie, "openid").await.allow(&stack).await;
    let tokens: Value = stack.exchange("asks", &first).await;
    let late = Page::of(&stack, &signed_in.cookie, "openid email").await.allow(&stack).await;
    assert!(stack.is_active("asks", &tokens).await);
    withdraw(&stack, &user(&signed_in)).await.unwrap();
    assert!(!stack.is_active("asks", &tokens).await);
    assert_eq!(stack.exchange("asks", &late).await["error"], "invalid_grant", "a code that was under way");
    assert!(stack.is_active("demo-web", &signed_in.tokens).await && stack.is_signed_in(&signed_in.cookie).await);
    let answer = location(&stack.get(&address(&stack, "openid", "none"), &signed_in.cookie).await);
    assert_eq!(query(&answer, "error").as_deref(), Some("consent_required"));
    assert_eq!(withdraw(&stack, &user(&signed_in)).await.unwrap_err().code(), Code::NotFound);
    stack.stop().await;
}
