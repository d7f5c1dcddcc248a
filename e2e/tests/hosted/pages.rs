//! What every page must be: in the language that is asked for, closed to what is injected, with its headers.

use reqwest::{
    StatusCode,
    header::{self, HeaderMap},
};
use url::Url;

use crate::support::{REDIRECT, Stack, cookie_of, field_of};

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'";

async fn shown(stack: &Stack, address: &str, accept_language: &str) -> (Head, String) {
    let request = stack.http.get(address).header(header::ACCEPT_LANGUAGE, accept_language);
    let response = request.send().await.unwrap();
    let head = Head { status: response.status(), headers: response.headers().clone() };
    (head, response.text().await.unwrap())
}

/// Status and headers, which outlive the body.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

#[tokio::test]
async fn pages_speak_the_language_that_is_asked_for() {
    let stack = Stack::start().await;
    for (extra, accept, language, text) in [
        (None, "de-AT, en;q=0.5", "de", "Anmelden"),
        (None, "fr", "en", "Sign in"),
        (Some(("ui_locales", "de")), "en", "de", "Auf diesem Gerät angemeldet bleiben"),
        (Some(("ui_locales", "en")), "de", "en", "Keep me signed in"),
    ] {
        let address = stack.authorize(&Vec::from_iter(extra));
        let (_, html) = shown(&stack, &address, accept).await;
        assert!(html.contains(&format!("<html lang=\"{language}\">")) && html.contains(text), "{html}");
        // The form goes on in it, whatever the browser prefers.
        assert!(html.contains(&format!("/login?ui_locales={language}\"")), "{html}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn nothing_injected_reaches_a_page_as_markup() {
    let stack = Stack::start().await;
    for name in ["login_hint", "ui_locales", "state", "nonce", "acr_values", "display", "claims_locales"] {
        let (_, html) = shown(&stack, &with(&stack.authorize(&[]), name, HOSTILE), "en").await;
        assert!(!html.contains("<script") && !html.contains("<img"), "{name}: {html}");
    }
    let errors = [
        with(&stack.at("/authorize"), "client_id", HOSTILE),
        with(&with(&stack.at("/authorize"), "client_id", "demo-web"), "redirect_uri", HOSTILE),
        with(&stack.at("/logout"), "id_token_hint", HOSTILE),
        with(&stack.at("/logout"), "post_logout_redirect_uri", HOSTILE),
        stack.at("/%22%3E%3Cscript%3Ealert(1)%3C/script%3E"),
    ];
    for address in errors {
        let (head, html) = shown(&stack, &address, HOSTILE).await;
        assert!(head.status.is_client_error(), "{address}");
        assert!(!html.contains("<script") && !html.contains("<img"), "{address}: {html}");
    }
    stack.stop().await;
}

/// An address with one more parameter; one of the same name is replaced.
fn with(address: &str, name: &str, value: &str) -> String {
    let mut url = Url::parse(address).unwrap();
    let others: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(known, _)| known != name).collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    url.into()
}

#[tokio::test]
async fn every_page_has_its_headers() {
    let stack = Stack::start().await;
    let long = format!("{}?x={}", stack.at("/authorize"), "a".repeat(9_000));
    for (address, status) in [
        (stack.authorize(&[]), StatusCode::OK),
        (stack.at("/authorize"), StatusCode::BAD_REQUEST),
        (stack.at("/login"), StatusCode::METHOD_NOT_ALLOWED),
        (stack.at("/logout"), StatusCode::OK),
        (stack.at("/account"), StatusCode::OK),
        (stack.at("/account/end"), StatusCode::METHOD_NOT_ALLOWED),
        (stack.at("/account/login"), StatusCode::METHOD_NOT_ALLOWED),
        (stack.at("/consent"), StatusCode::METHOD_NOT_ALLOWED),
        (stack.at("/logout/confirm"), StatusCode::METHOD_NOT_ALLOWED),
        (stack.at("/nothing"), StatusCode::NOT_FOUND),
        (stack.at("/t/nobody/authorize"), StatusCode::NOT_FOUND),
        (long, StatusCode::URI_TOO_LONG),
    ] {
        let (head, html) = shown(&stack, &address, "en").await;
        assert_eq!(head.status, status, "{address}");
        assert!(html.contains("<h1>"), "{address}: {html}");
        let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        assert_eq!(header("cache-control"), "no-store", "{address}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{address}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{address}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{address}");
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"] {
            assert!(policy.contains(part), "{address}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{address}: {policy}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn sign_in_form_from_elsewhere_is_refused_and_says_why() {
    let stack = Stack::start().await;
    let page = stack.get(&stack.authorize(&[]), "").await;
    let cookie = cookie_of(&page, "interaction").unwrap();
    let html = page.text().await.unwrap();
    let field = field_of(&html).to_owned();
    let form =
        [("interaction", field.as_str()), ("login", "ada@example.com"), ("password", "correct horse battery staple")];
    let post = || stack.http.post(stack.at("/login")).form(&form);
    let others_cookie = cookie.split('=').next().unwrap().to_owned() + "=aaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (request, text) in [
        (post(), "Cookies are needed"),
        (post().header(header::COOKIE, others_cookie), "Please start again"),
        (post().header(header::COOKIE, &cookie).header(header::ORIGIN, "https://evil.example"), "Please start again"),
        (post().header(header::COOKIE, &cookie).header("sec-fetch-site", "cross-site"), "Please start again"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(cookie_of(&answer, "sso").is_none());
        assert!(answer.text().await.unwrap().contains(text));
    }
    let answer = post().header(header::COOKIE, &cookie).send().await.unwrap();
    assert!(answer.headers()[header::LOCATION].to_str().unwrap().starts_with(REDIRECT));
    stack.stop().await;
}

#[tokio::test]
async fn cookie_value_that_was_planted_is_never_adopted() {
    let stack = Stack::start().await;
    let planted = stack.sign_in().await;
    let mine = stack.sign_in_with(&planted.cookie).await;
    assert_ne!(mine.cookie, planted.cookie);
    assert!(!stack.is_signed_in(&planted.cookie).await);
    assert!(stack.is_signed_in(&mine.cookie).await);
    assert!(!stack.is_signed_in("lk_sso_default=lkr_invented").await);
    stack.stop().await;
}
