//! An issuer of access tokens, as auth-svc is one: for callers that belong to a tenant.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::{Json, Router, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use svc_kit::clock::{Clock as _, SystemClock};
use tokio::net::TcpListener;

const ISSUER: &str = "https://issuer.example";
const KID: &str = "test";

/// Issues tokens and publishes its key.
pub struct Issuer {
    key: EncodingKey,
    jwks_url: String,
}

impl Issuer {
    pub async fn start() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwks = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": KID, "alg": "EdDSA", "x": public }] });
        let router = Router::new().route("/jwks", get(async move || Json(jwks)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = format!("http://{}/jwks", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { key: EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref()), jwks_url }
    }

    /// Settings that make a service accept the tokens.
    pub fn settings(&self) -> [(&'static str, String); 2] {
        [("ACCESS__ISSUER", ISSUER.to_owned()), ("ACCESS__JWKS_URL", self.jwks_url.clone())]
    }

    /// A token of an application of `tenant`.
    pub fn token(&self, tenant: &str, scope: &str) -> String {
        let ends = SystemClock.now().saturating_add(Duration::from_secs(600)).as_secs();
        let claims = json!({
            "iss": ISSUER, "aud": "latchkey", "exp": ends, "client_id": format!("backend-of-{tenant}"),
            "tenant_id": tenant, "scope": scope,
        });
        let header =
            Header { typ: Some("at+jwt".to_owned()), kid: Some(KID.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, &self.key).unwrap()
    }
}
