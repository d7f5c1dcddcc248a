//! Authorization requests (RFC 6749 §4.1.1, OpenID Connect Core 1.0 §3.1.2.1): what is asked, and what is wrong with it.
//!
//! Until client and redirect address are known to belong together nothing may be redirected: an error is shown on a page.
//! After that errors go back to the application.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use svc_kit::clock::Timestamp;

use super::{application::Application, dpop, grant::user_scopes, pkce, redirect};

/// Longest values, in bytes.
const STATE_BYTES_MAX: usize = 1024;
const SCOPE_BYTES_MAX: usize = 1024;
const HINT_BYTES_MAX: usize = 320;
const JWT_BYTES_MAX: usize = 16 * 1024;

/// Parameters by name. A name that occurs twice makes the request invalid.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Collects parameters; `Err` names one that occurs twice. Empty values count as absent (RFC 6749 §3.1).
    ///
    /// # Errors
    /// The name.
    pub fn collect(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if parameters.contains_key(&name) {
                return Err(name);
            }
            parameters.insert(name, value);
        }
        parameters.retain(|_, value: &mut String| !value.is_empty());
        Ok(Self(parameters))
    }

    /// Returns a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns all of them, by name.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns a parameter, or the empty text.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

/// How an answer reaches the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseMode {
    /// In the query of a redirect.
    #[default]
    Query,
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// A request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Application.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// How it gets there.
    pub response_mode: ResponseMode,
    /// Returned unchanged.
    pub state: String,
    /// Scopes that may be granted.
    pub scopes: Vec<String>,
    /// Returned in the ID token.
    pub nonce: String,
    /// PKCE challenge; empty when there is none.
    pub challenge: String,
    /// Whether nothing may be shown.
    pub is_silent: bool,
    /// Whether the user must sign in even with a session.
    pub must_sign_in: bool,
    /// Whether the user must be asked what the application may know, even if they agreed before.
    pub must_consent: bool,
    /// How long ago the user may have signed in, in seconds.
    pub max_age_s: Option<u64>,
    /// Who will probably sign in.
    pub login_hint: String,
    /// An ID token of ours: only this user will do. Empty when anybody will.
    pub id_token_hint: String,
    /// Thumbprint of the key that the code is bound to (RFC 9449 §10); empty when it is bound to none.
    #[serde(default)]
    pub dpop_jkt: String,
    /// The hash of the reference that it came by; `None` when the browser brought it.
    pub pushed: Option<[u8; 32]>,
}

/// An error that goes back to the application (RFC 6749 §4.1.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectError {
    /// Where.
    pub redirect_uri: String,
    /// How it gets there.
    pub response_mode: ResponseMode,
    /// Returned unchanged.
    pub state: String,
    /// The error code.
    pub error: &'static str,
    /// For developers.
    pub description: &'static str,
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizeError {
    /// Shown on a page.
    Page(&'static str),
    /// Sent back.
    Redirect(RedirectError),
}

impl AuthorizationRequest {
    /// Reads the request of `application`, which `client_id` named.
    ///
    /// # Errors
    /// [`AuthorizeError`].
    pub fn parse(parameters: &Parameters, application: &Application) -> Result<Self, AuthorizeError> {
        let redirect_uri = parameters.text("redirect_uri").to_owned();
        if !redirect::is_registered(application, &redirect_uri) {
            return Err(AuthorizeError::Page("The application did not register this redirect address."));
        }
        let state = parameters.text("state");
        if state.len() > STATE_BYTES_MAX {
            return Err(AuthorizeError::Page("The state parameter is too long."));
        }
        let response_mode = match parameters.get("response_mode") {
            None | Some("query") => Some(ResponseMode::Query),
            Some("form_post") => Some(ResponseMode::FormPost),
            Some(_) => None,
        };
        let refuse = |error, description| {
            let (redirect_uri, state) = (redirect_uri.clone(), state.to_owned());
            let response_mode = response_mode.unwrap_or_default();
            Err(AuthorizeError::Redirect(RedirectError { redirect_uri, response_mode, state, error, description }))
        };
        let Some(response_mode) = response_mode else {
            return refuse("invalid_request", "response_mode must be query or form_post");
        };
        if parameters.get("request").is_some() {
            return refuse("request_not_supported", "request objects are not supported");
        }
        if parameters.get("request_uri").is_some() {
            return refuse("request_uri_not_supported", "request_uri is not supported");
        }
        match parameters.get("response_type") {
            Some("code") => {}
            None => return refuse("invalid_request", "response_type is missing"),
            Some(_) => return refuse("unsupported_response_type", "only response_type=code is supported"),
        }
        let (scope, nonce) = (parameters.text("scope"), parameters.text("nonce"));
        if scope.len() > SCOPE_BYTES_MAX || nonce.len() > STATE_BYTES_MAX {
            return refuse("invalid_request", "scope or nonce is too long");
        }
        let scopes = user_scopes(scope);
        if scopes.is_empty() {
            return refuse("invalid_scope", "scope must name at least one known scope, e.g. openid");
        }
        let challenge = parameters.text("code_challenge").to_owned();
        match (challenge.as_str(), parameters.get("code_challenge_method")) {
            ("", None) if application.requires_pkce() => {
                return refuse("invalid_request", "code_challenge is required");
            }
            ("", None) => {}
            (challenge, Some("S256")) if pkce::is_challenge(challenge) => {}
            (_, Some("S256")) => return refuse("invalid_request", "code_challenge is malformed"),
            _ => return refuse("invalid_request", "code_challenge_method must be S256"),
        }
        let prompts: Vec<&str> = parameters.text("prompt").split(' ').filter(|prompt| !prompt.is_empty()).collect();
        let is_silent = prompts.contains(&"none");
        if is_silent && prompts.len() > 1 {
            return refuse("invalid_request", "prompt=none cannot be combined");
        }
        let max_age_s = match parameters.get("max_age").map(str::parse) {
            None => None,
            Some(Ok(max_age)) => Some(max_age),
            Some(Err(_)) => return refuse("invalid_request", "max_age must be a number of seconds"),
        };
        let (login_hint, id_token_hint) = (parameters.text("login_hint"), parameters.text("id_token_hint"));
        if login_hint.len() > HINT_BYTES_MAX || id_token_hint.len() > JWT_BYTES_MAX {
            return refuse("invalid_request", "login_hint or id_token_hint is too long");
        }
        let dpop_jkt = parameters.text("dpop_jkt");
        if !dpop_jkt.is_empty() && !dpop::is_thumbprint(dpop_jkt) {
            return refuse("invalid_request", "dpop_jkt is malformed");
        }
        let must_sign_in = prompts.iter().any(|prompt| ["login", "select_account"].contains(prompt));
        Ok(Self {
            client_id: application.id.clone(),
            redirect_uri: redirect_uri.clone(),
            response_mode,
            state: state.to_owned(),
            scopes,
            nonce: nonce.to_owned(),
            challenge,
            is_silent,
            must_sign_in: must_sign_in || max_age_s == Some(0),
            must_consent: prompts.contains(&"consent"),
            max_age_s,
            login_hint: login_hint.to_owned(),
            id_token_hint: id_token_hint.to_owned(),
            dpop_jkt: dpop_jkt.to_owned(),
            pushed: None,
        })
    }

    /// Says whether a sign-in at `authenticated_at` is good enough.
    pub fn accepts(&self, authenticated_at: Timestamp, now: Timestamp) -> bool {
        let age = now.duration_since(authenticated_at);
        !self.must_sign_in && self.max_age_s.is_none_or(|max| age <= Duration::from_secs(max))
    }

    /// The error that says that the user must be asked, but may not be.
    pub fn login_required(&self) -> RedirectError {
        self.refused("login_required", "the user must sign in")
    }

    /// The error that says that the user must agree, but may not be asked.
    pub fn consent_required(&self) -> RedirectError {
        self.refused("consent_required", "the user must agree")
    }

    /// An error for the application.
    pub fn refused(&self, error: &'static str, description: &'static str) -> RedirectError {
        RedirectError {
            redirect_uri: self.redirect_uri.clone(),
            response_mode: self.response_mode,
            state: self.state.clone(),
            error,
            description,
        }
    }
}

#[cfg(test)]
mod tests;
