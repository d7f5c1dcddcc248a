//! The login API: signing in and changing a password as JSON, for applications that show their own forms and do not speak
//! gRPC. The policy is the one of every other sign-in; the answer names what it came to (`outcome`), by the reason that gRPC
//! gives.
//!
//! The application authenticates itself by its secret (`client_secret_basic`). One that cannot keep a secret signs its users
//! in at the hosted pages: anybody could ask in its name.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Json, Response},
};
use proto::session::v1 as session_pb;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use svc_kit::{
    clock::Timestamp,
    error::{FieldError, Kind, ServiceError as _, chain},
};

use super::{
    HttpState,
    client::{self, Asked},
    retry_after::ask_to_wait,
    tenant::Tenant,
    token::NOT_CACHED,
};
use crate::{
    app::{Adapters, login::LoginCommand, passwords::PasswordCommand, tokens::TokenSet},
    domain::{
        application::Application,
        user::{Login, PASSWORD_BYTES_MAX},
    },
    error::AuthError,
};

/// Most scopes that are asked for.
const SCOPES_MAX: usize = 32;

/// Body of `/api/login`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    login: String,
    password: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    device: DeviceBody,
}

/// The device that the session lives on.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DeviceBody {
    name: String,
    description: String,
    user_agent: String,
    ip_address: String,
}

/// Body of `/api/password`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    login: String,
    password: String,
    new_password: String,
    #[serde(default)]
    ip_address: String,
}

/// Signs a user in.
pub(super) async fn login<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked { tenant: &tenant.0, endpoint: "api/login" };
    let (application, body): (Application, LoginBody) = match read(&state, asked, &headers, &body).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let command = match command(application, body) {
        Ok(command) => command,
        Err(error) => return refused(&error),
    };
    match state.auth.login(command).await {
        Ok((tokens, session)) => signed_in(&tokens, &session),
        Err(error) => refused(&error),
    }
}

fn command(application: Application, body: LoginBody) -> Result<LoginCommand, AuthError> {
    check_typed(&body.login, &body.password)?;
    if body.scopes.len() > SCOPES_MAX {
        return Err(FieldError::new("scopes", format!("must be at most {SCOPES_MAX} scopes")).into());
    }
    let DeviceBody { name, description, user_agent, ip_address } = body.device;
    let device = session_pb::Device { name, description, user_agent, ip_address, ..session_pb::Device::default() };
    Ok(LoginCommand {
        tenant: application.tenant,
        application: application.id,
        login: body.login,
        password: body.password.into(),
        device: Some(device),
        scopes: body.scopes,
    })
}

/// Changes a password by the one before.
pub(super) async fn password<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked { tenant: &tenant.0, endpoint: "api/password" };
    let (application, body): (Application, PasswordBody) = match read(&state, asked, &headers, &body).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    if let Err(error) = check_typed(&body.login, &body.password) {
        return refused(&error);
    }
    let command = PasswordCommand {
        tenant: application.tenant,
        application: application.id,
        login: body.login,
        password: body.password.into(),
        new_password: body.new_password.into(),
        address: body.ip_address,
    };
    match state.auth.change_password(command).await {
        Ok(_) => answer(StatusCode::OK, &json!({ "outcome": "PASSWORD_CHANGED" })),
        Err(error) => refused(&error),
    }
}

fn check_typed(login: &str, password: &str) -> Result<(), AuthError> {
    if Login::parse(login).is_none() {
        return Err(FieldError::new("login", "must be an e-mail address of at most 320 bytes").into());
    }
    if !(1..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        return Err(FieldError::new("password", format!("must be 1 to {PASSWORD_BYTES_MAX} bytes")).into());
    }
    Ok(())
}

/// Finds out which application asks, and reads what for. A form of a foreign page cannot send JSON.
async fn read<A: Adapters, B: DeserializeOwned>(
    state: &HttpState<A>,
    asked: Asked<'_>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(Application, B), Response> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/json" {
        let problem = json!({ "outcome": "INVALID_REQUEST", "message": "the body must be application/json" });
        return Err(answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, &problem));
    }
    let application = client::by_header(state, asked, headers).await?;
    let body: Value = serde_json::from_slice(body).map_err(|_| malformed("the body must be a JSON object"))?;
    // What is wrong names fields, never their values.
    let is_clean = !body.to_string().contains("\\u0000");
    let body = serde_json::from_value(body).ok().filter(|_| is_clean);
    Ok((application, body.ok_or_else(|| malformed("a field is missing, unknown, or not of its type"))?))
}

fn malformed(message: &str) -> Response {
    answer(StatusCode::BAD_REQUEST, &json!({ "outcome": "INVALID_REQUEST", "message": message }))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, NOT_CACHED, Json(body)).into_response()
}

fn signed_in(tokens: &TokenSet, session: &session_pb::Session) -> Response {
    let ends = session.expires_at.as_ref().and_then(|at| Timestamp::from_proto(at).ok());
    let mut body = serde_json::to_value(tokens).unwrap_or_default();
    body["outcome"] = "SIGNED_IN".into();
    body["session"] = json!({
        "id": session.id,
        "user_id": session.user_id,
        "expires_at": ends.map(Timestamp::as_secs),
    });
    answer(StatusCode::OK, &body)
}

fn refused(error: &AuthError) -> Response {
    let status = match error.kind() {
        Kind::InvalidArgument => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::FORBIDDEN,
    };
    if status.is_server_error() {
        tracing::warn!(error = chain(error), reason = error.reason(), "a sign-in failed");
    }
    let mut body = json!({ "outcome": error.reason() });
    if status == StatusCode::BAD_REQUEST {
        body["message"] = error.to_string().into();
    }
    for (name, value) in error.metadata() {
        body[name] = value.into();
    }
    let mut response = answer(status, &body);
    if let Some(wait) = error.retry_after() {
        ask_to_wait(&mut response, wait);
    }
    response
}
