//! Requests → commands. Everything that can be wrong with a request is found here.

use proto::auth::v1 as pb;
use secrecy::SecretString;
use svc_kit::{error::FieldError, page};

use crate::{
    app::login::LoginCommand,
    domain::{
        application::{Application, Client, SecretHash, is_client_id, is_redirect_uri},
        user::{Login, PASSWORD_BYTES_MAX, UserId},
    },
    error::AuthError,
};

type Parsed<T> = Result<T, AuthError>;

const TOKEN_BYTES_MAX: usize = 16 * 1024;
const NAME_BYTES_MAX: usize = 128;
const SCOPES_MAX: usize = 32;
const SCOPE_BYTES_MAX: usize = 128;
const URIS_MAX: usize = 32;

fn field(path: &str, problem: impl Into<String>) -> AuthError {
    FieldError::new(path, problem).into()
}

fn text(path: &str, value: String, bytes_max: usize) -> Parsed<String> {
    if value.len() > bytes_max {
        return Err(field(path, format!("must not be longer than {bytes_max} bytes")));
    }
    if value.chars().any(char::is_control) {
        return Err(field(path, "must not have control characters"));
    }
    Ok(value)
}

pub(super) fn tenant(path: &str, text: &str) -> Parsed<String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=63).contains(&text.len()) && text.chars().all(is_good) {
        Ok(text.to_owned())
    } else {
        Err(field(path, "must be 1 to 63 of A-Z a-z 0-9 _ -"))
    }
}

pub(super) fn application_id(path: &str, text: String) -> Parsed<String> {
    if is_client_id(&text) { Ok(text) } else { Err(field(path, "must be 1 to 128 of A-Z a-z 0-9 . _ -")) }
}

pub(super) fn user_id(text: &str) -> Parsed<UserId> {
    UserId::parse(text).map_err(|error| field("user_id", error.to_string()))
}

pub(super) fn login_name(text: &str) -> Parsed<Login> {
    Login::parse(text).ok_or_else(|| field("login", "must be an e-mail address of at most 320 bytes"))
}

pub(super) fn token(path: &str, text: String) -> Parsed<String> {
    if (1..=TOKEN_BYTES_MAX).contains(&text.len()) {
        Ok(text)
    } else {
        Err(field(path, format!("must be 1 to {TOKEN_BYTES_MAX} bytes")))
    }
}

/// The id that the next page starts after; empty for the first page.
pub(super) fn cursor(list: &[u8], token: &str) -> Parsed<String> {
    if token.is_empty() {
        return Ok(String::new());
    }
    String::from_utf8(page::decode(list, token)?).map_err(|_| page::PageTokenError.into())
}

fn scopes(path: &str, scopes: Vec<String>) -> Parsed<Vec<String>> {
    // RFC 6749 §3.3: printable, without space, quote and backslash.
    let is_good = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    let is_scope = |scope: &String| (1..=SCOPE_BYTES_MAX).contains(&scope.len()) && scope.chars().all(is_good);
    if scopes.len() <= SCOPES_MAX && scopes.iter().all(is_scope) {
        Ok(scopes)
    } else {
        Err(field(path, format!("must be at most {SCOPES_MAX} scopes of 1 to {SCOPE_BYTES_MAX} characters")))
    }
}

pub(super) fn login(request: pb::LoginRequest) -> Parsed<LoginCommand> {
    let password_length = request.password.len();
    if !(1..=PASSWORD_BYTES_MAX).contains(&password_length) {
        return Err(field("password", format!("must be 1 to {PASSWORD_BYTES_MAX} bytes")));
    }
    login_name(&request.login)?;
    Ok(LoginCommand {
        tenant: tenant("tenant_id", &request.tenant_id)?,
        application: application_id("application_id", request.application_id)?,
        login: request.login,
        password: SecretString::from(request.password),
        device: request.device,
        scopes: scopes("scopes", request.scopes)?,
    })
}

pub(super) fn refresh(request: pb::RefreshRequest) -> Parsed<pb::RefreshRequest> {
    Ok(pb::RefreshRequest {
        refresh_token: token("refresh_token", request.refresh_token)?,
        application_id: application_id("application_id", request.application_id)?,
    })
}

/// A user to create.
pub(super) struct NewUser {
    pub(super) tenant: String,
    pub(super) login: Login,
    pub(super) name: String,
    pub(super) password: SecretString,
}

pub(super) fn new_user(request: pb::CreateUserRequest) -> Parsed<NewUser> {
    Ok(NewUser {
        tenant: tenant("tenant_id", &request.tenant_id)?,
        login: login_name(&request.login)?,
        name: text("name", request.name, NAME_BYTES_MAX)?,
        password: request.password.into(),
    })
}

fn uris(path: &str, uris: Vec<String>) -> Parsed<Vec<String>> {
    if uris.len() > URIS_MAX {
        return Err(field(path, format!("must not have more than {URIS_MAX} values")));
    }
    match uris.iter().all(|uri| is_redirect_uri(uri)) {
        true => Ok(uris),
        false => Err(field(path, "must be https addresses (http on the own machine) without fragment or wildcard")),
    }
}

pub(super) fn new_application(application: Option<pb::Application>) -> Parsed<Application> {
    let application = application.ok_or_else(|| field("application", "must be given"))?;
    let client = match application.client_type() {
        pb::ClientType::Public => Client::Public,
        // Stands in for the secret that the use case makes.
        pb::ClientType::Confidential => Client::Confidential(SecretHash::of("")),
        pb::ClientType::Unspecified => return Err(field("application.client_type", "must be CONFIDENTIAL or PUBLIC")),
    };
    let is_application_managed = match pb::SessionMode::try_from(application.session_mode) {
        Ok(pb::SessionMode::Unspecified | pb::SessionMode::Centralized) => false,
        Ok(pb::SessionMode::ApplicationManaged) => true,
        Err(_) => return Err(field("application.session_mode", "must be CENTRALIZED or APPLICATION_MANAGED")),
    };
    let service_scopes = scopes("application.service_scopes", application.service_scopes)?;
    if client == Client::Public && !service_scopes.is_empty() {
        return Err(field("application.service_scopes", "must be empty: a public client cannot authenticate itself"));
    }
    let post_logout = uris("application.post_logout_redirect_uris", application.post_logout_redirect_uris)?;
    Ok(Application {
        id: application_id("application.id", application.id)?,
        tenant: tenant("application.tenant_id", &application.tenant_id)?,
        name: text("application.name", application.name, NAME_BYTES_MAX)?,
        client,
        redirect_uris: uris("application.redirect_uris", application.redirect_uris)?,
        post_logout_redirect_uris: post_logout,
        service_scopes,
        is_application_managed,
        keep_on_sso_logout: application.keep_on_sso_logout,
    })
}
