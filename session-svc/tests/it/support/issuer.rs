//! An issuer of access tokens: signs them, and publishes its key.

use std::net::SocketAddr;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use axum::{Json, Router, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use svc_kit::clock::Timestamp;
use tokio::net::TcpListener;

pub const ISSUER: &str = "http://issuer.test";
pub const AUDIENCE: &str = "latchkey";
const KID: &str = "test-key";

pub struct Issuer {
    key: EncodingKey,
    address: SocketAddr,
}

impl Issuer {
    pub async fn start() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let keys =
            json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": KID, "alg": "EdDSA", "use": "sig" }] });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/jwks", get(move || async move { Json(keys) }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { key: EncodingKey::from_ed_der(pkcs8.as_ref()), address }
    }

    pub fn jwks_url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    /// An access token of an application of `tenant`.
    pub fn token(&self, tenant: &str, scope: &str, now: Timestamp) -> String {
        let header =
            Header { typ: Some("at+jwt".to_owned()), kid: Some(KID.to_owned()), ..Header::new(Algorithm::EdDSA) };
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "app", "client_id": format!("backend-of-{tenant}"), "jti": "1",
            "iat": now.as_secs(), "exp": now.as_secs() + 3600 * 24 * 365, "scope": scope, "tenant_id": tenant,
        });
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}
