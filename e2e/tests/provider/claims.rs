//! The `claims` parameter (OpenID Connect Core 1.0 §5.5).

use serde_json::{Value, json};

use super::support::{Browser, Client, Provider, Tokens, WEB};

const POLITE: Client =
    Client { id: "polite", secret: "polite-secret", redirect_uri: "https://polite.example/cb", ..WEB };

async fn signed_in(provider: &Provider, claims: &Value) -> Tokens {
    WEB.sign_in(provider, &Browser::new(), &[("claims", &claims.to_string())]).await
}

#[tokio::test]
async fn oidcc_claims_essential() {
    let provider = Provider::start().await;
    let tokens = signed_in(&provider, &json!({ "userinfo": { "name": { "essential": true } } })).await;
    let (_, found) = provider.userinfo(&tokens.access).await;
    assert_eq!(found["name"], "Ada Lovelace");
    // Nothing but what was asked for, and nowhere but where it was asked for.
    assert_eq!(found.as_object().unwrap().len(), 2, "{found}");
    assert_eq!(tokens.claims().get("name"), None);
    // It stays so for tokens that are refreshed.
    let again = Tokens::of(WEB.refresh(&provider, &tokens.refresh, &[]).await);
    assert_eq!(provider.userinfo(&again.access).await.1, found);
}

#[tokio::test]
async fn id_token_tells_what_it_is_asked_for() {
    let provider = Provider::start().await;
    let asked = json!({ "id_token": { "email": null, "auth_time": { "essential": true }, "zoneinfo": null } });
    let tokens = signed_in(&provider, &asked).await;
    let told = tokens.claims();
    assert_eq!((&told["email"], told["auth_time"].is_i64()), (&"ada@example.com".into(), true));
    assert_eq!((told.get("zoneinfo"), told.get("name")), (None, None), "nothing is told of what is not known");
    assert_eq!(provider.userinfo(&tokens.access).await.1.get("email"), None);
}

#[tokio::test]
async fn request_may_be_for_one_user_only() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let ada = WEB.sign_in(&provider, &browser, &[]).await.claims()["sub"].as_str().unwrap().to_owned();
    for (sub, expected) in [(ada.as_str(), None), ("user_somebody", Some("login_required".to_owned()))] {
        let claims = json!({ "id_token": { "sub": { "value": sub } } }).to_string();
        let page = WEB.authorize(&provider, &browser, &[("claims", &claims), ("prompt", "none")]).await;
        assert_eq!(page.find("error"), expected);
    }
}

#[tokio::test]
async fn what_cannot_be_read_or_met_is_refused() {
    let provider = Provider::start().await;
    for (claims, expected) in [
        ("{", "invalid_request"),
        (r#"{"userinfo":{"name":true}}"#, "invalid_request"),
        (r#"{"id_token":{"acr":{"essential":true,"value":"gold"}}}"#, "unmet_authentication_requirements"),
    ] {
        let page = WEB.authorize(&provider, &Browser::new(), &[("claims", claims)]).await;
        assert_eq!(page.answer("error"), expected, "{claims}");
    }
}

#[tokio::test]
async fn user_is_asked_for_claims_as_for_their_scopes() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    WEB.sign_in(&provider, &browser, &[]).await;
    let claims = json!({ "userinfo": { "email": null } }).to_string();
    let page = POLITE.authorize(&provider, &browser, &[("claims", &claims)]).await;
    assert!(page.html.contains("consent-allow") && page.html.contains("See your e-mail address"), "{}", page.html);
    let mut fields = page.hidden_fields();
    fields.push(("decision".to_owned(), "allow".to_owned()));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let code = browser.post(&page.action(), &fields).await.answer("code");
    let tokens = Tokens::of(POLITE.exchange(&provider, &code).await);
    assert_eq!(provider.userinfo(&tokens.access).await.1["email"], "ada@example.com");
    // Who agreed to the address did not agree to the name.
    let claims = json!({ "id_token": { "name": null } }).to_string();
    let page = POLITE.authorize(&provider, &browser, &[("claims", &claims), ("prompt", "none")]).await;
    assert_eq!(page.answer("error"), "consent_required");
}
