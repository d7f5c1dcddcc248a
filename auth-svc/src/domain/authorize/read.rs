//! Reads an authorization request, part by part; the first part that is wrong decides the answer.

use super::{AuthorizationRequest, AuthorizeError, Parameters, RedirectError, ResponseMode};
use crate::domain::{
    application::Application,
    claims::{ClaimsError, ClaimsRequest},
    dpop,
    grant::user_scopes,
    pkce, redirect,
};

/// Longest values, in bytes.
const STATE_BYTES_MAX: usize = 1024;
const SCOPE_BYTES_MAX: usize = 1024;
const HINT_BYTES_MAX: usize = 320;
const LANGUAGES_BYTES_MAX: usize = 256;
const JWT_BYTES_MAX: usize = 16 * 1024;

/// A request that is known to come from an application, so that errors can be sent back.
pub(super) struct Reader<'a> {
    parameters: &'a Parameters,
    application: &'a Application,
    redirect_uri: &'a str,
    state: &'a str,
    response_mode: ResponseMode,
}

/// What `prompt` demands.
struct Prompts {
    is_silent: bool,
    must_sign_in: bool,
    must_consent: bool,
}

impl<'a> Reader<'a> {
    /// Finds out where answers go.
    pub(super) fn new(parameters: &'a Parameters, application: &'a Application) -> Result<Self, AuthorizeError> {
        let (redirect_uri, state) = (parameters.text("redirect_uri"), parameters.text("state"));
        if !redirect::is_registered(application, redirect_uri) {
            return Err(AuthorizeError::Page("The application did not register this redirect address."));
        }
        if state.len() > STATE_BYTES_MAX {
            return Err(AuthorizeError::Page("The state parameter is too long."));
        }
        let reader = Self { parameters, application, redirect_uri, state, response_mode: ResponseMode::Query };
        match parameters.get("response_mode") {
            None | Some("query") => Ok(reader),
            Some("form_post") => Ok(Self { response_mode: ResponseMode::FormPost, ..reader }),
            Some(_) => reader.refuse("invalid_request", "response_mode must be query or form_post"),
        }
    }

    /// Reads the rest.
    pub(super) fn read(&self) -> Result<AuthorizationRequest, AuthorizeError> {
        self.check_kind()?;
        let nonce = self.short("nonce", STATE_BYTES_MAX)?;
        let scopes = self.scopes()?;
        let challenge = self.challenge()?;
        let prompts = self.prompts()?;
        let max_age_s = self.max_age()?;
        Ok(AuthorizationRequest {
            client_id: self.application.id.clone(),
            redirect_uri: self.redirect_uri.to_owned(),
            response_mode: self.response_mode,
            state: self.state.to_owned(),
            scopes,
            nonce,
            challenge,
            is_silent: prompts.is_silent,
            must_sign_in: prompts.must_sign_in || max_age_s == Some(0),
            must_consent: prompts.must_consent,
            max_age_s,
            login_hint: self.short("login_hint", HINT_BYTES_MAX)?,
            ui_locales: self.languages(),
            id_token_hint: self.short("id_token_hint", JWT_BYTES_MAX)?,
            resources: self.resources()?,
            claims: self.claims()?,
            dpop_jkt: self.key()?,
            pushed: None,
        })
    }

    fn refuse<T>(&self, error: &'static str, description: &'static str) -> Result<T, AuthorizeError> {
        Err(AuthorizeError::Redirect(RedirectError {
            redirect_uri: self.redirect_uri.to_owned(),
            response_mode: self.response_mode,
            state: self.state.to_owned(),
            error,
            description,
        }))
    }

    fn check_kind(&self) -> Result<(), AuthorizeError> {
        if self.parameters.get("request").is_some() {
            return self.refuse("request_not_supported", "request objects are not supported");
        }
        if self.parameters.get("request_uri").is_some() {
            return self.refuse("request_uri_not_supported", "request_uri is not supported");
        }
        match self.parameters.get("response_type") {
            Some("code") => Ok(()),
            None => self.refuse("invalid_request", "response_type is missing"),
            Some(_) => self.refuse("unsupported_response_type", "only response_type=code is supported"),
        }
    }

    fn short(&self, name: &str, bytes_max: usize) -> Result<String, AuthorizeError> {
        match self.parameters.text(name) {
            long if long.len() > bytes_max => self.refuse("invalid_request", "a parameter is too long"),
            short => Ok(short.to_owned()),
        }
    }

    fn scopes(&self) -> Result<Vec<String>, AuthorizeError> {
        let scopes = user_scopes(&self.short("scope", SCOPE_BYTES_MAX)?);
        if scopes.is_empty() {
            return self.refuse("invalid_scope", "scope must name at least one known scope, e.g. openid");
        }
        Ok(scopes)
    }

    fn challenge(&self) -> Result<String, AuthorizeError> {
        match (self.parameters.text("code_challenge"), self.parameters.get("code_challenge_method")) {
            ("", None) if self.application.requires_pkce() => {
                self.refuse("invalid_request", "code_challenge is required")
            }
            ("", None) => Ok(String::new()),
            (challenge, Some("S256")) if pkce::is_challenge(challenge) => Ok(challenge.to_owned()),
            (_, Some("S256")) => self.refuse("invalid_request", "code_challenge is malformed"),
            _ => self.refuse("invalid_request", "code_challenge_method must be S256"),
        }
    }

    fn prompts(&self) -> Result<Prompts, AuthorizeError> {
        let prompt = self.parameters.text("prompt");
        let prompts: Vec<&str> = prompt.split(' ').filter(|prompt| !prompt.is_empty()).collect();
        let is_silent = prompts.contains(&"none");
        if is_silent && prompts.len() > 1 {
            return self.refuse("invalid_request", "prompt=none cannot be combined");
        }
        let must_sign_in = prompts.iter().any(|prompt| ["login", "select_account"].contains(prompt));
        Ok(Prompts { is_silent, must_sign_in, must_consent: prompts.contains(&"consent") })
    }

    fn max_age(&self) -> Result<Option<u64>, AuthorizeError> {
        match self.parameters.get("max_age").map(str::parse) {
            None => Ok(None),
            Some(Ok(max_age)) => Ok(Some(max_age)),
            Some(Err(_)) => self.refuse("invalid_request", "max_age must be a number of seconds"),
        }
    }

    /// A wish, no demand: what is too long is as if it were not there (OpenID Connect Core 1.0 §3.1.2.1).
    fn languages(&self) -> String {
        let languages = self.parameters.text("ui_locales");
        if languages.len() > LANGUAGES_BYTES_MAX { String::new() } else { languages.to_owned() }
    }

    fn resources(&self) -> Result<Vec<String>, AuthorizeError> {
        let asked = self.parameters.resources();
        if !self.application.may_ask_for(asked) {
            return self.refuse("invalid_target", "the application may not ask for this resource");
        }
        Ok(asked.to_vec())
    }

    fn claims(&self) -> Result<ClaimsRequest, AuthorizeError> {
        match ClaimsRequest::parse(self.parameters.text("claims")) {
            Ok(claims) => Ok(claims),
            Err(ClaimsError::Malformed) => self.refuse("invalid_request", "claims is malformed"),
            Err(ClaimsError::Unmet) => {
                self.refuse("unmet_authentication_requirements", "the authentication class that is demanded is unknown")
            }
        }
    }

    fn key(&self) -> Result<String, AuthorizeError> {
        match self.parameters.text("dpop_jkt") {
            malformed if !malformed.is_empty() && !dpop::is_thumbprint(malformed) => {
                self.refuse("invalid_request", "dpop_jkt is malformed")
            }
            thumbprint => Ok(thumbprint.to_owned()),
        }
    }
}
