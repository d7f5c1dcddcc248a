//! Who may call: one layer, the same in every service, that enforces the access rule of each RPC.
//!
//! The rule is the option `(latchkey.access.v1.access)` of the RPC in the contract. The layer finds out who calls
//! (an operator key, a JWT access token, or a credential that the service itself knows), checks the scope, checks the
//! tenant where the request names one, and hands the [`Caller`] on to the handler. Where the tenant is that of the
//! object, the handler asks [`Caller::may_see`].

mod caller;
mod credentials;
mod jwks;
mod jwt;
mod layer;
mod rules;
mod tenant_field;

pub use caller::{Caller, Scopes, caller_of};
pub use credentials::{Authenticator, CredentialFuture, CredentialSource};
pub use jwks::{JwksSource, KeyFuture, KeySource};
pub use layer::{AccessLayer, AccessService};
pub use rules::{AccessRule, AccessRules, Importance, TenantRule};

use std::time::Duration;

use crate::error::{Kind, ServiceError};

/// Why a call is refused before its handler sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No `authorization: Bearer …` metadata.
    #[error("a credential is needed: authorization: Bearer <operator key or access token>")]
    CredentialMissing,
    /// Unknown, forged, expired or malformed; which one is not told.
    #[error("the credential is not valid")]
    CredentialInvalid,
    /// The credential lacks the scope.
    #[error("the credential lacks scope {0}")]
    ScopeMissing(String),
    /// The request concerns a tenant that is not the caller's.
    #[error("the credential belongs to another tenant")]
    TenantMismatch,
    /// The RPC has no access rule; nobody may call it.
    #[error("the call has no access rule")]
    RuleMissing,
    /// The issuer's keys cannot be had right now.
    #[error("the issuer's keys cannot be read")]
    IssuerUnavailable,
    /// The request is larger than [`layer::MESSAGE_BYTES_MAX`].
    #[error("the request is too large")]
    TooLarge,
    /// The request ended early.
    #[error("the request was cut off")]
    CutOff,
}

impl ServiceError for AccessError {
    fn kind(&self) -> Kind {
        match self {
            Self::CredentialMissing | Self::CredentialInvalid => Kind::Unauthenticated,
            Self::ScopeMissing(_) | Self::TenantMismatch | Self::RuleMissing => Kind::PermissionDenied,
            Self::IssuerUnavailable => Kind::Unavailable,
            Self::TooLarge => Kind::ResourceExhausted,
            Self::CutOff => Kind::InvalidArgument,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::CredentialMissing => "CREDENTIAL_MISSING",
            Self::CredentialInvalid => "CREDENTIAL_INVALID",
            Self::ScopeMissing(_) => "SCOPE_MISSING",
            Self::TenantMismatch => "TENANT_MISMATCH",
            Self::RuleMissing => "ACCESS_RULE_MISSING",
            Self::IssuerUnavailable => "ISSUER_UNAVAILABLE",
            Self::TooLarge => "MESSAGE_TOO_LARGE",
            Self::CutOff => "MESSAGE_CUT_OFF",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::ScopeMissing(scope) => vec![("scope", scope.clone())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        (*self == Self::IssuerUnavailable).then_some(Duration::from_secs(1))
    }
}
