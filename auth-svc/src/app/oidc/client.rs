//! Who asks at the token endpoint: client authentication (RFC 6749 §2.3).

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    app::{Adapters, Auth},
    domain::application::{Application, Client},
    error::AuthError,
    ports::ApplicationStore as _,
};

/// What a client presents.
#[derive(Debug)]
pub struct ClientCredentials {
    /// `client_id`.
    pub id: String,
    /// `client_secret`, if any.
    pub secret: Option<SecretString>,
}

impl<A: Adapters> Auth<A> {
    /// Returns the application that presents good credentials; `None` for anything else.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn client(&self, tenant: &str, presented: &ClientCredentials) -> Result<Option<Application>, AuthError> {
        let application = self.store.application(&presented.id).await?.filter(|found| found.tenant == tenant);
        let now = self.clock.now();
        Ok(application.filter(|application| match (&application.client, &presented.secret) {
            (Client::Public, None) => true,
            (Client::Confidential(_), Some(secret)) => application.has_secret(secret.expose_secret(), now),
            _ => false,
        }))
    }
}
