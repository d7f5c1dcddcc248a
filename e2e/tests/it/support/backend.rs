//! A small backend, as somebody would write it: verifies the access token, then asks session-svc on every request.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use proto::session::v1::{Activity, ValidateSessionRequest, validate_session_request};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::{DEFAULT_TENANT, Stack};

#[derive(Deserialize)]
struct Claims {
    sub: String,
    sid: String,
}

struct Shared {
    keys: JwkSet,
    issuer: String,
    sessions: proto::session::v1::session_service_client::SessionServiceClient<super::Carrier>,
}

/// A running backend.
pub struct Backend {
    url: String,
}

impl Backend {
    /// Starts one that calls session-svc with a token of its own.
    pub async fn start(stack: &Stack) -> Self {
        let token = stack.token_of(DEFAULT_TENANT, "demo-backend").await;
        let keys = reqwest::get(format!("{}/jwks", stack.issuer)).await.unwrap().json().await.unwrap();
        let shared = Shared { keys, issuer: stack.issuer.clone(), sessions: stack.sessions_as(&token) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/me", listener.local_addr().unwrap());
        let router = Router::new().route("/me", get(me)).with_state(Arc::new(shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url }
    }

    /// Asks who the holder of an access token is: status and body.
    pub async fn me(&self, access_token: &str, traceparent: &str) -> (u16, String) {
        let request = reqwest::Client::builder().build().unwrap().get(&self.url);
        let response = request.bearer_auth(access_token).header("traceparent", traceparent).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

async fn me(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> (StatusCode, String) {
    let refused = |why: &str| (StatusCode::UNAUTHORIZED, why.to_owned());
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(claims) = token.and_then(|token| verified(&shared, token)) else { return refused("bad token") };
    let request = ValidateSessionRequest {
        session: Some(validate_session_request::Session::SessionId(claims.sid)),
        activity: Activity::Interactive.into(),
        ip_address: String::new(),
    };
    match shared.sessions.clone().validate_session(request).await.map(tonic::Response::into_inner) {
        Ok(answer) if answer.active => (StatusCode::OK, claims.sub),
        Ok(answer) => refused(answer.inactive_reason().as_str_name()),
        Err(status) => (StatusCode::SERVICE_UNAVAILABLE, status.to_string()),
    }
}

fn verified(shared: &Shared, token: &str) -> Option<Claims> {
    let header = decode_header(token).ok()?;
    let key = DecodingKey::from_jwk(shared.keys.find(&header.kid?)?).ok()?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[&shared.issuer]);
    validation.set_audience(&["latchkey"]);
    Some(decode::<Claims>(token, &key, &validation).ok()?.claims)
}
