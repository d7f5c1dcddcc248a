//! Manages applications.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use svc_kit::{access::Caller, entropy};

use super::{Adapters, Auth};
use crate::{
    domain::{
        application::{Application, Client, SecretHash},
        event::What,
    },
    error::AuthError,
    ports::ApplicationStore as _,
};

impl<A: Adapters> Auth<A> {
    /// Creates an application; returns the secret of a confidential one, which is made here.
    ///
    /// # Errors
    /// [`AuthError::TenantNotFound`], [`AuthError::ApplicationExists`], or a failure.
    pub async fn create_application(
        &self,
        actor: &str,
        mut application: Application,
    ) -> Result<(Application, Option<SecretString>), AuthError> {
        if !self.store.has_tenant(&application.tenant).await? {
            return Err(AuthError::TenantNotFound);
        }
        let secret = (!application.is_public()).then(|| {
            let bytes: [u8; 32] = entropy::bytes(&*self.entropy);
            SecretString::from(URL_SAFE_NO_PAD.encode(bytes))
        });
        if let Some(secret) = &secret {
            application.client = Client::Confidential(SecretHash::of(secret.expose_secret()));
        }
        let event = self.event(&application.tenant, actor, What::ApplicationCreated(application.id.clone()));
        if self.store.add_application(&application, &event).await? {
            Ok((application, secret))
        } else {
            Err(AuthError::ApplicationExists)
        }
    }

    /// Returns an application that exists for `caller`.
    ///
    /// # Errors
    /// [`AuthError::ApplicationNotFound`], or a failure.
    pub async fn application(&self, caller: &Caller, id: &str) -> Result<Application, AuthError> {
        let application = self.store.application(id).await?;
        application.filter(|found| caller.may_see(&found.tenant)).ok_or(AuthError::ApplicationNotFound)
    }
}
