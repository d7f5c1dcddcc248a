//! Tokens that are not what they should be: forged, of another kind, of another tenant.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::support::{Browser, OTHER, Provider, WEB, claims, header};

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Checks that nobody takes `token` for an access token.
async fn is_nothing(provider: &Provider, token: &str, what: &str) {
    assert_eq!(provider.userinfo(token).await.0, 401, "{what}");
    assert_eq!(provider.introspect(&WEB, token).await, json!({ "active": false }), "{what}");
}

/// Whatever is changed, the signature is the old one; what somebody else signed is in `embedded_keys`.
#[tokio::test]
async fn a_token_with_another_algorithm_header_or_signature_is_nothing() {
    let provider = Provider::start().await;
    let tokens = WEB.sign_in(&provider, &Browser::new(), &[]).await;
    let (head, body) = (header(&tokens.access), claims(&tokens.access));
    let signature = tokens.access.rsplit('.').next().unwrap().to_owned();
    let keys: Value =
        provider.http.get(format!("{}/jwks", provider.issuer)).send().await.unwrap().json().await.unwrap();
    let mut forged = vec![
        ("no signature", format!("{}.{}.", encode(&json!({ "alg": "none", "typ": "at+jwt" })), encode(&body))),
        ("empty signature", format!("{}.{}.", encode(&head), encode(&body))),
    ];
    // HS256 under everything public that a careless verifier might take for the secret.
    let rsa = keys["keys"].as_array().unwrap().iter().find(|key| key["kty"] == "RSA").unwrap();
    for secret in [rsa.to_string(), rsa["n"].as_str().unwrap().to_owned(), String::new()] {
        let start =
            format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "at+jwt", "kid": head["kid"] })), encode(&body));
        let mac = svc_kit::secret::hmac_sha256(secret.as_bytes(), &[start.as_bytes()]);
        forged.push(("HS256", format!("{start}.{}", URL_SAFE_NO_PAD.encode(mac))));
    }
    for changes in [
        json!({ "alg": "PS256" }),
        json!({ "alg": "RS384" }),
        json!({ "typ": "JWT" }),
        json!({ "kid": "../../../../dev/null" }),
        json!({ "kid": "' OR 1=1 --" }),
        json!({ "kid": "\u{0}" }),
        json!({ "kid": "k".repeat(8000) }),
        json!({ "kid": null }),
        json!({ "crit": ["exp"] }),
        json!({ "b64": false, "crit": ["b64"] }),
    ] {
        let mut head = head.clone();
        head.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        forged.push(("another header", format!("{}.{}.{signature}", encode(&head), encode(&body))));
    }
    for (name, value) in
        [("sub", json!("user_x")), ("exp", json!(i64::MAX)), ("scope", json!("openid email sessions.admin"))]
    {
        let mut body = body.clone();
        body[name] = value;
        forged.push(("another body", format!("{}.{}.{signature}", encode(&head), encode(&body))));
    }
    for (what, token) in &forged {
        is_nothing(&provider, token, what).await;
    }
    is_nothing(&provider, &format!("{}.", tokens.access), "one part more").await;
    is_nothing(&provider, &format!("{}.{}", tokens.access, "x.y"), "five parts").await;
    assert_eq!(provider.userinfo(&tokens.access).await.0, 200, "the real one");
}

#[tokio::test]
async fn one_kind_of_token_does_not_pass_for_another() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let tokens = WEB.sign_in(&provider, &browser, &[]).await;
    is_nothing(&provider, &tokens.id, "an ID token").await;
    assert_eq!(provider.userinfo(&tokens.refresh).await.0, 401, "a refresh token");
    for token in [&tokens.access, &tokens.id] {
        assert_eq!(WEB.refresh(&provider, token, &[]).await.1["error"], "invalid_grant");
    }
    for hint in [&tokens.access, &tokens.refresh] {
        let page = WEB.authorize(&provider, &browser, &[("id_token_hint", hint), ("prompt", "none")]).await;
        assert_eq!(page.answer("error"), "invalid_request");
        let page = browser.get(&format!("{}/logout", provider.issuer), &[("id_token_hint", hint)]).await;
        assert_eq!(page.status, 400);
    }
    assert_eq!(provider.userinfo(&tokens.access).await.0, 200, "and nobody was signed out");
}

#[tokio::test]
async fn nothing_of_one_tenant_is_good_in_another() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let ours = WEB.sign_in(&provider, &browser, &[]).await;
    let other = format!("{}/t/other", provider.issuer);
    // The SSO cookie of one tenant signs nobody in to another, whatever it is called there.
    assert_eq!(OTHER.authorize(&provider, &browser, &[("prompt", "none")]).await.answer("error"), "login_required");
    let theirs = OTHER.sign_in(&provider, &browser, &[]).await;
    assert_ne!(ours.claims()["sub"], theirs.claims()["sub"]);
    assert_eq!(theirs.claims()["iss"], other);
    let request = provider.http.get(format!("{other}/userinfo")).bearer_auth(&ours.access);
    assert_eq!(request.send().await.unwrap().status(), 401);
    is_nothing(&provider, &theirs.access, "another tenant's").await;
    assert_eq!(OTHER.refresh(&provider, &ours.refresh, &[]).await.1["error"], "invalid_grant");
    assert_eq!(WEB.refresh(&provider, &theirs.refresh, &[]).await.1["error"], "invalid_grant");
    let page = OTHER.authorize(&provider, &browser, &[("id_token_hint", &ours.id), ("prompt", "none")]).await;
    assert_eq!(page.answer("error"), "invalid_request");
    let code = OTHER.authorize(&provider, &browser, &[]).await.answer("code");
    assert_eq!(WEB.exchange(&provider, &code).await.1["error"], "invalid_grant");
    assert_eq!(provider.http.get(format!("{}/t/nobody/jwks", provider.issuer)).send().await.unwrap().status(), 404);
}
