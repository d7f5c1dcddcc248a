//! Applications that register themselves (RFC 7591) and manage what they registered (RFC 7592).

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router, routing::get};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Browser, CHALLENGE, KEYED, Key, Page, Provider, STRANGE, VERIFIER};

const REDIRECT: &str = "https://new.example/cb?own=1";

async fn send(provider: &Provider, method: Method, address: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
    let mut request = provider.http.request(method, address);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
}

async fn register(provider: &Provider, metadata: &Value) -> (u16, Value) {
    send(provider, Method::POST, &format!("{}/register", provider.issuer), "", Some(metadata)).await
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

/// Signs Ada in to an application, who agrees; returns the code.
async fn code(provider: &Provider, client_id: &str) -> String {
    let browser = Browser::new();
    let request = [
        ("client_id", client_id),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let page: Page = browser.get(&format!("{}/authorize", provider.issuer), &request).await;
    let page = browser.sign_in(&page).await;
    assert!(page.html.contains("consent-allow"), "a stranger asks: {}", page.html);
    browser.submit(&page, &[("decision", "allow")]).await.answer("code")
}

#[tokio::test]
async fn application_registers_itself_and_signs_users_in() {
    let provider = Provider::start().await;
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        let metadata = json!({
            "redirect_uris": [REDIRECT], "client_name": "New", "token_endpoint_auth_method": method,
            "logo_uri": "https://new.example/logo.png", "contacts": ["ops@new.example"]
        });
        let (status, made) = register(&provider, &metadata).await;
        assert_eq!((status, &made["redirect_uris"]), (201, &json!([REDIRECT])), "{made}");
        let id = text(&made, "client_id");
        let code = code(&provider, id).await;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("client_id", id),
        ];
        if method == "none" {
            assert_eq!(made.get("client_secret"), None);
        } else {
            assert_eq!(made["client_secret_expires_at"], 0);
            fields.push(("client_secret", text(&made, "client_secret")));
        }
        let (status, answer) = provider.post_as_it_is("default", "token", &fields).await;
        assert_eq!((status, answer["id_token"].is_string()), (200, true), "{answer}");
    }
}

#[tokio::test]
async fn an_installed_program_is_answered_at_a_scheme_of_its_own() {
    let provider = Provider::start().await;
    let metadata = json!({ "redirect_uris": ["com.example.app:/cb"], "token_endpoint_auth_method": "none" });
    let (status, made) = register(&provider, &metadata).await;
    assert_eq!(status, 201, "{made}");
    let request = [
        ("client_id", text(&made, "client_id")),
        ("redirect_uri", "com.example.app:/cb"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let browser = Browser::new();
    let page = browser.get(&format!("{}/authorize", provider.issuer), &request).await;
    let page = browser.sign_in(&page).await;
    let back = browser.submit(&page, &[("decision", "allow")]).await.location();
    assert!(back.starts_with("com.example.app:/cb?code=") && back.contains("&state=s&iss="), "{back}");
}

#[tokio::test]
async fn only_public_applications_must_use_pkce() {
    let provider = Provider::start().await;
    for (method, is_answered) in [("client_secret_basic", true), ("none", false)] {
        let metadata = json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": method });
        let (_, made) = register(&provider, &metadata).await;
        let request = [
            ("client_id", text(&made, "client_id")),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("scope", "openid"),
        ];
        let page = Browser::new().get(&format!("{}/authorize", provider.issuer), &request).await;
        assert_eq!(page.is_sign_in(), is_answered, "{method}");
        assert!(is_answered || page.answer("error") == "invalid_request", "{method}");
    }
}

#[tokio::test]
async fn application_reads_changes_and_deletes_what_it_registered() {
    let provider = Provider::start().await;
    let (_, made) = register(&provider, &json!({ "redirect_uris": [REDIRECT], "client_name": "New" })).await;
    let (address, token) = (text(&made, "registration_client_uri"), text(&made, "registration_access_token"));
    let (status, read) = send(&provider, Method::GET, address, token, None).await;
    assert_eq!((status, &read["client_name"], read.get("client_secret")), (200, &"New".into(), None));
    let management = ["registration_client_uri", "registration_access_token"];
    assert_eq!(management.map(|member| &read[member]), management.map(|member| &made[member]));
    let changed = json!({
        "client_id": made["client_id"], "client_secret": made["client_secret"], "client_name": "Newer",
        "redirect_uris": ["https://new.example/other"]
    });
    let (status, answer) = send(&provider, Method::PUT, address, token, Some(&changed)).await;
    assert_eq!((status, &answer["client_name"]), (200, &"Newer".into()), "{answer}");
    assert_eq!(management.map(|member| &answer[member]), management.map(|member| &made[member]));
    assert_eq!(send(&provider, Method::GET, address, token, None).await.1["redirect_uris"], changed["redirect_uris"]);
    for (name, bad) in [
        ("client_id", json!("demo-web")),
        ("client_id", Value::Null),
        ("client_secret", json!("another")),
        ("token_endpoint_auth_method", json!("none")),
        ("redirect_uris", json!([])),
    ] {
        let mut wrong = changed.clone();
        wrong[name] = bad;
        assert_eq!(send(&provider, Method::PUT, address, token, Some(&wrong)).await.0, 400, "{name}");
    }
    assert_eq!(send(&provider, Method::DELETE, address, token, None).await.0, 204);
    assert_eq!(send(&provider, Method::GET, address, token, None).await.0, 401);
    let (status, _) = provider
        .post_as_it_is(
            "default",
            "token",
            &[("client_id", text(&made, "client_id")), ("client_secret", text(&made, "client_secret"))],
        )
        .await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn nobody_manages_what_is_not_theirs() {
    let provider = Provider::start().await;
    let metadata = json!({ "redirect_uris": [REDIRECT] });
    let (_, one) = register(&provider, &metadata).await;
    let (_, other) = register(&provider, &metadata).await;
    let (address, theirs) = (text(&one, "registration_client_uri"), text(&other, "registration_access_token"));
    let web = format!("{}/register/demo-web", provider.issuer);
    let in_other_tenant = address.replace("/register", "/t/other/register");
    let own = text(&one, "registration_access_token");
    for (address, token) in
        [(address, ""), (address, "x"), (address, theirs), (&*web, ""), (&*web, own), (&*in_other_tenant, own)]
    {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            assert_eq!(send(&provider, method, address, token, Some(&metadata)).await.0, 401, "{address} {token}");
        }
    }
    assert_eq!(send(&provider, Method::GET, address, own, None).await.0, 200);
    // What it manages itself by is no secret of its, and no token of ours.
    assert_eq!(provider.userinfo(own).await.0, 401);
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_by_name() {
    let provider = Provider::start().await;
    for (metadata, expected) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["http://new.example/"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["https://new.example/\u{0}"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [REDIRECT], "grant_types": ["client_credentials"] }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [REDIRECT], "response_types": ["id_token"] }), "invalid_client_metadata"),
        (json!([]), "invalid_client_metadata"),
    ] {
        let (status, answer) = register(&provider, &metadata).await;
        assert_eq!((status, &answer["error"]), (400, &expected.into()), "{metadata}");
    }
    let keyed = json!({
        "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [KEYED.jwk()] }
    });
    let (status, made) = register(&provider, &keyed).await;
    assert_eq!((status, made.get("client_secret"), &made["jwks"]), (201, None, &keyed["jwks"]));
    let form = provider.http.post(format!("{}/register", provider.issuer)).form(&[("a", "b")]).send().await.unwrap();
    assert_eq!(form.status(), 415);
}

#[tokio::test]
async fn registration_is_off_or_for_some_where_it_is_configured_so() {
    let metadata = json!({ "redirect_uris": [REDIRECT] });
    let off = Provider::start_with(&[("LATCHKEY_REGISTRATION__ENABLED", "false")]).await;
    assert_eq!(register(&off, &metadata).await.0, 404);
    let discovery = async |provider: &Provider| -> Value {
        let address = format!("{}/.well-known/openid-configuration", provider.issuer);
        provider.http.get(address).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(discovery(&off).await.get("registration_endpoint"), None);
    let token = "t".repeat(32);
    let some =
        Provider::start_with(&[("LATCHKEY_REGISTRATION__INITIAL_ACCESS_TOKENS", &format!("[\"{token}\"]"))]).await;
    let address = format!("{}/register", some.issuer);
    assert_eq!(discovery(&some).await["registration_endpoint"], address);
    assert_eq!(register(&some, &metadata).await.0, 401);
    assert_eq!(send(&some, Method::POST, &address, &"x".repeat(32), Some(&metadata)).await.0, 401);
    assert_eq!(send(&some, Method::POST, &address, &token, Some(&metadata)).await.0, 201);
}

/// A server of an application that publishes a key, which can be changed.
async fn publisher(first: Key) -> (String, Arc<Mutex<Key>>) {
    let published = Arc::new(Mutex::new(first));
    let shown = published.clone();
    let answer = async move || Json(json!({ "keys": [shown.lock().unwrap().jwk()] }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/jwks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/jwks", get(answer))).await });
    (address, published)
}

#[tokio::test]
async fn application_that_publishes_its_keys_changes_them_when_it_likes() {
    let provider = Provider::start().await;
    let (jwks_uri, published) = publisher(KEYED).await;
    let metadata = json!({
        "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri
    });
    let (status, made) = register(&provider, &metadata).await;
    assert_eq!((status, &made["jwks_uri"], made.get("client_secret")), (201, &jwks_uri.clone().into(), None), "{made}");
    let id = text(&made, "client_id");
    let number = AtomicUsize::new(0);
    // What introspection says to whoever signs by this key.
    let ask = async |key: Key| {
        let claims = json!({
            "iss": id, "sub": id, "aud": provider.issuer, "exp": provider.now() + 60,
            "jti": number.fetch_add(1, Ordering::Relaxed).to_string()
        });
        let assertion = key.sign(&json!({}), &claims);
        let fields = [
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
            ("token", "x"),
        ];
        provider.post_as_it_is("default", "introspect", &fields).await.0
    };
    assert_eq!((ask(KEYED).await, ask(STRANGE).await), (200, 401));
    *published.lock().unwrap() = STRANGE;
    assert_eq!((ask(STRANGE).await, ask(KEYED).await), (401, 200), "the keys were read a moment ago");
    provider.advance(30);
    assert_eq!((ask(STRANGE).await, ask(KEYED).await), (200, 401));
}

#[tokio::test]
async fn keys_are_not_read_inside() {
    let provider = Provider::start().await;
    for jwks_uri in ["https://10.0.0.1/jwks", "https://169.254.169.254/latest/meta-data", "http://keys.example/"] {
        let metadata = json!({
            "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri
        });
        let (status, answer) = register(&provider, &metadata).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_client_metadata".into()), "{jwks_uri}");
    }
}
