//! Access tokens for other services: resource indicators (RFC 8707).

use serde_json::json;

use super::support::{Browser, Client, Provider, Tokens, WEB, claims};

const CALLER: Client =
    Client { id: "caller", secret: "caller-secret", redirect_uri: "https://caller.example/cb", ..WEB };
const API: (&str, &str) = ("resource", "https://api.example/v1");
const MAIL: (&str, &str) = ("resource", "urn:example:mail");

async fn code(provider: &Provider, resources: &[(&str, &str)]) -> String {
    let browser = Browser::new();
    let request = [&CALLER.request(&[]), resources].concat();
    let page = browser.get(&format!("{}/authorize", provider.issuer), &request).await;
    browser.sign_in(&page).await.answer("code")
}

async fn exchange(provider: &Provider, code: &str, resources: &[(&str, &str)]) -> (u16, serde_json::Value) {
    let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLER.redirect_uri)];
    provider.post(&CALLER, "token", &[&fields, resources].concat()).await
}

#[tokio::test]
async fn token_is_for_the_resources_that_were_granted_and_no_others() {
    let provider = Provider::start().await;
    let granted = code(&provider, &[API, MAIL]).await;
    let both = Tokens::of(exchange(&provider, &granted, &[]).await);
    assert_eq!(claims(&both.access)["aud"], json!([API.1, MAIL.1]));
    assert_eq!(provider.introspect(&CALLER, &both.access).await["aud"], json!([API.1, MAIL.1]));
    // Fewer for one token; the refresh token keeps them all.
    let one = Tokens::of(CALLER.refresh(&provider, &both.refresh, &[MAIL]).await);
    assert_eq!(claims(&one.access)["aud"], MAIL.1);
    let again = Tokens::of(CALLER.refresh(&provider, &one.refresh, &[]).await);
    assert_eq!(claims(&again.access)["aud"], json!([API.1, MAIL.1]));
    assert_eq!(
        CALLER.refresh(&provider, &both.refresh, &[("resource", "https://other.example/")]).await.1["error"],
        "invalid_target"
    );
    let granted = code(&provider, &[API]).await;
    let narrow = Tokens::of(exchange(&provider, &granted, &[API]).await);
    assert_eq!(claims(&narrow.access)["aud"], API.1);
    assert_eq!(CALLER.refresh(&provider, &narrow.refresh, &[MAIL]).await.1["error"], "invalid_target");
    let granted = code(&provider, &[API]).await;
    assert_eq!(exchange(&provider, &granted, &[MAIL]).await.1["error"], "invalid_target");
}

#[tokio::test]
async fn token_for_another_service_is_not_one_for_ours() {
    let provider = Provider::start().await;
    let tokens = Tokens::of(exchange(&provider, &code(&provider, &[API]).await, &[]).await);
    assert_eq!(provider.userinfo(&tokens.access).await.0, 401);
    let plain = CALLER.sign_in(&provider, &Browser::new(), &[]).await;
    assert_eq!((&claims(&plain.access)["aud"], provider.userinfo(&plain.access).await.0), (&"latchkey".into(), 200));
}

#[tokio::test]
async fn application_asks_for_what_it_may_only() {
    let provider = Provider::start().await;
    for resource in ["https://other.example/", "https://api.example/v1/", "https://api.example/v1#x", "api"] {
        let page = CALLER.authorize(&provider, &Browser::new(), &[("resource", resource)]).await;
        assert_eq!(page.answer("error"), "invalid_target", "{resource}");
    }
    assert_eq!(WEB.authorize(&provider, &Browser::new(), &[API]).await.answer("error"), "invalid_target");
    let own = [("grant_type", "client_credentials"), API];
    let tokens = Tokens::of(provider.post(&CALLER, "token", &own).await);
    assert_eq!(claims(&tokens.access)["aud"], API.1);
    let backend = Client { id: "demo-backend", secret: "demo-backend-secret", ..WEB };
    assert_eq!(provider.post(&backend, "token", &own).await.1["error"], "invalid_target");
}

#[tokio::test]
async fn pushed_request_and_one_that_comes_again_keep_their_resources() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let request = [&CALLER.request(&[])[..], &[API, MAIL]].concat();
    let (_, pushed) = provider.post(&CALLER, "par", &request).await;
    let fields = [("client_id", CALLER.id), ("request_uri", pushed["request_uri"].as_str().unwrap())];
    let page = browser.get(&format!("{}/authorize", provider.issuer), &fields).await;
    let granted = browser.sign_in(&page).await.answer("code");
    let tokens = Tokens::of(exchange(&provider, &granted, &[]).await);
    assert_eq!(claims(&tokens.access)["aud"], json!([API.1, MAIL.1]));
    let page = browser.post_from_elsewhere(&format!("{}/authorize", provider.issuer), &request).await;
    let granted = browser.get(&page.location(), &[]).await.answer("code");
    let tokens = Tokens::of(exchange(&provider, &granted, &[]).await);
    assert_eq!(claims(&tokens.access)["aud"], json!([API.1, MAIL.1]));
}
