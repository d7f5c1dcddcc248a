//! Nothing that opens anything is ever written to a log, nor who somebody is: every flow with the noisiest logs, which are
//! searched for every secret that was given or typed.

use std::{
    io::{Result, Write},
    sync::{Arc, Mutex},
};

use proto::{
    auth::v1::{
        ApiKey, CreateApiKeyRequest, CreateUserRequest, IntrospectTokenRequest, RotateClientSecretRequest,
        SetPasswordRequest, auth_service_client::AuthServiceClient,
    },
    session::v1::{ValidateSessionRequest, validate_session_request},
};
use reqwest::{Client, RequestBuilder, Response, header, redirect};
use serde_json::{Value, json};
use svc_kit::client::Outgoing;
use url::Url;

use crate::support::{DEFAULT_TENANT, Receiver, Stack, unique, within};

const LOGIN: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";
const WRONG: &str = "wrong horse battery staple";
const REDIRECT: &str = "http://localhost:8081/cb";
/// The example of RFC 7636.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Everything of ours, and of others what is for people who look for faults.
const NOISY: &str = "debug,auth_svc=trace,session_svc=trace,webhook_svc=trace,svc_kit=trace,latchkey=trace";

/// All that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What must not be found, and what it is.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn note(&mut self, what: &'static str, secret: impl Into<String>) -> String {
        let secret = secret.into();
        assert!(secret.len() >= 8, "{what}: {secret:?} may be anywhere");
        self.0.push((what, secret.clone()));
        secret
    }

    /// Notes members of an answer.
    fn note_all(&mut self, answer: &Value, names: &[&'static str]) {
        for name in names {
            self.note(name, answer[*name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")));
        }
    }
}

async fn json(request: RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).unwrap()
}

fn cookie_of(answer: &Response, what: &str) -> String {
    let set = answer.headers().get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    let pair = set.map(|text| text.split(';').next().unwrap()).find(|pair| pair.contains(what));
    pair.unwrap().to_owned()
}

/// With a browser: a wrong password, a right one, tokens, what one does with them, and out again.
async fn with_a_browser(stack: &Stack, http: &Client, secrets: &mut Secrets) {
    let at = |path: &str| format!("{}/{path}", stack.issuer);
    let request = [
        ("client_id", "demo-spa"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid email offline_access"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("login_hint", LOGIN),
    ];
    let page = http.get(at("authorize")).query(&request).send().await.unwrap();
    let cookie = cookie_of(&page, "interaction");
    secrets.note("interaction cookie", cookie.split_once('=').unwrap().1);
    let html = page.text().await.unwrap();
    let carried = html.split("name=\"interaction\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let post = |password: &str| {
        let form = [("interaction", carried), ("login", LOGIN), ("password", password)];
        http.post(at("login")).header(header::COOKIE, &cookie).form(&form).send()
    };
    assert_eq!(post(WRONG).await.unwrap().status(), 401);
    let answer = post(PASSWORD).await.unwrap();
    let sso = cookie_of(&answer, "sso");
    secrets.note("SSO cookie", sso.split_once('=').unwrap().1);
    let to = Url::parse(answer.headers()[header::LOCATION].to_str().unwrap()).unwrap();
    let code = secrets.note("code", to.query_pairs().find(|(name, _)| name == "code").unwrap().1);
    let exchange = [
        ("grant_type", "authorization_code"),
        ("client_id", "demo-spa"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let tokens = json(http.post(at("token")).form(&exchange)).await;
    secrets.note_all(&tokens, &["access_token", "refresh_token", "id_token"]);
    // Spent, and presented again, it is worth a warning.
    assert_eq!(http.post(at("token")).form(&exchange).send().await.unwrap().status(), 400);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", "demo-spa"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(http.post(at("token")).form(&refresh).send().await.unwrap().status(), 400);
    let hint = [("id_token_hint", tokens["id_token"].as_str().unwrap())];
    http.get(at("logout")).query(&hint).header(header::COOKIE, sso).send().await.unwrap();
}

/// Applications and devices: every way to a token and to a secret over HTTP.
async fn without_one(stack: &Stack, http: &Client, secrets: &mut Secrets) {
    let at = |path: &str| format!("{}/{path}", stack.issuer);
    let web = |request: RequestBuilder| request.basic_auth("demo-web", Some("demo-web-secret"));
    let login = json!({ "login": LOGIN, "password": PASSWORD, "device": { "ip_address": "203.0.113.77" } });
    let signed_in = json(web(http.post(at("api/login"))).json(&login)).await;
    secrets.note_all(&signed_in, &["access_token", "refresh_token"]);
    let token = signed_in["refresh_token"].as_str().unwrap();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", token)];
    secrets.note_all(&json(web(http.post(at("token"))).form(&refresh)).await, &["access_token", "refresh_token"]);
    json(web(http.post(at("introspect"))).form(&[("token", token)])).await;
    web(http.post(at("revoke"))).form(&[("token", token)]).send().await.unwrap();
    let own = [("grant_type", "client_credentials")];
    let backend = http.post(at("token")).basic_auth("demo-backend", Some("demo-backend-secret")).form(&own);
    secrets.note_all(&json(backend).await, &["access_token"]);
    let pushed = [
        ("redirect_uri", "http://localhost:8080/cb"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    json(web(http.post(at("par"))).form(&pushed)).await;
    let registered = json(http.post(at("register")).json(&json!({ "redirect_uris": [REDIRECT] }))).await;
    secrets.note_all(&registered, &["client_secret", "registration_access_token"]);
    let read = http.get(registered["registration_client_uri"].as_str().unwrap());
    json(read.bearer_auth(registered["registration_access_token"].as_str().unwrap())).await;
}

/// Operators: what they give out, and what is given to them.
async fn by_operators(stack: &Stack, secrets: &mut Secrets) {
    let (receiver, secret) = Receiver::registered(stack, &["user.*"]).await;
    secrets.note("endpoint secret", secret);
    let key =
        ApiKey { tenant_id: DEFAULT_TENANT.to_owned(), scopes: vec!["directory.read".to_owned()], ..ApiKey::default() };
    let made = stack.api_keys().create_api_key(CreateApiKeyRequest { api_key: Some(key) }).await.unwrap().into_inner();
    let key = secrets.note("API key", made.secret);
    let channel = svc_kit::client::channel(&stack.auth, std::time::Duration::from_secs(10)).unwrap();
    let mut by_key = AuthServiceClient::with_interceptor(channel, Outgoing::new(&key.into()));
    let unknown = secrets.note("unknown token", "lkr_nobody-gave-this-token-to-anybody");
    let _ = by_key.introspect_token(IntrospectTokenRequest { token: unknown.clone() }).await;
    let session = Some(validate_session_request::Session::Token(unknown));
    let validate = ValidateSessionRequest { session, ..ValidateSessionRequest::default() };
    stack.sessions().validate_session(validate).await.unwrap();
    let _ =
        stack.sessions_as("a-credential-that-nobody-knows").validate_session(ValidateSessionRequest::default()).await;
    secrets.note("unknown credential", "a-credential-that-nobody-knows");
    let rotate = RotateClientSecretRequest { application_id: "demo-web".to_owned(), overlap: None };
    let rotated = stack.applications().rotate_client_secret(rotate).await.unwrap().into_inner();
    secrets.note("client secret", rotated.client_secret);
    let login = secrets.note("e-mail", format!("{}@example.com", unique("somebody")));
    let password = secrets.note("password", "a password that was set");
    let create = CreateUserRequest { tenant_id: DEFAULT_TENANT.to_owned(), login, name: String::new(), password };
    let user_id = stack.users().create_user(create).await.unwrap().into_inner().user.unwrap().id;
    let password = secrets.note("password", "another password that was set");
    let set = SetPasswordRequest { user_id, password, change_required: false };
    stack.users().set_password(set).await.unwrap();
    within(std::time::Duration::from_secs(30), "the webhook", || async { receiver.all().pop().map(drop) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_has_a_secret_or_says_who_somebody_is() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_env_filter(NOISY).with_writer(move || writer.clone());
    subscriber.with_ansi(false).init();
    let stack = Stack::in_memory().await;
    let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let mut secrets = Secrets::default();
    for (what, secret) in [
        ("e-mail", LOGIN),
        ("password", PASSWORD),
        ("wrong password", WRONG),
        ("verifier", VERIFIER),
        ("client secret", "demo-web-secret"),
        ("client secret", "demo-backend-secret"),
        ("operator key", "dev-operator-key"),
        ("address", "203.0.113.77"),
    ] {
        secrets.note(what, secret);
    }
    with_a_browser(&stack, &http, &mut secrets).await;
    without_one(&stack, &http, &mut secrets).await;
    by_operators(&stack, &mut secrets).await;
    drop(stack);
    let bytes = log.0.lock().unwrap().clone();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.lines().count() > 100, "there are logs: {text}");
    let found: Vec<String> = secrets.0.iter().flat_map(|(what, secret)| leaks(&text, what, secret)).collect();
    assert!(found.is_empty(), "{} secrets:\n{}", found.len(), found.join("\n"));
}

/// The first line that has the secret.
fn leaks(text: &str, what: &str, secret: &str) -> Option<String> {
    text.lines().find(|line| line.contains(secret)).map(|line| format!("{what}: {line}"))
}
