//! Which claims of a user are told, and where: those of a scope, and those that a request names (OpenID Connect Core 1.0
//! §5.4, §5.5).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::user::{CLAIMS, User};

/// Longest `claims` parameter, in bytes.
const REQUEST_BYTES_MAX: usize = 4096;
/// The claims that a user has besides [`CLAIMS`].
const OTHERS: [&str; 4] = ["name", "updated_at", "email", "email_verified"];

/// The claims that a request names. Those that we do not know are left out, essential or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimsRequest {
    /// Told by UserInfo.
    pub userinfo: Vec<String>,
    /// Told in the ID token.
    pub id_token: Vec<String>,
    /// Only this user will do; empty when anybody will.
    pub sub: String,
}

/// What is wrong with a `claims` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimsError {
    /// It cannot be read.
    Malformed,
    /// It demands a class of authentication that we do not offer.
    Unmet,
}

impl ClaimsRequest {
    /// Reads a `claims` parameter; the empty text asks for nothing.
    ///
    /// # Errors
    /// [`ClaimsError`].
    pub fn parse(text: &str) -> Result<Self, ClaimsError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let request: Map<String, Value> = match serde_json::from_str(text) {
            Ok(request) if text.len() <= REQUEST_BYTES_MAX => request,
            _ => return Err(ClaimsError::Malformed),
        };
        let (userinfo, id_token) = (member(&request, "userinfo")?, member(&request, "id_token")?);
        // We know passwords only, and give them no class: a class that must be is one that cannot be.
        let is_demanded = |claims: &Map<String, Value>| claims.get("acr").is_some_and(is_essential);
        if is_demanded(&userinfo) || is_demanded(&id_token) {
            return Err(ClaimsError::Unmet);
        }
        let sub = [&id_token, &userinfo].into_iter().find_map(|claims| claims.get("sub")?.get("value")?.as_str());
        let sub = sub.unwrap_or_default().to_owned();
        Ok(Self { userinfo: known(&userinfo), id_token: known(&id_token), sub })
    }

    /// The scopes, with those whose claims are named: what a user must agree to who is asked.
    pub fn with_scopes(&self, scopes: &[String]) -> Vec<String> {
        let mut all = scopes.to_vec();
        for scope in self.userinfo.iter().chain(&self.id_token).map(|name| scope_of(name)) {
            if !all.iter().any(|known| known == scope) {
                all.push(scope.to_owned());
            }
        }
        all
    }
}

fn member(request: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, ClaimsError> {
    let claims = match request.get(name) {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(claims)) => claims,
        Some(_) => return Err(ClaimsError::Malformed),
    };
    let is_wish = |wish: &Value| wish.is_null() || wish.is_object();
    if claims.values().all(is_wish) { Ok(claims.clone()) } else { Err(ClaimsError::Malformed) }
}

fn is_essential(wish: &Value) -> bool {
    wish["essential"] == true
}

fn known(claims: &Map<String, Value>) -> Vec<String> {
    let is_known = |name: &&String| CLAIMS.contains(&name.as_str()) || OTHERS.contains(&name.as_str());
    claims.keys().filter(is_known).cloned().collect()
}

/// The scope that a claim belongs to.
fn scope_of(claim: &str) -> &'static str {
    if claim.starts_with("email") { "email" } else { "profile" }
}

/// The claims of a user that are told: those of `scopes`, and those that are `named`. Nothing is told of what is not known.
pub fn of_user(user: &User, scopes: &[&str], named: &[String]) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("preferred_username".to_owned(), user.login.as_str().into());
    all.extend(user.claims.iter().map(|(name, value)| (name.clone(), value.clone().into())));
    all.insert("name".to_owned(), user.name.clone().into());
    all.insert("updated_at".to_owned(), user.updated_at.as_secs().into());
    all.insert("email".to_owned(), user.login.as_str().into());
    all.insert("email_verified".to_owned(), user.is_email_verified.into());
    all.retain(|name, value| {
        let is_told = scopes.contains(&scope_of(name)) || named.iter().any(|named| named == name);
        is_told && *value != ""
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_and_known_is_told() {
        let text = r#"{
            "userinfo": { "name": { "essential": true }, "email": null, "unknown": { "essential": true }, "sub": null },
            "id_token": { "auth_time": { "essential": true }, "given_name": null, "acr": { "values": ["1"] } },
            "other": 7
        }"#;
        let request = ClaimsRequest::parse(text).unwrap();
        let expected = ClaimsRequest {
            userinfo: vec!["email".to_owned(), "name".to_owned()],
            id_token: vec!["given_name".to_owned()],
            sub: String::new(),
        };
        assert_eq!(request, expected);
        assert_eq!(request.with_scopes(&["openid".to_owned()]), ["openid", "email", "profile"]);
        let named = r#"{ "id_token": { "sub": { "value": "user_x" } } }"#;
        assert_eq!(ClaimsRequest::parse(named).unwrap().sub, "user_x");
        assert_eq!(ClaimsRequest::parse(""), Ok(ClaimsRequest::default()));
        assert_eq!(ClaimsRequest::parse(r#"{"userinfo":null}"#), Ok(ClaimsRequest::default()));
    }

    #[test]
    fn what_cannot_be_read_or_met_is_refused() {
        let long = format!("{{\"x\":\"{}\"}}", "y".repeat(REQUEST_BYTES_MAX));
        for bad in ["x", "[]", "7", r#"{"userinfo":[]}"#, r#"{"userinfo":{"name":true}}"#, &long] {
            assert_eq!(ClaimsRequest::parse(bad), Err(ClaimsError::Malformed), "{bad}");
        }
        let demands = r#"{"id_token":{"acr":{"essential":true,"values":["gold"]}}}"#;
        assert_eq!(ClaimsRequest::parse(demands), Err(ClaimsError::Unmet));
    }
}
