//! A running provider.

use std::{sync::Arc, time::Duration};

use latchkey::dev::{self, DevOptions, DevServer, Ports, Seed};
use serde_json::Value;
use svc_kit::{
    client::{Outgoing, channel},
    clock::{Clock, ManualClock, SystemClock},
};
use tonic::{service::interceptor::InterceptedService, transport::Channel};

use super::Client;

/// Longer than any deadline of a service.
const CALL_DEADLINE: Duration = Duration::from_secs(15);

pub const SEED: &str = concat!(include_str!("../../../../deploy/dev/seed.toml"), include_str!("seed.toml"));

/// A running provider.
pub struct Provider {
    /// Issuer of the default tenant.
    pub issuer: String,
    /// Speaks HTTP, and follows nothing.
    pub http: reqwest::Client,
    clock: Arc<ManualClock>,
    server: DevServer,
}

impl Provider {
    /// Starts one whose time stands still.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with other settings.
    pub async fn start_with(settings: &[(&'static str, &str)]) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let auth_settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let usual = DevOptions::new(Ports::free(), Seed::parse(SEED).unwrap());
        let options = DevOptions { clock: clock.clone(), auth_settings, ..usual };
        let server = dev::start(options).await.unwrap();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { issuer: server.addresses.issuer.clone(), http, clock, server }
    }

    /// Where session-svc answers calls.
    pub fn session_grpc(&self) -> String {
        format!("http://{}", self.server.addresses.session_grpc)
    }

    /// Where auth-svc answers calls.
    pub fn auth_grpc(&self) -> String {
        format!("http://{}", self.server.addresses.auth_grpc)
    }

    /// Moves the time.
    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The time, in seconds.
    pub fn now(&self) -> i64 {
        self.clock.now().as_secs()
    }

    /// The issuer of a client's tenant.
    pub fn issuer_of(&self, client: &Client) -> String {
        if client.tenant == "default" { self.issuer.clone() } else { format!("{}/t/{}", self.issuer, client.tenant) }
    }

    /// Posts a form as `client`, which authenticates itself; an empty secret only names it.
    pub async fn post(&self, client: &Client, endpoint: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let request = self.http.post(format!("{}/{endpoint}", self.issuer_of(client)));
        let request = match client.secret {
            "" => request.form(&[fields, &[("client_id", client.id)]].concat()),
            secret => request.header("authorization", basic(client.id, secret)).form(fields),
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(response.headers()["cache-control"], "no-store", "{endpoint}");
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
    }

    /// Posts a form with a proof of possession.
    pub async fn post_proven(
        &self,
        client: &Client,
        endpoint: &str,
        proof: &str,
        fields: &[(&str, &str)],
    ) -> (u16, Value) {
        let request = self.http.post(format!("{}/{endpoint}", self.issuer_of(client))).header("dpop", proof);
        let request = match client.secret {
            "" => request.form(&[fields, &[("client_id", client.id)]].concat()),
            secret => request.header("authorization", basic(client.id, secret)).form(fields),
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
    }

    /// Posts a form, and nothing else.
    pub async fn post_as_it_is(&self, tenant: &str, endpoint: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let base = if tenant == "default" { self.issuer.clone() } else { format!("{}/t/{tenant}", self.issuer) };
        let response = self.http.post(format!("{base}/{endpoint}")).form(fields).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
    }

    /// Asks UserInfo.
    pub async fn userinfo(&self, token: &str) -> (u16, Value) {
        let request = self.http.get(format!("{}/userinfo", self.issuer)).bearer_auth(token);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
    }

    /// What introspection says of a token to the client that it belongs to.
    pub async fn introspect(&self, client: &Client, token: &str) -> Value {
        let (status, answer) = self.post(client, "introspect", &[("token", token)]).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

/// How calls of the tests are carried.
pub type Line = InterceptedService<Channel, Outgoing>;

/// A way to call a service with a credential.
pub fn line(address: &str, credential: &str) -> Line {
    InterceptedService::new(channel(address, CALL_DEADLINE).unwrap(), Outgoing::new(&credential.to_owned().into()))
}

/// A way to call a service as an operator.
pub fn operator(address: &str) -> Line {
    line(address, "dev-operator-key")
}

fn basic(id: &str, secret: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

/// The claims of a JWT that one of the provider's published keys signed.
pub async fn verified(provider: &Provider, jwt: &str) -> Value {
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
    let keys = provider.http.get(format!("{}/jwks", provider.issuer)).send().await.unwrap();
    let keys: JwkSet = keys.json().await.unwrap();
    let header = decode_header(jwt).unwrap();
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    decode::<Value>(jwt, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
}
