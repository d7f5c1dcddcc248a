//! Relying parties of the seed, and what they do.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Browser, Page, Provider};

/// The example of RFC 7636.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A relying party.
#[derive(Clone, Copy)]
pub struct Client {
    pub tenant: &'static str,
    pub id: &'static str,
    /// Empty for a public one.
    pub secret: &'static str,
    pub redirect_uri: &'static str,
}

const fn client(id: &'static str, secret: &'static str, redirect_uri: &'static str) -> Client {
    Client { tenant: "default", id, secret, redirect_uri }
}

pub const WEB: Client = client("demo-web", "demo-web-secret", "http://localhost:8080/cb");
pub const SECOND: Client = client("second-web", "a:b+c%d e", "https://second.example/cb?own=1");
pub const SPA: Client = client("demo-spa", "", "http://localhost:8081/cb");
pub const MANAGED: Client = client("demo-managed", "demo-managed-secret", "http://localhost:8082/cb");
pub const NATIVE: Client = client("native", "", "http://127.0.0.1/cb");
/// It has a key instead of a secret.
pub const KEYED_CLIENT: Client = client("keyed", "", "https://keyed.example/cb");
pub const OTHER: Client =
    Client { tenant: "other", id: "other-web", secret: "other-web-secret", redirect_uri: "https://other.example/cb" };

/// What the token endpoint gave.
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub id: String,
    pub answer: Value,
}

impl Tokens {
    /// Takes the answer of the token endpoint.
    pub fn of((status, answer): (u16, Value)) -> Self {
        assert_eq!(status, 200, "{answer}");
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), id: text("id_token"), answer }
    }

    /// The claims of the ID token.
    pub fn claims(&self) -> Value {
        claims(&self.id)
    }
}

/// Claims of a JWT, unverified.
pub fn claims(jwt: &str) -> Value {
    part(jwt, 1)
}

/// Header of a JWT.
pub fn header(jwt: &str) -> Value {
    part(jwt, 0)
}

/// A part of a JWT.
pub fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Bytes as a JWT has them.
pub fn encoded_bytes(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn part(jwt: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

impl Client {
    /// The usual authorization request, with changes; an empty value leaves a parameter out.
    pub fn request<'a>(&'a self, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut fields = vec![
            ("client_id", self.id),
            ("redirect_uri", self.redirect_uri),
            ("response_type", "code"),
            ("scope", "openid"),
            ("state", "some state"),
            ("nonce", "some nonce"),
        ];
        if self.secret.is_empty() {
            fields.extend([("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
        }
        fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        fields
    }

    /// Sends a browser to the provider.
    pub async fn authorize(&self, provider: &Provider, browser: &Browser, changes: &[(&str, &str)]) -> Page {
        browser.get(&format!("{}/authorize", provider.issuer_of(self)), &self.request(changes)).await
    }

    /// Exchanges a code.
    pub async fn exchange(&self, provider: &Provider, code: &str) -> (u16, Value) {
        let mut fields =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", self.redirect_uri)];
        if self.secret.is_empty() {
            fields.push(("code_verifier", VERIFIER));
        }
        provider.post(self, "token", &fields).await
    }

    /// Signs Ada in and exchanges the code.
    pub async fn sign_in(&self, provider: &Provider, browser: &Browser, changes: &[(&str, &str)]) -> Tokens {
        let page = self.authorize(provider, browser, changes).await;
        let page = if page.is_sign_in() { browser.sign_in(&page).await } else { page };
        Tokens::of(self.exchange(provider, &page.answer("code")).await)
    }

    /// Exchanges a refresh token.
    pub async fn refresh(&self, provider: &Provider, token: &str, more: &[(&str, &str)]) -> (u16, Value) {
        let fields = [&[("grant_type", "refresh_token"), ("refresh_token", token)], more].concat();
        provider.post(self, "token", &fields).await
    }
}
