//! What attackers try with the hosted pages, beyond what the other modules play.

use reqwest::{StatusCode, header};
use url::Url;

use crate::support::{AFTER, Stack, cookie_of, field_of, id_token};

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'";

/// Spellings that some servers take for the registered address, or for one that is near enough.
const REDIRECTS: [&str; 24] = [
    "//evil.example/",
    "///evil.example/",
    "\\\\evil.example\\",
    "/\\evil.example/",
    "https:evil.example",
    "https://evil.example/http://localhost:8080/",
    "http://localhost:8080@evil.example/",
    "http://localhost:8080%40evil.example/",
    "http://evil.example#@localhost:8080/",
    "http://localhost:8080/#fragment",
    "http://localhost:8080/?",
    "http://localhost:8080/../evil",
    "http://localhost:8080/.",
    "http://localhost:8080//",
    "http://localhost:8080",
    "HTTP://localhost:8080/",
    "http://LOCALHOST:8080/",
    "http://localhost:08080/",
    "http://localhost:8080/%2e%2e/",
    "http://localhost.evil.example:8080/",
    "http://127.0.0.1:8080/",
    "http://lоcalhost:8080/",
    "javascript:alert(1)//http://localhost:8080/",
    " http://localhost:8080/",
];

#[tokio::test]
async fn logout_leads_nowhere_but_to_registered_addresses() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let hint = id_token(&signed_in);
    for uri in REDIRECTS {
        let mut url = Url::parse(&stack.at("/logout")).unwrap();
        url.query_pairs_mut().extend_pairs([("id_token_hint", hint), ("post_logout_redirect_uri", uri)]);
        let answer = stack.get(url.as_str(), &signed_in.cookie).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{uri}");
        assert!(answer.headers().get(header::LOCATION).is_none(), "{uri}");
    }
    assert!(stack.is_signed_in(&signed_in.cookie).await);
    assert!(stack.get(&stack.logout(hint), &signed_in.cookie).await.headers()[header::LOCATION] == AFTER);
    stack.stop().await;
}

#[tokio::test]
async fn sign_in_leads_nowhere_but_to_registered_addresses() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    for uri in REDIRECTS.map(|uri| uri.replacen("localhost:8080/", "localhost:8080/cb", 1)) {
        if uri == crate::support::REDIRECT {
            continue;
        }
        let answer = stack.get(&stack.authorize_for("demo-web", &[("redirect_uri", &uri)]), &signed_in.cookie).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{uri}");
        assert!(answer.headers().get(header::LOCATION).is_none(), "{uri}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn what_was_typed_comes_back_as_text() {
    let stack = Stack::start().await;
    let page = stack.get(&stack.authorize(&[]), "").await;
    let cookie = cookie_of(&page, "interaction").unwrap();
    let html = page.text().await.unwrap();
    let refused = StatusCode::UNAUTHORIZED;
    let logins = [
        (HOSTILE.to_owned(), refused),
        ("x".repeat(5_000), refused),
        ("\r\n".to_owned(), refused),
        ("ada@example.com ".repeat(100), refused),
        ("\0".to_owned(), StatusCode::BAD_REQUEST),
    ];
    for (login, expected) in logins {
        let form = [("interaction", field_of(&html)), ("login", &login), ("password", HOSTILE), ("remember", HOSTILE)];
        let request = stack.http.post(stack.at("/login")).header(header::COOKIE, &cookie).form(&form);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), expected);
        let html = answer.text().await.unwrap();
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("onerror=alert(1)>'"), "{html}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn hosts_that_a_request_claims_reach_no_page() {
    let stack = Stack::start().await;
    for name in ["host", "x-forwarded-host", "forwarded", "x-original-host"] {
        let value = if name == "forwarded" { "host=evil.example" } else { "evil.example" };
        for address in [stack.authorize(&[]), stack.at("/logout"), stack.at("/.well-known/openid-configuration")] {
            let answer = stack.http.get(&address).header(name, value).send().await.unwrap();
            assert!(!answer.text().await.unwrap().contains("evil.example"), "{name} {address}");
        }
    }
    stack.stop().await;
}

#[tokio::test]
async fn session_of_one_tenant_is_none_in_another() {
    let stack = Stack::start_with("[[tenants]]\nid = \"other\"\nname = \"Other\"\n\n[[applications]]\nid = \"elsewhere\"\ntenant = \"other\"\nname = \"Elsewhere\"\nsecret = \"elsewhere-secret\"\nredirect_uris = [\"http://localhost:8080/cb\"]").await;
    let signed_in = stack.sign_in().await;
    let moved = signed_in.cookie.replace("_default=", "_other=");
    let there = stack.authorize_for("elsewhere", &[("prompt", "none")]).replace("/authorize", "/t/other/authorize");
    let answer = stack.get(&there, &moved).await;
    assert!(answer.headers()[header::LOCATION].to_str().unwrap().contains("error=login_required"));
    // Nor is an application of one tenant known in another.
    let here = stack.get(&stack.authorize_for("elsewhere", &[]), &signed_in.cookie).await;
    assert_eq!(here.status(), StatusCode::BAD_REQUEST);
    stack.stop().await;
}
