//! The use cases, one a file.

pub mod api_keys;
pub mod applications;
pub mod audit;
pub mod import;
pub mod introspection;
pub mod keys;
pub mod login;
pub mod oidc;
pub mod passwords;
pub mod revocations;
pub mod seed;
pub mod session_policies;
pub mod tenants;
pub mod throttle;
pub mod tokens;
pub mod user_registrations;
pub mod users;

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use svc_kit::{
    clock::Clock,
    egress::EgressPolicy,
    entropy::{self, Entropy},
    origin,
    seal::SealKeys,
};

use self::{tenants::KnownTenants, throttle::Throttle};
use crate::{
    domain::event::{Event, What},
    ports::{KeySets, Passwords, Sessions, Signatures, Store, Tokens},
};

/// The adapters that the use cases work with.
pub trait Adapters: Send + Sync + 'static {
    /// Where everything is kept.
    type Store: Store;
    /// session-svc.
    type Sessions: Sessions;
    /// Passwords.
    type Passwords: Passwords;
    /// Tokens.
    type Tokens: Tokens;
    /// Signatures of others.
    type Signatures: Signatures;
    /// Keys that applications publish.
    type KeySets: KeySets;
}

/// The use cases.
pub struct Auth<A: Adapters> {
    /// Where everything is kept.
    pub store: A::Store,
    /// session-svc.
    pub sessions: A::Sessions,
    /// Passwords.
    pub passwords: A::Passwords,
    /// Tokens.
    pub tokens: A::Tokens,
    /// Signatures of others.
    pub signatures: A::Signatures,
    /// Keys that applications publish.
    pub key_sets: A::KeySets,
    /// Who guesses passwords.
    pub throttle: Throttle,
    /// What tenants are set to.
    pub tenants: KnownTenants,
    /// Seals what a browser carries for us.
    pub seal: Arc<SealKeys>,
    /// What is configured.
    pub settings: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// What is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base URL; the issuer of the default tenant.
    pub base_url: String,
    /// The tenant whose issuer is the base URL.
    pub default_tenant: String,
    /// How long access tokens are good.
    pub access_token_lifetime: Duration,
    /// How long the audit trail goes back.
    pub audit_kept: Duration,
    /// The `aud` of tokens for our own services.
    pub audience: String,
    /// Whether proofs of possession must carry a nonce of ours.
    pub dpop_nonces: bool,
    /// How long a signing key signs before the next one is made.
    pub keys_sign_for: Duration,
    /// Where we may read what applications publish.
    pub egress: EgressPolicy,
    /// Whether applications register themselves.
    pub registration: RegistrationRules,
    /// The header in which a proxy of ours says where a request comes from; empty when there is none.
    pub client_address_header: String,
}

/// Whether applications register themselves, and which.
#[derive(Clone, Debug, Default)]
pub struct RegistrationRules {
    /// Whether any do.
    pub is_open: bool,
    /// Hashes of the tokens of those that may; empty for all.
    pub initial_tokens: Vec<[u8; 32]>,
}

impl Settings {
    /// Returns the issuer of a tenant.
    pub fn issuer(&self, tenant: &str) -> String {
        if tenant == self.default_tenant { self.base_url.clone() } else { format!("{}/t/{tenant}", self.base_url) }
    }
}

impl<A: Adapters> Auth<A> {
    /// 256 random bits as text: what nobody can guess.
    fn random_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(entropy::bytes::<32>(&*self.entropy))
    }

    fn new_secret(&self) -> SecretString {
        SecretString::from(self.random_text())
    }

    fn event(&self, tenant: &str, actor: &str, what: What) -> Event {
        let from = origin::current().map(|address| address.to_string()).unwrap_or_default();
        Event { at: self.clock.now(), tenant: tenant.to_owned(), actor: actor.to_owned(), from, what }
    }
}
