//! Who asks at the token endpoint and its neighbours: client authentication (RFC 6749 §2.3, RFC 7523).

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use svc_kit::secret;

use crate::{
    app::{Adapters, Auth},
    domain::{
        application::{Application, Client},
        assertion::Assertion,
    },
    error::AuthError,
    ports::{ApplicationStore as _, KeySets as _, ReplayStore as _, Signatures as _},
};

/// What a client presents.
#[derive(Debug)]
pub struct ClientCredentials {
    /// `client_id`.
    pub id: String,
    /// By what it shows that it is this client.
    pub evidence: Evidence,
}

/// By what a client shows who it is.
#[derive(Debug)]
pub enum Evidence {
    /// Nothing: it only says so.
    None,
    /// `client_secret`.
    Secret(SecretString),
    /// `client_assertion`, a JWT that it signed.
    Assertion(SecretString),
}

impl<A: Adapters> Auth<A> {
    /// Returns the application that presents good credentials at an endpoint of its tenant; `None` for anything else.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn client(
        &self,
        tenant: &str,
        endpoint: &str,
        presented: &ClientCredentials,
    ) -> Result<Option<Application>, AuthError> {
        let application = self.store.application(&presented.id).await?.filter(|found| found.tenant == tenant);
        let Some(application) = application else { return Ok(None) };
        let is_proven = match (&application.client, &presented.evidence) {
            (Client::Public, Evidence::None) => true,
            (Client::Confidential(_), Evidence::Secret(secret)) => {
                application.has_secret(secret.expose_secret(), self.clock.now())
            }
            (Client::PrivateKey, Evidence::Assertion(assertion)) => {
                self.is_asserted(&application, endpoint, assertion.expose_secret()).await?
            }
            _ => false,
        };
        Ok(is_proven.then_some(application))
    }

    /// Says whether an assertion is the application's, meant for us, and presented for the first time.
    async fn is_asserted(&self, application: &Application, endpoint: &str, jwt: &str) -> Result<bool, AuthError> {
        let Some(claims) = self.signed_by(application, jwt).await else { return Ok(false) };
        let now = self.clock.now();
        let assertion = match Assertion::read(&claims, &application.id, &self.names(application, endpoint), now) {
            Ok(assertion) => assertion,
            Err(problem) => {
                tracing::info!(application.id = application.id, problem, "a client assertion is refused");
                return Ok(false);
            }
        };
        let hash = secret::sha256(format!("assertion\n{}\n{}", application.id, assertion.jti).as_bytes());
        Ok(self.store.is_first(hash, now, assertion.expires_at).await?)
    }

    /// The claims of a JWT that a key of the application signed. One that signs by a key that is not in our copy has changed
    /// its keys, or is somebody else.
    async fn signed_by(&self, application: &Application, jwt: &str) -> Option<Value> {
        let settings = &application.settings;
        if settings.jwks_uri.is_empty() {
            return self.signatures.signed_by(&settings.jwks, jwt);
        }
        let kept = self.key_sets.key_set(&settings.jwks_uri).await?;
        if let Some(claims) = self.signatures.signed_by(&kept, jwt) {
            return Some(claims);
        }
        let newer = self.key_sets.newer_key_set(&settings.jwks_uri).await?;
        self.signatures.signed_by(&newer, jwt)
    }

    /// What an assertion may call us: by our issuer, or by the token endpoint or the one that is asked, as clients do that
    /// were written before the issuer was preferred (RFC 7523 §3, RFC 9126 §2).
    fn names(&self, application: &Application, endpoint: &str) -> [String; 3] {
        let issuer = self.settings.issuer(&application.tenant);
        [format!("{issuer}/token"), format!("{issuer}/{endpoint}"), issuer]
    }
}
