//! Applications that register themselves, and manage what they registered (RFC 7591, RFC 7592).
//!
//! Off unless it is configured. An application gets a token with which it alone reads, changes and deletes its registration;
//! we keep the hash. It can give itself no scopes of its own, and its users are always asked.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use svc_kit::{
    access::{Caller, Scopes},
    entropy,
    id::encode_base32,
    secret,
};

use crate::{
    app::{Adapters, Auth},
    domain::{
        application::Application,
        registration::{Metadata, Unregistrable},
    },
    error::AuthError,
    ports::ApplicationStore as _,
};

/// Who changes an application that changes itself.
const ACTOR: &str = "registration";

/// An application that has just registered itself.
#[derive(Debug)]
pub struct Registered {
    /// The application.
    pub application: Application,
    /// Its secret, if it has one.
    pub secret: Option<SecretString>,
    /// The token with which it manages its registration.
    pub token: SecretString,
}

/// Why a registration is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Applications do not register themselves here.
    #[error("registration is off")]
    Off,
    /// The token is not good for it.
    #[error("the token is refused")]
    TokenRefused,
    /// What is asked for cannot be.
    #[error("the metadata are refused: {0:?}")]
    Refused(Unregistrable),
    /// Something failed.
    #[error(transparent)]
    Failed(AuthError),
}

impl From<AuthError> for RegistrationError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::JwksUriRefused(_) => {
                let description = "jwks_uri must lead to a public address that may be asked";
                Self::Refused(Unregistrable("invalid_client_metadata", description))
            }
            error => Self::Failed(error),
        }
    }
}

impl<A: Adapters> Auth<A> {
    /// Registers an application, for whoever has an initial access token, or for everybody where none is configured.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn register(
        &self,
        tenant: &str,
        token: Option<&str>,
        members: &Map<String, Value>,
    ) -> Result<Registered, RegistrationError> {
        let rules = &self.settings.registration;
        if !rules.is_open {
            return Err(RegistrationError::Off);
        }
        let is_known = |token: &str| {
            let hash = secret::sha256(token.as_bytes());
            rules.initial_tokens.iter().any(|known| secret::constant_time_eq(known, &hash))
        };
        if !rules.initial_tokens.is_empty() && !token.is_some_and(is_known) {
            return Err(RegistrationError::TokenRefused);
        }
        let metadata = Metadata::of(members);
        let client = metadata.client().map_err(RegistrationError::Refused)?;
        let id = format!("app_{}", encode_base32(&entropy::bytes::<16>(&*self.entropy)));
        let new = metadata.applied_to(Application::new(&id, tenant, client));
        let mut new = new.map_err(RegistrationError::Refused)?;
        let token = self.new_secret();
        new.settings.registration_token = hash_of(token.expose_secret());
        let (application, secret) = self.create_application(ACTOR, new).await?;
        Ok(Registered { application, secret, token })
    }

    /// Returns the application that a token manages.
    ///
    /// # Errors
    /// [`RegistrationError::TokenRefused`] for whatever is wrong, or a failure.
    pub async fn registered(
        &self,
        tenant: &str,
        id: &str,
        token: Option<&str>,
    ) -> Result<Application, RegistrationError> {
        if !self.settings.registration.is_open {
            return Err(RegistrationError::Off);
        }
        let found = self.store.application(id).await.map_err(AuthError::from)?;
        let presented = token.map(hash_of).unwrap_or_default();
        let is_theirs = |found: &Application| {
            let kept = &found.settings.registration_token;
            found.tenant == tenant
                && !kept.is_empty()
                && secret::constant_time_eq(kept.as_bytes(), presented.as_bytes())
        };
        found.filter(is_theirs).ok_or(RegistrationError::TokenRefused)
    }

    /// Replaces what an application registered; its way to authenticate itself stays.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn reregister(
        &self,
        current: &Application,
        members: &Map<String, Value>,
    ) -> Result<Application, RegistrationError> {
        let metadata = Metadata::of(members);
        let refused = |description| RegistrationError::Refused(Unregistrable("invalid_client_metadata", description));
        let names = |name: &str, value: &str| members.get(name).is_none_or(|given| given == value);
        if members.get("client_id").is_none() || !names("client_id", &current.id) {
            return Err(refused("client_id must be the one that is registered"));
        }
        let secret = members.get("client_secret").and_then(Value::as_str);
        if secret.is_some_and(|secret| !current.has_secret(secret, self.clock.now())) {
            return Err(refused("client_secret must be the one that is registered"));
        }
        let client = metadata.client().map_err(RegistrationError::Refused)?;
        if std::mem::discriminant(&client) != std::mem::discriminant(&current.client) {
            return Err(refused("token_endpoint_auth_method cannot change"));
        }
        metadata.applied_to(current.clone()).map_err(RegistrationError::Refused)?;
        let fields = ["registration".to_owned()];
        let change =
            |current: &Application| metadata.applied_to(current.clone()).map_err(|_| AuthError::ChangedMeanwhile);
        Ok(self.update_application(&itself(current), &current.id, &fields, change).await?)
    }

    /// Deletes an application that wants to be forgotten; its sessions end.
    ///
    /// # Errors
    /// A failure.
    pub async fn deregister(&self, current: &Application) -> Result<(), RegistrationError> {
        Ok(self.delete_application(&itself(current), &current.id).await?)
    }
}

/// The application as the one who changes it: it reaches its own tenant, and has what it was given.
fn itself(application: &Application) -> Caller {
    Caller {
        subject: ACTOR.to_owned(),
        tenant: Some(application.tenant.clone()),
        scopes: Scopes::parse(&application.service_scopes.join(" ")),
    }
}

fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(secret::sha256(token.as_bytes()))
}
