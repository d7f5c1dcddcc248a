//! `oidcc-rp-initiated-logout-certification-test-plan`, in our own words: one test a module.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use url::Url;

use crate::support::{AFTER, SignedIn, Stack, cookie_of, field_of, id_token, location};

/// The longest state that the suite sends.
const STATE: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_~.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

async fn started() -> (Stack, SignedIn) {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    (stack, signed_in)
}

async fn log_out(stack: &Stack, cookie: &str, parameters: &[(&str, &str)]) -> Response {
    let mut url = Url::parse(&stack.at("/logout")).unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    stack.get(url.as_str(), cookie).await
}

/// The request is refused on a page, and nothing ended.
async fn is_refused(stack: Stack, signed_in: &SignedIn, parameters: &[(&str, &str)]) {
    let answer = log_out(&stack, &signed_in.cookie, parameters).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.headers().get(header::LOCATION).is_none() && cookie_of(&answer, "sso").is_none());
    assert!(answer.text().await.unwrap().contains("This sign-out link does not work"));
    assert!(stack.is_signed_in(&signed_in.cookie).await);
    stack.stop().await;
}

/// The page that says so is shown, and the user is signed out.
async fn says_signed_out(stack: Stack, signed_in: &SignedIn, answer: Response) {
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(cookie_of(&answer, "sso").as_deref(), Some("lk_sso_default="));
    assert!(answer.text().await.unwrap().contains("You are signed out"));
    assert!(!stack.is_signed_in(&signed_in.cookie).await);
    stack.stop().await;
}

/// Somebody without a hint is asked, and says yes.
async fn confirmed(stack: &Stack, cookie: &str, parameters: &[(&str, &str)]) -> Response {
    let question = Question::of(stack, cookie, parameters).await;
    assert!(stack.is_signed_in(cookie).await, "not before the answer");
    question.confirm(stack, cookie).await
}

/// The page that asks whether to sign out, as a browser has it.
struct Question {
    binding: String,
    html: String,
}

impl Question {
    async fn of(stack: &Stack, cookie: &str, parameters: &[(&str, &str)]) -> Self {
        let page = log_out(stack, cookie, parameters).await;
        assert_eq!(page.status(), StatusCode::OK);
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "nobody is led to press it unseen");
        let binding = cookie_of(&page, "interaction").unwrap();
        let html = page.text().await.unwrap();
        assert!(html.contains("id=\"logout-confirm\""), "{html}");
        Self { binding, html }
    }

    /// Says yes, in a browser with these cookies and that of the question.
    async fn confirm(&self, stack: &Stack, cookie: &str) -> Response {
        self.confirm_with(stack, &format!("{cookie}; {}", self.binding)).await
    }

    async fn confirm_with(&self, stack: &Stack, cookies: &str) -> Response {
        let form = [("interaction", field_of(&self.html))];
        stack.http.post(stack.at("/logout/confirm")).header(header::COOKIE, cookies).form(&form).send().await.unwrap()
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    let stack = Stack::start().await;
    let document = stack.get(&stack.at("/.well-known/openid-configuration"), "").await;
    let document: Value = document.json().await.unwrap();
    assert_eq!(document["end_session_endpoint"], stack.at("/logout"));
    stack.stop().await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout() {
    let (stack, signed_in) = started().await;
    assert_eq!(STATE.len(), 128);
    let hint = id_token(&signed_in);
    let asked = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", STATE)];
    let answer = location(&log_out(&stack, &signed_in.cookie, &asked).await);
    assert_eq!(answer.as_str(), format!("{AFTER}?state={STATE}").replace('~', "%7E"));
    assert!(!stack.is_signed_in(&signed_in.cookie).await);
    stack.stop().await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_state() {
    let (stack, signed_in) = started().await;
    let asked = [("id_token_hint", id_token(&signed_in)), ("post_logout_redirect_uri", AFTER)];
    assert_eq!(location(&log_out(&stack, &signed_in.cookie, &asked).await).as_str(), AFTER);
    assert!(!stack.is_signed_in(&signed_in.cookie).await);
    stack.stop().await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    let (stack, signed_in) = started().await;
    let asked = [("id_token_hint", id_token(&signed_in)), ("post_logout_redirect_uri", "https://elsewhere.example/")];
    is_refused(stack, &signed_in, &asked).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    let (stack, signed_in) = started().await;
    let uri = format!("{AFTER}?foo=bar");
    is_refused(stack, &signed_in, &[("id_token_hint", id_token(&signed_in)), ("post_logout_redirect_uri", &uri)]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    let (stack, signed_in) = started().await;
    let payload = id_token(&signed_in).split('.').nth(1).unwrap();
    let unsigned = format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#));
    is_refused(stack, &signed_in, &[("id_token_hint", &unsigned), ("post_logout_redirect_uri", AFTER)]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    let (stack, signed_in) = started().await;
    let (signed, signature) = id_token(&signed_in).rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[0] ^= 1;
    let bad = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
    is_refused(stack, &signed_in, &[("id_token_hint", &bad), ("post_logout_redirect_uri", AFTER)]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_id_token_hint() {
    let (stack, signed_in) = started().await;
    is_refused(stack, &signed_in, &[("post_logout_redirect_uri", AFTER), ("client_id", "demo-web")]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_params() {
    let (stack, signed_in) = started().await;
    let answer = confirmed(&stack, &signed_in.cookie, &[]).await;
    says_signed_out(stack, &signed_in, answer).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_only_state() {
    let (stack, signed_in) = started().await;
    let answer = confirmed(&stack, &signed_in.cookie, &[("state", STATE)]).await;
    says_signed_out(stack, &signed_in, answer).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    let (stack, signed_in) = started().await;
    let answer = log_out(&stack, &signed_in.cookie, &[("id_token_hint", id_token(&signed_in))]).await;
    says_signed_out(stack, &signed_in, answer).await;
}

#[tokio::test]
async fn client_id_that_is_not_the_hints_is_refused() {
    let (stack, signed_in) = started().await;
    is_refused(stack, &signed_in, &[("id_token_hint", id_token(&signed_in)), ("client_id", "demo-spa")]).await;
}

/// The browser has no cookie: it kept none, as where `sso_without_keep_signed_in` is `NONE`, or it is another one. Whose it is
/// is not proven, so it is asked.
#[tokio::test]
async fn hint_without_the_cookie_ends_its_session_after_the_user_confirms() {
    let (stack, signed_in) = started().await;
    let front = stack.open("front-web", &signed_in.cookie).await;
    let kept = stack.open("front-kept", &signed_in.cookie).await;
    let asked = [("id_token_hint", id_token(&signed_in)), ("post_logout_redirect_uri", AFTER), ("state", "s1")];
    let question = Question::of(&stack, "", &asked).await;
    assert!(stack.is_signed_in(&signed_in.cookie).await, "not before the answer");
    let foreign = question.confirm_with(&stack, "").await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN, "the answer counts from the browser that was asked only");
    assert!(stack.is_signed_in(&signed_in.cookie).await);
    let answer = question.confirm(&stack, "").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let page = answer.text().await.unwrap();
    assert!(page.contains("http://localhost:9801/out") && !page.contains("http://localhost:9803/out"), "{page}");
    assert!(page.contains(&format!("id=\"continue\" href=\"{AFTER}?state=s1\"")), "{page}");
    assert!(!stack.is_signed_in(&signed_in.cookie).await);
    assert!(!stack.is_active("demo-web", &signed_in.tokens).await && !stack.is_active("front-web", &front).await);
    // As far as the application's logouts reach, and no further.
    assert!(stack.is_active("front-kept", &kept).await);
    // What is over is over: there is nothing left to ask about.
    assert!(location(&log_out(&stack, "", &asked).await).as_str().starts_with(AFTER));
    stack.stop().await;
}

#[tokio::test]
async fn hint_of_a_session_that_lives_on_alone_ends_that_one() {
    let (stack, signed_in) = started().await;
    let kept = stack.open("front-kept", &signed_in.cookie).await;
    log_out(&stack, &signed_in.cookie, &[("id_token_hint", id_token(&signed_in))]).await;
    assert!(stack.is_active("front-kept", &kept).await);
    let hint = kept["id_token"].as_str().unwrap();
    let question = Question::of(&stack, "", &[("id_token_hint", hint)]).await;
    assert!(stack.is_active("front-kept", &kept).await);
    assert_eq!(question.confirm(&stack, "").await.status(), StatusCode::OK);
    assert!(!stack.is_active("front-kept", &kept).await);
    stack.stop().await;
}

/// Another user of the browser is asked about their own session, whatever the hint says.
#[tokio::test]
async fn hint_of_somebody_else_ends_nothing_of_theirs() {
    let (stack, ada) = started().await;
    let grace = stack.sign_in_as(("grace@example.com", "nanoseconds matter too"), "").await;
    let question = Question::of(&stack, &grace.cookie, &[("id_token_hint", id_token(&ada))]).await;
    assert_eq!(question.confirm(&stack, &grace.cookie).await.status(), StatusCode::OK);
    assert!(stack.is_signed_in(&ada.cookie).await && !stack.is_signed_in(&grace.cookie).await);
    stack.stop().await;
}
