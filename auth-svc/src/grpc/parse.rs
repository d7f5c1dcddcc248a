//! Requests → commands. Everything that can be wrong with a request is found here.

mod api_keys;
mod applications;
mod audit;
mod import;
mod tenants;

pub(super) use api_keys::{api_key_id, new_api_key};
pub(super) use applications::{application_id, changed, new_application, overlap, signing_algorithm};
pub(super) use audit::{audit_filter, before};
pub(super) use import::imported_users;
pub(super) use tenants::{changed_tenant, new_tenant};

use std::{collections::HashMap, net::IpAddr};

use proto::auth::v1 as pb;
use secrecy::SecretString;
use svc_kit::{error::FieldError, page};

use crate::{
    app::{login::LoginCommand, passwords::PasswordCommand},
    domain::user::{CLAIMS, Claims, Description, Login, PASSWORD_BYTES_MAX, UserId},
    error::AuthError,
};

type Parsed<T> = Result<T, AuthError>;

const TOKEN_BYTES_MAX: usize = 16 * 1024;
const NAME_BYTES_MAX: usize = 128;
/// Most fields that an update may name.
const PATHS_MAX: usize = 32;
const CLAIM_BYTES_MAX: usize = 512;
const KEY_ID_BYTES_MAX: usize = 64;
const SCOPES_MAX: usize = 32;
const SCOPE_BYTES_MAX: usize = 128;

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

pub(super) fn signing_key_id(text: String) -> Parsed<String> {
    let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if (1..=KEY_ID_BYTES_MAX).contains(&text.len()) && text.chars().all(is_good) {
        Ok(text)
    } else {
        Err(field("signing_key_id", "must be the kid of a key"))
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

/// A password as somebody types it who has it.
fn typed_password(password: String) -> Parsed<SecretString> {
    if (1..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        Ok(password.into())
    } else {
        Err(field("password", format!("must be 1 to {PASSWORD_BYTES_MAX} bytes")))
    }
}

pub(super) fn password_change(request: pb::ChangePasswordRequest) -> Parsed<PasswordCommand> {
    login_name(&request.login)?;
    let is_address = request.ip_address.is_empty() || request.ip_address.parse::<IpAddr>().is_ok();
    if !is_address {
        return Err(field("ip_address", "must be an IP address"));
    }
    Ok(PasswordCommand {
        tenant: tenant("tenant_id", &request.tenant_id)?,
        application: String::new(),
        login: request.login,
        password: typed_password(request.password)?,
        new_password: request.new_password.into(),
        address: request.ip_address,
    })
}

pub(super) fn login(request: pb::LoginRequest) -> Parsed<LoginCommand> {
    login_name(&request.login)?;
    Ok(LoginCommand {
        tenant: tenant("tenant_id", &request.tenant_id)?,
        application: application_id("application_id", request.application_id)?,
        login: request.login,
        password: typed_password(request.password)?,
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

/// Checks how many fields an update names; they are told in its event.
fn mask(paths: &[String]) -> Parsed<()> {
    if (1..=PATHS_MAX).contains(&paths.len()) {
        Ok(())
    } else {
        Err(field("update_mask", format!("must name 1 to {PATHS_MAX} fields to change")))
    }
}

/// What an update changes of a user.
pub(super) fn description(user: &pb::User, paths: &[String]) -> Parsed<Description> {
    mask(paths)?;
    let mut description = Description::default();
    for path in paths {
        match path.as_str() {
            "login" => {
                let login = Login::parse(&user.login);
                let problem = || field("user.login", "must be an e-mail address of at most 320 bytes");
                description.login = Some(login.ok_or_else(problem)?);
            }
            "name" => description.name = Some(text("user.name", user.name.clone(), NAME_BYTES_MAX)?),
            "claims" => description.claims = Some(claims("user.claims", &user.claims)?),
            "email_verified" => description.is_email_verified = Some(user.email_verified),
            "password_change_required" => description.must_change_password = Some(user.password_change_required),
            _ => {
                let known = "may name login, name, claims, email_verified and password_change_required";
                return Err(field("update_mask", known));
            }
        }
    }
    Ok(description)
}

fn claims(path: &str, given: &HashMap<String, String>) -> Parsed<Claims> {
    let mut claims = Claims::new();
    for (name, value) in given {
        if !CLAIMS.contains(&name.as_str()) {
            return Err(field(path, format!("may have {} only", CLAIMS.join(", "))));
        }
        claims.insert(name.clone(), text(path, value.clone(), CLAIM_BYTES_MAX)?);
    }
    Ok(claims)
}
