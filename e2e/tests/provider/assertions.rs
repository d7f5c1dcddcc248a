//! `private_key_jwt`: clients that sign what they are (RFC 7523, OpenID Connect Core 1.0 §9).

use serde_json::{Value, json};

use super::support::{Browser, Client, KEYED, KEYED_CLIENT, Key, Provider, STRANGE, Tokens, VERIFIER, WEB, encoded};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What `keyed` says of itself, with changes.
fn claims(provider: &Provider, jti: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "keyed", "sub": "keyed", "aud": provider.issuer, "jti": jti,
        "iat": provider.now(), "exp": provider.now() + 60,
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

async fn send(provider: &Provider, endpoint: &str, assertion: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let own = [("client_assertion_type", TYPE), ("client_assertion", assertion)];
    provider.post_as_it_is("default", endpoint, &[&own, fields].concat()).await
}

async fn own_token(provider: &Provider, assertion: &str) -> (u16, Value) {
    send(provider, "token", assertion, &[("grant_type", "client_credentials")]).await
}

#[tokio::test]
async fn client_that_signs_gets_tokens_at_every_endpoint() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let signed = |jti: &str| KEYED.sign(&json!({}), &claims(&provider, jti, &json!({})));
    let page = KEYED_CLIENT.authorize(&provider, &browser, &[]).await;
    let code = browser.sign_in(&page).await.answer("code");
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", KEYED_CLIENT.redirect_uri),
        ("code_verifier", VERIFIER),
        ("client_id", "keyed"),
    ];
    let tokens = Tokens::of(send(&provider, "token", &signed("1"), &fields).await);
    assert_eq!(tokens.claims()["aud"], "keyed");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    let again = Tokens::of(send(&provider, "token", &signed("2"), &fields).await);
    assert_eq!(again.refresh, tokens.refresh, "who authenticates itself keeps its token");
    let (_, found) = send(&provider, "introspect", &signed("3"), &[("token", &again.access)]).await;
    assert_eq!(found["active"], true);
    assert_eq!(send(&provider, "revoke", &signed("4"), &[("token", &again.access)]).await.0, 200);
    let (_, found) = send(&provider, "introspect", &signed("5"), &[("token", &again.access)]).await;
    assert_eq!(found["active"], false);
}

#[tokio::test]
async fn we_may_be_called_by_issuer_or_endpoint() {
    let provider = Provider::start().await;
    let base = provider.issuer.clone();
    for (number, (aud, expected)) in [
        (json!(base), 200),
        (json!([base, "https://elsewhere.example"]), 200),
        (json!(format!("{base}/token")), 200),
        (json!(format!("{base}/introspect")), 401),
        (json!(format!("{base}/")), 401),
        (json!(format!("{base}/t/other")), 401),
        (json!("https://elsewhere.example"), 401),
        (Value::Null, 401),
    ]
    .into_iter()
    .enumerate()
    {
        let assertion = KEYED.sign(&json!({}), &claims(&provider, &number.to_string(), &json!({ "aud": aud })));
        assert_eq!(own_token(&provider, &assertion).await.0, expected, "{aud}");
    }
    let at_its_own = json!({ "aud": format!("{base}/introspect") });
    let assertion = KEYED.sign(&json!({}), &claims(&provider, "own", &at_its_own));
    assert_eq!(send(&provider, "introspect", &assertion, &[("token", "x")]).await.0, 200);
}

#[tokio::test]
async fn assertion_is_good_once() {
    let provider = Provider::start().await;
    let assertion = KEYED.sign(&json!({}), &claims(&provider, "one", &json!({})));
    assert_eq!(own_token(&provider, &assertion).await.0, 200);
    let (status, answer) = own_token(&provider, &assertion).await;
    assert_eq!((status, &answer["error"]), (401, &"invalid_client".into()));
    let (status, _) = send(&provider, "introspect", &assertion, &[("token", "x")]).await;
    assert_eq!(status, 401, "at another endpoint neither");
    let resigned = KEYED.sign(&json!({}), &claims(&provider, "one", &json!({ "exp": provider.now() + 200 })));
    assert_eq!(own_token(&provider, &resigned).await.0, 401, "its name is used up until it would have ended");
    // Forged ones use nothing up.
    let forged = STRANGE.sign(&json!({}), &claims(&provider, "two", &json!({})));
    assert_eq!(own_token(&provider, &forged).await.0, 401);
    let genuine = KEYED.sign(&json!({}), &claims(&provider, "two", &json!({})));
    assert_eq!(own_token(&provider, &genuine).await.0, 200);
}

#[tokio::test]
async fn assertion_ends_and_is_not_from_the_future() {
    let provider = Provider::start().await;
    let now = provider.now();
    for (number, (changes, expected)) in [
        (json!({ "exp": now + 1 }), 200),
        (json!({ "exp": now + 300 }), 200),
        (json!({ "exp": now + 3600 }), 401),
        (json!({ "exp": now }), 401),
        (json!({ "exp": null }), 401),
        (json!({ "iat": now + 10, "nbf": now + 10 }), 200),
        (json!({ "iat": now + 61 }), 401),
        (json!({ "nbf": now + 61 }), 401),
        (json!({ "jti": "" }), 401),
        (json!({ "iss": "demo-web" }), 401),
    ]
    .into_iter()
    .enumerate()
    {
        let assertion = KEYED.sign(&json!({}), &claims(&provider, &number.to_string(), &changes));
        assert_eq!(own_token(&provider, &assertion).await.0, expected, "{changes}");
    }
}

#[tokio::test]
async fn nobody_else_passes_for_the_client() {
    let provider = Provider::start().await;
    let claims = claims(&provider, "one", &json!({}));
    let genuine = KEYED.sign(&json!({}), &claims);
    let (start, _) = genuine.rsplit_once('.').unwrap();
    let hs256 = format!("{}.{}", encoded(&json!({ "alg": "HS256" })), encoded(&claims));
    let mac = svc_kit::secret::hmac_sha256(KEYED.jwk().to_string().as_bytes(), &[hs256.as_bytes()]);
    let as_key: fn(Key) -> Value = |key| json!({ "jwk": key.jwk() });
    for (what, forged) in [
        ("another key", STRANGE.sign(&json!({}), &claims)),
        ("a key that it brings itself", STRANGE.sign(&as_key(STRANGE), &claims)),
        ("no signature", format!("{}.{}.", encoded(&json!({ "alg": "none" })), encoded(&claims))),
        ("an empty signature", format!("{start}.")),
        ("the public key as a secret", format!("{hs256}.{}", super::support::encoded_bytes(&mac))),
        ("an unknown key", KEYED.sign(&json!({ "kid": "other", "crit": ["x"] }), &claims)),
        ("an unencoded payload", KEYED.sign(&json!({ "b64": false, "crit": ["b64"] }), &claims)),
        ("nonsense", "x.y.z".to_owned()),
    ] {
        let (status, answer) = own_token(&provider, &forged).await;
        assert_eq!((status, &answer["error"]), (401, &"invalid_client".into()), "{what}");
    }
    // Nor does the client with less than its signature.
    for client in [KEYED_CLIENT, Client { secret: "any", ..KEYED_CLIENT }] {
        let (status, _) = provider.post(&client, "token", &[("grant_type", "client_credentials")]).await;
        assert_eq!(status, 401);
    }
    assert_eq!(own_token(&provider, &genuine).await.0, 200, "the real one");
}

#[tokio::test]
async fn two_ways_at_once_are_an_invalid_request() {
    let provider = Provider::start().await;
    let assertion = KEYED.sign(&json!({}), &claims(&provider, "one", &json!({})));
    for more in [("client_secret", "x"), ("client_id", WEB.id), ("client_assertion_type", "other")] {
        let mut fields = vec![
            ("client_assertion_type", TYPE),
            ("client_assertion", assertion.as_str()),
            ("grant_type", "client_credentials"),
        ];
        fields.retain(|(name, _)| *name != more.0);
        fields.push(more);
        let (status, answer) = provider.post_as_it_is("default", "token", &fields).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_request".into()), "{more:?}");
    }
    let own = [("client_assertion_type", TYPE), ("client_assertion", assertion.as_str())];
    assert_eq!(provider.post(&WEB, "token", &own).await.1["error"], "invalid_request");
    assert_eq!(own_token(&provider, &assertion).await.0, 200, "and nothing was used up");
}
