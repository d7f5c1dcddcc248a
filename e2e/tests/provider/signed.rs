//! Answers that are signed: UserInfo (OpenID Connect Core 1.0 §5.3.2) and introspection (RFC 9701).

use serde_json::{Value, json};

use super::support::{Browser, Client, Provider, WEB, claims, header, verified};

const CALLER: Client =
    Client { id: "caller", secret: "caller-secret", redirect_uri: "https://caller.example/cb", ..WEB };

#[tokio::test]
async fn userinfo_is_signed_for_who_wants_it_so() {
    let provider = Provider::start().await;
    let tokens = CALLER.sign_in(&provider, &Browser::new(), &[("scope", "openid email")]).await;
    let request = provider.http.get(format!("{}/userinfo", provider.issuer)).bearer_auth(&tokens.access);
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/jwt".parse().unwrap())
    );
    let jwt = response.text().await.unwrap();
    let told = verified(&provider, &jwt).await;
    assert_eq!((&told["iss"], &told["aud"]), (&provider.issuer.clone().into(), &CALLER.id.into()));
    assert_eq!((&told["sub"], &told["email"]), (&tokens.claims()["sub"], &"ada@example.com".into()));
    // It passes for no other token.
    let page = CALLER.authorize(&provider, &Browser::new(), &[("id_token_hint", &jwt), ("prompt", "none")]).await;
    assert_eq!(page.answer("error"), "invalid_request");
    assert_eq!(provider.userinfo(&jwt).await.0, 401);
}

/// Asks introspection for a signed answer.
async fn introspect(provider: &Provider, client: &Client, token: &str) -> String {
    let request =
        provider.http.post(format!("{}/introspect", provider.issuer)).basic_auth(client.id, Some(client.secret));
    let request = request.header("accept", "application/json;q=0.5, application/token-introspection+jwt");
    let response = request.form(&[("token", token)]).send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!((response.status().as_u16(), kind.as_str()), (200, "application/token-introspection+jwt"));
    response.text().await.unwrap()
}

#[tokio::test]
async fn introspection_is_signed_for_who_accepts_it_so() {
    let provider = Provider::start().await;
    let tokens = WEB.sign_in(&provider, &Browser::new(), &[]).await;
    let jwt = introspect(&provider, &WEB, &tokens.access).await;
    assert_eq!(header(&jwt)["typ"], "token-introspection+jwt");
    let told = verified(&provider, &jwt).await;
    assert_eq!((&told["iss"], &told["aud"]), (&provider.issuer.clone().into(), &WEB.id.into()));
    assert_eq!((told["iat"].as_i64(), told.get("sub"), told.get("exp")), (Some(provider.now()), None, None));
    let plain: Value = provider.introspect(&WEB, &tokens.access).await;
    assert_eq!(told["token_introspection"], plain);
    let nothing = introspect(&provider, &WEB, "nothing").await;
    assert_eq!(claims(&nothing)["token_introspection"], json!({ "active": false }));
    assert_eq!(provider.introspect(&WEB, &jwt).await, json!({ "active": false }), "it is no token itself");
}
