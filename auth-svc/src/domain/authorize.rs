//! Authorization requests (RFC 6749 §4.1.1, OpenID Connect Core 1.0 §3.1.2.1): what is asked, and what is wrong with it.
//!
//! Until client and redirect address are known to belong together nothing may be redirected: an error is shown on a page.
//! After that errors go back to the application.

mod read;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use svc_kit::clock::Timestamp;

use self::read::Reader;
use super::{application::Application, claims::ClaimsRequest};

/// The one parameter that may occur more than once (RFC 8707 §2).
const RESOURCE: &str = "resource";

/// Parameters by name. A name that occurs twice makes the request invalid.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    single: BTreeMap<String, String>,
    resources: Vec<String>,
}

impl Parameters {
    /// Collects parameters; `Err` names one that occurs twice, but may not. Empty values count as absent (RFC 6749 §3.1).
    ///
    /// # Errors
    /// The name.
    pub fn collect(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut parameters = Self::default();
        for (name, value) in pairs {
            if name == RESOURCE {
                parameters.resources.push(value);
            } else if let Some(_before) = parameters.single.insert(name.clone(), value) {
                return Err(name);
            }
        }
        parameters.single.retain(|_, value| !value.is_empty());
        parameters.resources.retain(|value| !value.is_empty());
        Ok(parameters)
    }

    /// Returns a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.single.get(name).map(String::as_str)
    }

    /// Returns all of them, by name.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let single = self.single.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        single.chain(self.resources.iter().map(|value| (RESOURCE, value.as_str())))
    }

    /// Returns the resources that are asked for.
    pub fn resources(&self) -> &[String] {
        &self.resources
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
    /// Languages that the pages should be in, between spaces, best first.
    #[serde(default)]
    pub ui_locales: String,
    /// An ID token of ours: only this user will do. Empty when anybody will.
    pub id_token_hint: String,
    /// Resources that access tokens will be for (RFC 8707); empty for our own services.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Claims that are asked for by name.
    #[serde(default)]
    pub claims: ClaimsRequest,
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
        Reader::new(parameters, application)?.read()
    }

    /// What a user must agree to who is asked: the scopes, and those of the claims that are named.
    pub fn consent_scopes(&self) -> Vec<String> {
        self.claims.with_scopes(&self.scopes)
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
