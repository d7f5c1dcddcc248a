//! Pushed authorization requests (RFC 9126): an application hands its request over itself, and the browser brings only a
//! reference to it. Nobody between them can change it.
//!
//! A reference is good for a minute, for its application, and until a code was given for it: then it is spent, however
//! many sign-in pages were opened with it.

use svc_kit::secret;

use crate::{
    app::{Adapters, Auth},
    domain::{
        application::Application,
        authorize::{AuthorizationRequest, AuthorizeError, Parameters},
        pushed::{PUSHED_LIFETIME, Pushed, REFERENCE_PREFIX},
    },
    error::AuthError,
    ports::PushedStore as _,
};

/// Why a request cannot be pushed (RFC 9126 §2.3).
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The request could never be answered: error code and description.
    #[error("the request is refused: {0}")]
    Refused(&'static str, &'static str),
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] AuthError),
}

impl<A: Adapters> Auth<A> {
    /// Keeps the request of an application and returns the reference to it. The code is bound to the key that the
    /// application shows already now, if it does.
    ///
    /// # Errors
    /// [`PushError`].
    pub async fn push(
        &self,
        application: &Application,
        parameters: &Parameters,
        key: Option<String>,
    ) -> Result<String, PushError> {
        if parameters.get("request_uri").is_some() {
            return Err(PushError::Refused("invalid_request", "request_uri cannot be pushed"));
        }
        let mut request = AuthorizationRequest::parse(parameters, application).map_err(|error| match error {
            AuthorizeError::Page(problem) => PushError::Refused("invalid_request", problem),
            AuthorizeError::Redirect(error) => PushError::Refused(error.error, error.description),
        })?;
        if let Some(key) = key {
            if !request.dpop_jkt.is_empty() && request.dpop_jkt != key {
                return Err(PushError::Refused(
                    "invalid_request",
                    "dpop_jkt is another key than the one that is shown",
                ));
            }
            request.dpop_jkt = key;
        }
        let name = self.random_text();
        let now = self.clock.now();
        let pushed = Pushed { request, expires_at: now.saturating_add(PUSHED_LIFETIME), is_spent: false };
        let kept = self.store.add_pushed(secret::sha256(name.as_bytes()), &pushed, now).await;
        kept.map_err(AuthError::from)?;
        Ok(format!("{REFERENCE_PREFIX}{name}"))
    }

    /// Returns the request that `client` pushed, as long as its reference is good.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn pushed(&self, client: &str, reference: &str) -> Result<Option<AuthorizationRequest>, AuthError> {
        let Some(name) = reference.strip_prefix(REFERENCE_PREFIX) else { return Ok(None) };
        let hash = secret::sha256(name.as_bytes());
        let pushed = self.store.pushed(hash).await?;
        let good = pushed.filter(|pushed| pushed.is_good_for(client, self.clock.now()));
        Ok(good.map(|pushed| AuthorizationRequest { pushed: Some(hash), ..pushed.request }))
    }

    /// Spends the reference that a request came by, if it came by one.
    pub(super) async fn spend(&self, request: &AuthorizationRequest) -> Result<(), AuthError> {
        let Some(hash) = request.pushed else { return Ok(()) };
        if self.store.spend_pushed(hash).await? { Ok(()) } else { Err(AuthError::RequestSpent) }
    }
}
