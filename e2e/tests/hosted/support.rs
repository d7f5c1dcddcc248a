//! The development server, and a browser and an application of a few lines in front of it.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use latchkey::dev::{self, DevOptions, DevServer, Ports, Seed};
use reqwest::{Client, Response, StatusCode, header, redirect::Policy};
use serde_json::Value;
use svc_kit::clock::{Clock, SystemClock};
use url::Url;

pub const REDIRECT: &str = "http://localhost:8080/cb";
pub const AFTER: &str = "http://localhost:8080/";

/// What the server knows at the start.
const SEED: &str = concat!(include_str!("../../../deploy/dev/seed.toml"), include_str!("seed.toml"));

pub struct Stack {
    pub server: DevServer,
    pub http: Client,
}

/// A browser's sign-in: its cookie, and what the application got.
pub struct SignedIn {
    pub cookie: String,
    pub tokens: Value,
}

impl Stack {
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts with more applications.
    pub async fn start_with(seed: &str) -> Self {
        Self::start_at(Arc::new(SystemClock), seed).await
    }

    /// Starts with a clock of its own.
    pub async fn start_at(clock: Arc<dyn Clock>, seed: &str) -> Self {
        let seed = Seed::parse(&format!("{SEED}\n{seed}")).unwrap();
        let options = DevOptions { clock, ..DevOptions::new(Ports::free(), seed) };
        let server = dev::start(options).await.unwrap();
        Self { server, http: Client::builder().redirect(Policy::none()).build().unwrap() }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.server.addresses.issuer)
    }

    pub async fn get(&self, address: &str, cookie: &str) -> Response {
        self.http.get(address).header(header::COOKIE, cookie).send().await.unwrap()
    }

    pub fn authorize(&self, extra: &[(&str, &str)]) -> String {
        self.authorize_for("demo-web", extra)
    }

    /// Where an application sends a browser; what is given replaces what is usual.
    pub fn authorize_for(&self, application: &str, extra: &[(&str, &str)]) -> String {
        let mut url = Url::parse(&self.at("/authorize")).unwrap();
        let is_replaced = |name: &str| name == "client_id" || extra.iter().any(|(other, _)| *other == name);
        let usual = authorization().into_iter().filter(|(name, _)| !is_replaced(name));
        url.query_pairs_mut().extend_pairs(usual).append_pair("client_id", application).extend_pairs(extra);
        url.into()
    }

    pub async fn sign_in(&self) -> SignedIn {
        self.sign_in_with("").await
    }

    /// Signs in with the form, in a browser that has a cookie already.
    pub async fn sign_in_with(&self, cookie: &str) -> SignedIn {
        self.sign_in_as(("ada@example.com", "correct horse battery staple"), cookie).await
    }

    /// Signs somebody in with the form, in a browser that has a cookie already.
    pub async fn sign_in_as(&self, (login, password): (&str, &str), cookie: &str) -> SignedIn {
        let page = self.get(&self.authorize(&[("prompt", "login")]), cookie).await;
        let binding = format!("{}; {cookie}", cookie_of(&page, "interaction").unwrap());
        let html = page.text().await.unwrap();
        let form = [("interaction", field_of(&html)), ("login", login), ("password", password)];
        let sent = self.http.post(self.at("/login")).header(header::COOKIE, binding).form(&form).send().await.unwrap();
        let cookie = cookie_of(&sent, "sso").unwrap();
        let code = query(&location(&sent), "code").unwrap();
        let tokens = self.exchange("demo-web", &code).await;
        SignedIn { cookie, tokens }
    }

    /// Signs in to another application without asking; returns its tokens.
    pub async fn open(&self, application: &str, cookie: &str) -> Value {
        let answer = self.get(&self.authorize_for(application, &[]), cookie).await;
        self.exchange(application, &query(&location(&answer), "code").unwrap()).await
    }

    /// What an application gets for a code.
    pub async fn exchange(&self, application: &str, code: &str) -> Value {
        self.exchange_at(application, code, REDIRECT).await
    }

    /// What an application gets for a code that was sent to another address of it.
    pub async fn exchange_at(&self, application: &str, code: &str, redirect_uri: &str) -> Value {
        let exchange = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
        let request = self.http.post(self.at("/token")).basic_auth(application, Some(format!("{application}-secret")));
        request.form(&exchange).send().await.unwrap().json().await.unwrap()
    }

    /// Says whether an access token is good, as its application is told.
    pub async fn is_active(&self, application: &str, tokens: &Value) -> bool {
        let request = self.http.post(self.at("/introspect"));
        let request = request.basic_auth(application, Some(format!("{application}-secret")));
        let token = tokens["access_token"].as_str().unwrap();
        let answer: Value = request.form(&[("token", token)]).send().await.unwrap().json().await.unwrap();
        answer["active"].as_bool().unwrap()
    }

    pub async fn is_signed_in(&self, cookie: &str) -> bool {
        let answer = self.get(&self.authorize(&[("prompt", "none")]), cookie).await;
        query(&location(&answer), "code").is_some()
    }

    pub fn logout(&self, id_token: &str) -> String {
        let mut url = Url::parse(&self.at("/logout")).unwrap();
        url.query_pairs_mut().extend_pairs([("id_token_hint", id_token), ("post_logout_redirect_uri", AFTER)]);
        url.into()
    }

    pub async fn stop(self) {
        self.server.shutdown();
        self.server.wait().await.unwrap();
    }
}

pub fn authorization() -> [(&'static str, &'static str); 5] {
    [
        ("client_id", "demo-web"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "a b&c"),
    ]
}

pub fn location(response: &Response) -> Url {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap()
}

pub fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The cookie that a response sets, as a browser sends it back.
pub fn cookie_of(response: &Response, what: &str) -> Option<String> {
    let set = response.headers().get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    let pair = set.map(|text| text.split(';').next().unwrap().to_owned());
    pair.into_iter().find(|pair| pair.contains(&format!("lk_{what}_")))
}

pub fn id_token(signed_in: &SignedIn) -> &str {
    signed_in.tokens["id_token"].as_str().unwrap()
}

/// What a page's form carries.
pub fn field_of(html: &str) -> &str {
    html.split("name=\"interaction\" value=\"").nth(1).unwrap().split('"').next().unwrap()
}

/// A claim of an ID token, unverified: what a browser's application would look up.
pub fn claim(tokens: &Value, name: &str) -> String {
    claim_of(tokens["id_token"].as_str().unwrap(), name)
}

/// A claim of a JWT, unverified.
pub fn claim_of(jwt: &str, name: &str) -> String {
    let payload = jwt.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims[name].as_str().unwrap().to_owned()
}

/// The claims of a logout token, as an application reads them: signature, `aud`, `iss` and `exp` are checked by the library.
pub async fn logout_claims(stack: &Stack, token: &str, application: &str) -> Value {
    let keys: JwkSet = stack.get(&stack.at("/jwks"), "").await.json().await.unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("logout+jwt"));
    let key = DecodingKey::from_jwk(keys.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[application]);
    validation.set_issuer(&[&stack.server.addresses.issuer]);
    decode::<Value>(token, &key, &validation).unwrap().claims
}
