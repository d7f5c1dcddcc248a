//! The token endpoint: codes, refresh tokens and client credentials become tokens.

use std::collections::HashMap;

use proto::session::v1 as pb;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use svc_kit::secret;

use crate::{
    app::{
        Adapters, Auth,
        login::session_request,
        oidc::possession::KEY_ATTRIBUTE,
        tokens::{CLAIMS_ATTRIBUTE, RESOURCES_ATTRIBUTE, Terms, TokenSet, listed},
    },
    domain::{application::Application, claims, ending::Cause, grant::Grant, pkce, user::UserId},
    error::AuthError,
    ports::{GrantStore as _, SessionRef, Sessions as _, SessionsError, TakenCode, UserStore as _},
};

/// Why no tokens are given (RFC 6749 §5.2).
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The code or token is not good.
    #[error("the grant is not good: {0}")]
    InvalidGrant(&'static str),
    /// The resource was not granted.
    #[error("the resource was not granted")]
    InvalidTarget,
    /// The scopes are not the application's.
    #[error("the application may not have these scopes")]
    InvalidScope,
    /// The application may not use this grant.
    #[error("the application may not use this grant")]
    UnauthorizedClient,
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] AuthError),
}

/// A code, and what must fit it.
#[derive(Clone, Copy, Debug)]
pub struct PresentedCode<'a> {
    /// The code.
    pub code: &'a str,
    /// Where it was sent.
    pub redirect_uri: &'a str,
    /// `code_verifier`, if any.
    pub verifier: Option<&'a str>,
    /// Thumbprint of the key that the client shows, if it shows one.
    pub key: Option<&'a str>,
    /// Resources that the access token is for; empty for all that were granted.
    pub resources: &'a [String],
}

/// What was granted, and to whom it is given now.
pub(super) struct Redeemed<'a> {
    /// What was granted.
    pub(super) grant: &'a Grant,
    /// Thumbprint of the key that the client shows, if it shows one.
    pub(super) key: Option<&'a str>,
    /// Resources that the access token is for; empty for all that were granted.
    pub(super) resources: &'a [String],
}

/// A refresh token, and what is asked for it.
#[derive(Clone, Copy, Debug)]
pub struct PresentedToken<'a> {
    /// The token.
    pub token: &'a str,
    /// Fewer scopes than were granted, for this access token only; empty for all.
    pub scope: &'a str,
    /// Fewer resources, likewise.
    pub resources: &'a [String],
    /// Thumbprint of the key that the client shows, if it shows one.
    pub key: Option<&'a str>,
}

impl From<SessionsError> for ExchangeError {
    fn from(error: SessionsError) -> Self {
        match error {
            SessionsError::TokenRefused => Self::InvalidGrant("the refresh token is refused"),
            SessionsError::ParentEnded | SessionsError::NotFound | SessionsError::Closed => {
                Self::InvalidGrant("the sign-in has ended")
            }
            SessionsError::LimitReached => Self::InvalidGrant("the user has too many sessions"),
            other => Self::Failed(other.into()),
        }
    }
}

impl From<crate::ports::StoreError> for ExchangeError {
    fn from(error: crate::ports::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl<A: Adapters> Auth<A> {
    /// Exchanges a code. A code that was spent before ends the session that it led to (RFC 6749 §4.1.2).
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn exchange_code(
        &self,
        application: &Application,
        presented: &PresentedCode<'_>,
    ) -> Result<TokenSet, ExchangeError> {
        let hash = secret::sha256(presented.code.as_bytes());
        let grant = match self.store.take_code(hash, self.clock.now()).await? {
            TakenCode::Good(grant) => grant,
            TakenCode::Unknown => return Err(ExchangeError::InvalidGrant("the code is unknown or too old")),
            TakenCode::Spent(session) => {
                self.end_session_of_code(&session).await?;
                return Err(ExchangeError::InvalidGrant("the code was used before"));
            }
        };
        if let Some(problem) = problem_with(&grant, application, presented) {
            return Err(ExchangeError::InvalidGrant(problem));
        }
        let redeemed = Redeemed { grant: &grant, key: presented.key, resources: presented.resources };
        self.redeem(application, &redeemed, Some(hash)).await
    }

    /// Opens the session that was granted, and makes its tokens. `code` is the hash of the code that led to it, if one did.
    pub(super) async fn redeem(
        &self,
        application: &Application,
        redeemed: &Redeemed<'_>,
        code: Option<[u8; 32]>,
    ) -> Result<TokenSet, ExchangeError> {
        let grant = redeemed.grant;
        let resources = Grant::narrowed(&grant.resources, redeemed.resources).ok_or(ExchangeError::InvalidTarget)?;
        let user = UserId::parse(&grant.user_id).map_err(|_| ExchangeError::InvalidGrant("the user is unknown"))?;
        let kind = if application.is_application_managed {
            pb::SessionKind::Participant
        } else {
            pb::SessionKind::Application
        };
        let request = pb::CreateSessionRequest {
            kind: kind.into(),
            parent_id: grant.sso_session.clone(),
            scopes: grant.scopes.clone(),
            authenticated_at: Some(grant.authenticated_at.to_proto()),
            attributes: attributes(application, grant, redeemed.key),
            ..session_request(application, &grant.user_id)
        };
        let (session, token) = match self.open_session(&user, grant.epoch, Some(application), request).await {
            Ok(opened) => opened,
            Err(AuthError::Sessions(error)) => return Err(error.into()),
            Err(AuthError::CredentialsRefused) => return Err(ExchangeError::InvalidGrant("the sign-in has ended")),
            Err(AuthError::NotRegistered) => {
                return Err(ExchangeError::InvalidGrant("the user is not registered for the application"));
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(code) = code {
            self.store.code_led_to(code, &session.id).await?;
        }
        if !self.is_agreed(grant, application).await? {
            self.end_session_of_code(&session.id).await?;
            return Err(ExchangeError::InvalidGrant("the user does not agree any more"));
        }
        let told = self.told(&user, &grant.claims.id_token).await?;
        let terms = Terms { nonce: &grant.nonce, key: redeemed.key, resources: &resources, told: Some(&told) };
        Ok(self.tokens_for(application, &session, token.expose_secret().to_owned(), &terms)?)
    }

    async fn end_session_of_code(&self, session: &str) -> Result<(), ExchangeError> {
        if session.is_empty() {
            return Ok(());
        }
        match self.sessions.revoke(SessionRef::Id(session), Cause::CodeReuse.rule().reason).await {
            Ok(_) | Err(SessionsError::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The claims of a user that an ID token tells because they were asked for by name.
    async fn told(&self, user: &UserId, named: &[String]) -> Result<Map<String, Value>, ExchangeError> {
        if named.is_empty() {
            return Ok(Map::new());
        }
        Ok(self.store.user(user).await?.map(|user| claims::of_user(&user, &[], named)).unwrap_or_default())
    }

    /// Exchanges a refresh token.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn exchange_refresh_token(
        &self,
        application: &Application,
        presented: &PresentedToken<'_>,
    ) -> Result<TokenSet, ExchangeError> {
        if !presented.scope.trim().is_empty() || !presented.resources.is_empty() {
            return self.exchange_for_less(application, presented).await;
        }
        let (token, terms) = (presented.token, Terms { key: presented.key, ..Terms::default() });
        match self.refresh(|tenant| tenant == application.tenant, application, token, &terms).await {
            Ok((tokens, _)) => Ok(tokens),
            Err(AuthError::Sessions(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks before it spends the token: who asked for too much must not lose it.
    async fn exchange_for_less(
        &self,
        application: &Application,
        presented: &PresentedToken<'_>,
    ) -> Result<TokenSet, ExchangeError> {
        let refused = ExchangeError::from(SessionsError::TokenRefused);
        let Some(granted) = self.sessions.look(SessionRef::Token(presented.token)).await? else { return Err(refused) };
        if granted.application_id != application.id || granted.tenant_id != application.tenant {
            return Err(refused);
        }
        let asked: Vec<String> = presented.scope.split_ascii_whitespace().map(str::to_owned).collect();
        if !asked.iter().all(|scope| granted.scopes.contains(scope)) {
            return Err(ExchangeError::InvalidScope);
        }
        let resources = Grant::narrowed(&listed(&granted, RESOURCES_ATTRIBUTE), presented.resources);
        let resources = resources.ok_or(ExchangeError::InvalidTarget)?;
        let (session, token) =
            match self.refresh_session(application, presented.token, Some(&granted), presented.key).await {
                Ok(refreshed) => refreshed,
                Err(AuthError::Sessions(error)) => return Err(error.into()),
                Err(error) => return Err(error.into()),
            };
        let scopes = if asked.is_empty() { session.scopes.clone() } else { asked };
        let narrowed = pb::Session { scopes, ..session };
        let terms = Terms { key: presented.key, resources: &resources, ..Terms::default() };
        Ok(self.tokens_for(application, &narrowed, token.expose_secret().to_owned(), &terms)?)
    }

    /// Gives an application a token of its own (RFC 6749 §4.4).
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub fn exchange_client_credentials(
        &self,
        application: &Application,
        scope: &str,
        terms: &Terms<'_>,
    ) -> Result<TokenSet, ExchangeError> {
        if !application.may_ask_for(terms.resources) {
            return Err(ExchangeError::InvalidTarget);
        }
        if application.is_public() || application.service_scopes.is_empty() {
            return Err(ExchangeError::UnauthorizedClient);
        }
        let asked: Vec<&str> = scope.split(' ').filter(|scope| !scope.is_empty()).collect();
        let may_have = |scope: &&str| application.service_scopes.iter().any(|own| own == scope);
        if !asked.iter().all(may_have) {
            return Err(ExchangeError::InvalidScope);
        }
        let granted = if asked.is_empty() { application.service_scopes.join(" ") } else { asked.join(" ") };
        Ok(self.own_token(application, granted, terms)?)
    }
}

/// What a session keeps of the exchange. A confidential client proves itself when it refreshes, so its key may change.
fn attributes(application: &Application, grant: &Grant, key: Option<&str>) -> HashMap<String, String> {
    let key = key.filter(|_| application.is_public()).unwrap_or_default().to_owned();
    let (resources, claims) = (grant.resources.join(" "), grant.claims.userinfo.join(" "));
    let all = [(KEY_ATTRIBUTE, key), (RESOURCES_ATTRIBUTE, resources), (CLAIMS_ATTRIBUTE, claims)];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn problem_with(grant: &Grant, application: &Application, presented: &PresentedCode<'_>) -> Option<&'static str> {
    if grant.client_id != application.id || grant.tenant != application.tenant {
        return Some("the code was given to another application");
    }
    if grant.redirect_uri != presented.redirect_uri {
        return Some("redirect_uri is another one than in the request");
    }
    if !grant.dpop_jkt.is_empty() && presented.key != Some(&grant.dpop_jkt) {
        return Some("the code is bound to another key");
    }
    match (grant.challenge.as_str(), presented.verifier) {
        ("", None) => None,
        ("", Some(_)) => Some("there was no code_challenge"),
        (_, None) => Some("code_verifier is missing"),
        (challenge, Some(verifier)) => (!pkce::fits(verifier, challenge)).then_some("code_verifier does not fit"),
    }
}
