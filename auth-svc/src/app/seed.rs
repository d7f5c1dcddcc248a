//! Fills an empty directory from a file. What exists is left as it is.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Adapters, Auth};
use crate::{
    domain::{
        application::{Application, Client, SecretHash},
        event::What,
        keys::SigningAlgorithm,
        settings::{ClientSettings, LogoutReach, LogoutTarget},
        user::Login,
    },
    error::AuthError,
    ports::{ApplicationStore as _, TenantStore as _, UserStore as _},
};

/// The contents of a seed file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Seed {
    /// Tenants.
    pub tenants: Vec<SeedTenant>,
    /// Users.
    pub users: Vec<SeedUser>,
    /// Applications.
    pub applications: Vec<SeedApplication>,
}

impl Seed {
    /// Reads a seed file. Other top-level tables in it are for other readers.
    ///
    /// # Errors
    /// The file is not TOML, or has entries that are not understood.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

/// A tenant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedTenant {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedUser {
    /// Tenant.
    pub tenant: String,
    /// E-mail address.
    pub login: String,
    /// Name for people.
    pub name: String,
    /// Password.
    pub password: SecretString,
}

/// An application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedApplication {
    /// `client_id`.
    pub id: String,
    /// Tenant.
    pub tenant: String,
    /// Name for people.
    pub name: String,
    /// Secret; without one it is public.
    pub secret: Option<SecretString>,
    /// Where codes may be sent.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Where a browser may be sent after logout.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Scopes of its own.
    #[serde(default)]
    pub service_scopes: Vec<String>,
    /// Whether it keeps its own sessions.
    #[serde(default)]
    pub application_managed: bool,
    /// Whether its sessions live on when the SSO session ends.
    #[serde(default)]
    pub keep_on_sso_logout: bool,
    /// The page that ends a session of the browser that opens it; empty for none.
    #[serde(default)]
    pub frontchannel_logout_uri: String,
    /// Where logout tokens are posted; empty for none.
    #[serde(default)]
    pub backchannel_logout_uri: String,
    /// How far a logout that it asks for goes.
    #[serde(default)]
    pub logout_reach: LogoutReach,
    /// Whether a user is asked before the application gets to know them.
    #[serde(default)]
    pub consent_required: bool,
    /// Whether it must use PKCE although it has a secret.
    #[serde(default)]
    pub pkce_required: bool,
    /// Its public keys, a JWK set as JSON. Without a secret, it authenticates itself by a JWT that it signs with one of them.
    #[serde(default)]
    pub jwks: String,
    /// Where it publishes them instead.
    #[serde(default)]
    pub jwks_uri: String,
    /// Whether its requests count only when it pushed them.
    #[serde(default)]
    pub pushed_requests_required: bool,
    /// Whether its tokens must be bound to a key that it shows.
    #[serde(default)]
    pub dpop_required: bool,
    /// Whether UserInfo answers it with a signed JWT.
    #[serde(default)]
    pub userinfo_signed: bool,
    /// Resources that it may ask access tokens for.
    #[serde(default)]
    pub allowed_resources: Vec<String>,
    /// Whether devices without a browser may ask for it.
    #[serde(default)]
    pub device_grant: bool,
    /// Whether only users may sign in who are registered for it.
    #[serde(default)]
    pub registration_required: bool,
    /// By what we sign what it gets.
    #[serde(default)]
    pub signing_algorithm: SigningAlgorithm,
}

impl<A: Adapters> Auth<A> {
    /// Adds what is missing.
    ///
    /// # Errors
    /// A failure, or a value that cannot be used.
    pub async fn seed(&self, seed: Seed) -> Result<(), AuthError> {
        for tenant in &seed.tenants {
            self.store.ensure_tenant(&tenant.id, &tenant.name).await?;
        }
        for user in seed.users {
            let login =
                Login::parse(&user.login).ok_or(AuthError::PasswordRefused("of the seed has a malformed login"))?;
            if self.store.user_by_login(&user.tenant, &login).await?.is_some() {
                continue;
            }
            match self.create_user("seed", &user.tenant, login, user.name, user.password).await {
                // Another replica was faster.
                Ok(_) | Err(AuthError::LoginTaken) => {}
                Err(error) => return Err(error),
            }
        }
        for application in seed.applications {
            let secret = application.secret.as_ref().map(|secret| SecretHash::of(secret.expose_secret()));
            if !self.store.has_tenant(&application.tenant).await? {
                return Err(AuthError::TenantNotFound);
            }
            let has_keys = !application.jwks.is_empty() || !application.jwks_uri.is_empty();
            let keyed = if has_keys { Client::PrivateKey } else { Client::Public };
            let client = secret.map_or(keyed, Client::Confidential);
            let target = |uri| LogoutTarget { uri, session_required: true };
            let application = Application {
                name: application.name,
                redirect_uris: application.redirect_uris,
                post_logout_redirect_uris: application.post_logout_redirect_uris,
                service_scopes: application.service_scopes,
                is_application_managed: application.application_managed,
                keep_on_sso_logout: application.keep_on_sso_logout,
                settings: ClientSettings {
                    frontchannel_logout: target(application.frontchannel_logout_uri),
                    backchannel_logout: target(application.backchannel_logout_uri),
                    logout_reach: application.logout_reach,
                    requires_consent: application.consent_required,
                    requires_pkce: application.pkce_required,
                    requires_pushed_requests: application.pushed_requests_required,
                    requires_dpop: application.dpop_required,
                    signs_userinfo: application.userinfo_signed,
                    allowed_resources: application.allowed_resources,
                    allows_devices: application.device_grant,
                    requires_registration: application.registration_required,
                    signing_algorithm: application.signing_algorithm,
                    jwks: application.jwks,
                    jwks_uri: application.jwks_uri,
                    ..ClientSettings::default()
                },
                ..Application::new(&application.id, &application.tenant, client)
            };
            if self.store.application(&application.id).await?.is_none() {
                let what = What::created(&application);
                self.store.add_application(&application, &self.event(&application.tenant, "seed", what)).await?;
            }
        }
        Ok(())
    }
}
