//! Tokens that are bound to a key of the client (DPoP, RFC 9449).

use serde_json::{Value, json};

use super::support::{Browser, Client, KEYED, Key, Provider, SPA, STRANGE, Tokens, VERIFIER, WEB, claims};

const BOUND: Client = Client { id: "bound", secret: "bound-secret", redirect_uri: "https://bound.example/cb", ..WEB };

/// A proof for a request, with changes; each has a name of its own.
fn proof(provider: &Provider, key: Key, request: (&str, &str), changes: &Value) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (htm, path) = request;
    let mut claims = json!({
        "htm": htm, "htu": format!("{}/{path}", provider.issuer), "iat": provider.now(),
        "jti": NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    key.prove(&claims)
}

fn at_token(provider: &Provider, key: Key) -> String {
    proof(provider, key, ("POST", "token"), &json!({}))
}

fn exchange<'a>(client: &'a Client, code: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", client.redirect_uri)];
    if client.secret.is_empty() {
        fields.push(("code_verifier", VERIFIER));
    }
    fields
}

fn refresh(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

async fn code(provider: &Provider, client: &Client, changes: &[(&str, &str)]) -> String {
    let browser = Browser::new();
    let page = client.authorize(provider, &browser, changes).await;
    browser.sign_in(&page).await.answer("code")
}

/// Signs Ada in to `client`, whose tokens are bound to `key`.
async fn signed_in(provider: &Provider, client: &Client, key: Key) -> Tokens {
    let code = code(provider, client, &[]).await;
    Tokens::of(provider.post_proven(client, "token", &at_token(provider, key), &exchange(client, &code)).await)
}

/// Asks UserInfo: status and challenge.
async fn userinfo(provider: &Provider, scheme: &str, token: &str, proof: Option<String>) -> (u16, String) {
    let request = provider.http.get(format!("{}/userinfo", provider.issuer));
    let mut request = request.header("authorization", format!("{scheme} {token}"));
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    let response = request.send().await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge.unwrap_or_default())
}

fn ath(token: &str) -> Value {
    json!({ "ath": super::support::encoded_bytes(&svc_kit::secret::sha256(token.as_bytes())) })
}

#[tokio::test]
async fn access_token_names_the_key_and_is_nothing_without_it() {
    let provider = Provider::start().await;
    for client in [SPA, WEB] {
        let tokens = signed_in(&provider, &client, KEYED).await;
        assert_eq!(tokens.answer["token_type"], "DPoP");
        assert_eq!(claims(&tokens.access)["cnf"], json!({ "jkt": KEYED.thumbprint() }));
        let ask = |key: Key, changes: &Value| Some(proof(&provider, key, ("GET", "userinfo"), changes));
        let good = ath(&tokens.access);
        assert_eq!(userinfo(&provider, "DPoP", &tokens.access, ask(KEYED, &good)).await, (200, String::new()));
        assert_eq!(userinfo(&provider, "dpop", &tokens.access, ask(KEYED, &good)).await.0, 200);
        let (status, challenge) = userinfo(&provider, "Bearer", &tokens.access, None).await;
        assert_eq!((status, challenge.starts_with("DPoP error=\"invalid_token\", algs=")), (401, true), "{challenge}");
        for (what, bad) in [
            ("no proof", None),
            ("another key", ask(STRANGE, &good)),
            ("no ath", ask(KEYED, &json!({}))),
            ("another token's ath", ask(KEYED, &ath(&tokens.id))),
            ("a proof for the token endpoint", Some(at_token(&provider, KEYED))),
            ("another method", Some(proof(&provider, KEYED, ("POST", "userinfo"), &good))),
        ] {
            let (status, challenge) = userinfo(&provider, "DPoP", &tokens.access, bad).await;
            let is_said = challenge.starts_with("DPoP error=\"invalid_dpop_proof\"");
            assert_eq!((status, is_said), (401, true), "{what}: {challenge}");
        }
        let once = ask(KEYED, &good);
        assert_eq!(userinfo(&provider, "DPoP", &tokens.access, once.clone()).await.0, 200);
        assert_eq!(userinfo(&provider, "DPoP", &tokens.access, once).await.0, 401, "a proof is good once");
    }
    let plain = WEB.sign_in(&provider, &Browser::new(), &[]).await;
    let with_proof = proof(&provider, KEYED, ("GET", "userinfo"), &ath(&plain.access));
    assert_eq!(userinfo(&provider, "DPoP", &plain.access, Some(with_proof)).await.0, 401, "it is bound to none");
}

#[tokio::test]
async fn refresh_token_of_a_public_client_is_nothing_without_its_key() {
    let provider = Provider::start().await;
    let first = signed_in(&provider, &SPA, KEYED).await;
    // Whoever stole it cannot even use it up.
    for _ in 0..2 {
        let (status, answer) = provider.post(&SPA, "token", &refresh(&first.refresh)).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
        let foreign = at_token(&provider, STRANGE);
        let (_, answer) = provider.post_proven(&SPA, "token", &foreign, &refresh(&first.refresh)).await;
        assert_eq!(answer["error"], "invalid_grant");
    }
    let own = at_token(&provider, KEYED);
    let second = Tokens::of(provider.post_proven(&SPA, "token", &own, &refresh(&first.refresh)).await);
    assert_eq!(claims(&second.access)["cnf"]["jkt"], KEYED.thumbprint());
    assert_ne!(second.refresh, first.refresh);
    let narrow = [&refresh(&second.refresh)[..], &[("scope", "openid")]].concat();
    assert_eq!(provider.post(&SPA, "token", &narrow).await.1["error"], "invalid_grant");
    let third = Tokens::of(provider.post_proven(&SPA, "token", &at_token(&provider, KEYED), &narrow).await);
    assert_eq!(claims(&third.access)["cnf"]["jkt"], KEYED.thumbprint());
}

#[tokio::test]
async fn client_that_authenticates_itself_may_change_its_key() {
    let provider = Provider::start().await;
    let first = signed_in(&provider, &WEB, KEYED).await;
    let other = at_token(&provider, STRANGE);
    let second = Tokens::of(provider.post_proven(&WEB, "token", &other, &refresh(&first.refresh)).await);
    assert_eq!(claims(&second.access)["cnf"]["jkt"], STRANGE.thumbprint());
}

#[tokio::test]
async fn introspection_says_which_key() {
    let provider = Provider::start().await;
    let tokens = signed_in(&provider, &WEB, KEYED).await;
    let found = provider.introspect(&WEB, &tokens.access).await;
    assert_eq!((&found["cnf"]["jkt"], &found["token_type"]), (&KEYED.thumbprint().into(), &"DPoP".into()));
    let plain = WEB.sign_in(&provider, &Browser::new(), &[]).await;
    assert_eq!(provider.introspect(&WEB, &plain.access).await.get("cnf"), None);
}

#[tokio::test]
async fn proof_is_for_one_request_at_one_time() {
    let provider = Provider::start().await;
    let now = provider.now();
    let token = ("POST", "token");
    let own = [("grant_type", "client_credentials")];
    let backend = Client { id: "demo-backend", secret: "demo-backend-secret", ..WEB };
    for (changes, is_good) in [
        (json!({}), true),
        (json!({ "htu": format!("{}/token?x=1#y", provider.issuer) }), true),
        (json!({ "iat": now - 10 }), true),
        (json!({ "iat": now + 10 }), true),
        (json!({ "iat": now - 61 }), false),
        (json!({ "iat": now + 61 }), false),
        (json!({ "iat": null }), false),
        (json!({ "htm": "GET" }), false),
        (json!({ "htu": format!("{}/t/other/token", provider.issuer) }), false),
        (json!({ "htu": "https://elsewhere.example/token" }), false),
        (json!({ "jti": null }), false),
    ] {
        let proof = proof(&provider, KEYED, token, &changes);
        let (status, answer) = provider.post_proven(&backend, "token", &proof, &own).await;
        if is_good {
            let token = Tokens::of((status, answer)).access;
            assert_eq!(claims(&token)["cnf"]["jkt"], KEYED.thumbprint());
        } else {
            assert_eq!((status, &answer["error"]), (400, &"invalid_dpop_proof".into()), "{changes}");
        }
    }
    let good = json!({ "htm": "POST", "htu": format!("{}/token", provider.issuer), "iat": now, "jti": "one" });
    let private = json!({ "kty": "EC", "crv": "P-256", "x": KEYED.jwk()["x"], "y": KEYED.jwk()["y"], "d": "AA" });
    for (what, forged) in [
        ("another typ", KEYED.sign(&json!({ "typ": "JWT", "jwk": KEYED.jwk() }), &good)),
        ("no key", KEYED.sign(&json!({ "typ": "dpop+jwt" }), &good)),
        ("another's key", KEYED.sign(&json!({ "typ": "dpop+jwt", "jwk": STRANGE.jwk() }), &good)),
        ("a private key", KEYED.sign(&json!({ "typ": "dpop+jwt", "jwk": private }), &good)),
        ("another alg", KEYED.sign(&json!({ "typ": "dpop+jwt", "jwk": KEYED.jwk(), "alg": "none" }), &good)),
        ("an extension", KEYED.sign(&json!({ "typ": "dpop+jwt", "jwk": KEYED.jwk(), "crit": ["x"] }), &good)),
        ("nonsense", "x".to_owned()),
    ] {
        let (status, answer) = provider.post_proven(&backend, "token", &forged, &own).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_dpop_proof".into()), "{what}");
    }
    let once = KEYED.prove(&good);
    assert_eq!(provider.post_proven(&backend, "token", &once, &own).await.0, 200);
    assert_eq!(provider.post_proven(&backend, "token", &once, &own).await.1["error"], "invalid_dpop_proof");
    let two = provider.http.post(format!("{}/token", provider.issuer)).basic_auth(backend.id, Some(backend.secret));
    let two = two.header("dpop", at_token(&provider, KEYED)).header("dpop", at_token(&provider, KEYED));
    assert_eq!(two.form(&own).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn code_is_bound_where_the_request_says_so() {
    let provider = Provider::start().await;
    let thumbprint = KEYED.thumbprint();
    for client in [SPA, WEB] {
        for (key, is_good) in [(Some(STRANGE), false), (None, false), (Some(KEYED), true)] {
            let code = code(&provider, &client, &[("dpop_jkt", &thumbprint)]).await;
            let (status, answer) = match key {
                Some(key) => {
                    let proof = at_token(&provider, key);
                    provider.post_proven(&client, "token", &proof, &exchange(&client, &code)).await
                }
                None => client.exchange(&provider, &code).await,
            };
            assert_eq!((status == 200, answer["error"] == "invalid_grant"), (is_good, !is_good), "{answer}");
        }
    }
    let page = WEB.authorize(&provider, &Browser::new(), &[("dpop_jkt", "short")]).await;
    assert_eq!(page.answer("error"), "invalid_request");
    // A pushed request is bound by the proof that comes with it.
    let fields = WEB.request(&[("dpop_jkt", &thumbprint)]);
    let at_par = |key: Key| proof(&provider, key, ("POST", "par"), &json!({}));
    assert_eq!(provider.post_proven(&WEB, "par", &at_par(STRANGE), &fields).await.1["error"], "invalid_request");
    let (_, pushed) = provider.post_proven(&WEB, "par", &at_par(KEYED), &WEB.request(&[])).await;
    let browser = Browser::new();
    let reference = pushed["request_uri"].as_str().unwrap();
    let endpoint = format!("{}/authorize", provider.issuer);
    let page = browser.get(&endpoint, &[("client_id", WEB.id), ("request_uri", reference)]).await;
    let code = browser.sign_in(&page).await.answer("code");
    assert_eq!(WEB.exchange(&provider, &code).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn application_that_must_show_a_key_gets_nothing_without() {
    let provider = Provider::start().await;
    let unproven = code(&provider, &BOUND, &[]).await;
    assert_eq!(BOUND.exchange(&provider, &unproven).await.1["error"], "invalid_dpop_proof");
    let tokens = signed_in(&provider, &BOUND, KEYED).await;
    assert_eq!(BOUND.refresh(&provider, &tokens.refresh, &[]).await.1["error"], "invalid_dpop_proof");
}

#[tokio::test]
async fn nonce_is_demanded_where_it_is_configured() {
    let provider = Provider::start_with(&[("LATCHKEY_TOKENS__DPOP_NONCES", "true")]).await;
    let backend = Client { id: "demo-backend", secret: "demo-backend-secret", ..WEB };
    let send = async |changes: &Value| {
        let proof = proof(&provider, KEYED, ("POST", "token"), changes);
        let request = provider.http.post(format!("{}/token", provider.issuer)).header("dpop", proof);
        let request = request.basic_auth(backend.id, Some(backend.secret));
        let response = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
        let nonce = response.headers().get("dpop-nonce").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), nonce, response.json::<Value>().await.unwrap())
    };
    let (status, nonce, answer) = send(&json!({})).await;
    assert_eq!((status, &answer["error"]), (400, &"use_dpop_nonce".into()));
    let nonce = nonce.unwrap();
    assert_eq!(send(&json!({ "nonce": nonce })).await.0, 200);
    assert_eq!(send(&json!({ "nonce": "made up" })).await.2["error"], "use_dpop_nonce");
    provider.advance(300);
    assert_eq!(send(&json!({ "nonce": nonce })).await.2["error"], "use_dpop_nonce");
}

#[tokio::test]
async fn services_take_no_bound_token_for_a_plain_one() {
    use proto::session::v1::{ListSessionsRequest, session_service_client::SessionServiceClient};
    use svc_kit::client::{Outgoing, channel};
    let provider = Provider::start().await;
    let backend = Client { id: "demo-backend", secret: "demo-backend-secret", ..WEB };
    let own = [("grant_type", "client_credentials")];
    let plain = Tokens::of(provider.post(&backend, "token", &own).await);
    let bound = Tokens::of(provider.post_proven(&backend, "token", &at_token(&provider, KEYED), &own).await);
    let channel = channel(&provider.session_grpc(), std::time::Duration::from_secs(10)).unwrap();
    for (token, expected) in [(plain.access, None), (bound.access, Some(tonic::Code::Unauthenticated))] {
        let outgoing = Outgoing::new(&token.into());
        let mut client = SessionServiceClient::with_interceptor(channel.clone(), outgoing);
        let filter = proto::session::v1::SessionFilter {
            tenant_id: "default".into(),
            user_id: "x".into(),
            ..Default::default()
        };
        let answer = client.list_sessions(ListSessionsRequest { filter: Some(filter), ..Default::default() }).await;
        assert_eq!(answer.err().map(|status| status.code()), expected);
    }
}
