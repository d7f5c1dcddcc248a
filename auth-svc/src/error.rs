//! Failures of the use cases, as callers see them.

use std::time::Duration;

use svc_kit::{
    egress::Refused,
    error::{FieldError, Kind, ServiceError},
    page::PageTokenError,
};

use crate::ports::{PasswordError, SessionsError, StoreError, TokensError};

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A field of the request cannot be accepted.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The page token belongs to another list.
    #[error(transparent)]
    PageToken(#[from] PageTokenError),
    /// The credentials are not good; which one is not told.
    #[error("the credentials are refused")]
    CredentialsRefused,
    /// The credentials are good, but the user may not sign in.
    #[error("the user is disabled")]
    UserDisabled,
    /// The credentials are good, but the password must be changed first.
    #[error("the password must be changed first")]
    PasswordChangeRequired,
    /// The credentials are good, but the application lets in registered users only.
    #[error("the user is not registered for the application")]
    NotRegistered,
    /// The user is not registered for the application.
    #[error("there is no such registration")]
    RegistrationNotFound,
    /// Too many credentials were refused; how long to wait.
    #[error("too many attempts; try again later")]
    Throttled(Duration),
    /// No such user for this caller.
    #[error("there is no such user")]
    UserNotFound,
    /// No such application for this caller.
    #[error("there is no such application")]
    ApplicationNotFound,
    /// A code was given for this request already.
    #[error("the request was answered already")]
    RequestSpent,
    /// The application's tokens must be bound to a key, which this call cannot show.
    #[error("the application gets tokens only with a proof of possession, at the token endpoint")]
    ProofRequired,
    /// The application keeps its own sessions and gets none of ours; its users sign in at the hosted pages.
    #[error("the application keeps its own sessions; its users sign in at the hosted pages")]
    ApplicationManaged,
    /// The user did not agree to anything with this application.
    #[error("there is no such consent")]
    ConsentNotFound,
    /// No such tenant.
    #[error("there is no such tenant")]
    TenantNotFound,
    /// The keys of an application cannot be read where it publishes them: our rules do not allow the address.
    #[error("jwks_uri {0}")]
    JwksUriRefused(Refused),
    /// No such signing key, any more.
    #[error("there is no such signing key")]
    SigningKeyNotFound,
    /// No such API key for this caller.
    #[error("there is no such api key")]
    ApiKeyNotFound,
    /// The caller would give away what it does not hold.
    #[error("the caller does not hold scope {0} itself")]
    ScopeNotHeld(String),
    /// Another tenant has this id.
    #[error("the tenant exists already")]
    TenantExists,
    /// Nobody may sign in to the tenant.
    #[error("the tenant is suspended")]
    TenantSuspended,
    /// The tenant at the base URL cannot be suspended.
    #[error("the tenant at the base url cannot be suspended")]
    TenantIsDefault,
    /// Somebody has this login.
    #[error("the login is taken")]
    LoginTaken,
    /// Another application has this id.
    #[error("the application exists already")]
    ApplicationExists,
    /// Others changed the object at the same time, again and again.
    #[error("the object was changed meanwhile; try again")]
    ChangedMeanwhile,
    /// The application authenticates itself in another way.
    #[error("the application has no secret")]
    NoSecret,
    /// The password cannot be used.
    #[error("password {0}")]
    PasswordRefused(&'static str),
    /// Passwords.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Sessions.
    #[error(transparent)]
    Sessions(#[from] SessionsError),
    /// Tokens.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl ServiceError for AuthError {
    fn kind(&self) -> Kind {
        match self {
            Self::Field(_) | Self::PageToken(_) | Self::PasswordRefused(_) => Kind::InvalidArgument,
            Self::JwksUriRefused(_) => Kind::InvalidArgument,
            Self::Sessions(SessionsError::Invalid(_)) => Kind::InvalidArgument,
            Self::CredentialsRefused | Self::Sessions(SessionsError::TokenRefused) => Kind::Unauthenticated,
            Self::UserNotFound | Self::ApplicationNotFound | Self::ConsentNotFound => Kind::NotFound,
            Self::RegistrationNotFound => Kind::NotFound,
            Self::UserDisabled | Self::PasswordChangeRequired | Self::NotRegistered => Kind::FailedPrecondition,
            Self::TenantNotFound | Self::ApiKeyNotFound | Self::SigningKeyNotFound => Kind::NotFound,
            Self::ScopeNotHeld(_) => Kind::PermissionDenied,
            Self::Sessions(SessionsError::NotFound) => Kind::NotFound,
            Self::Sessions(SessionsError::ParentEnded | SessionsError::LimitReached | SessionsError::Closed) => {
                Kind::FailedPrecondition
            }
            Self::NoSecret | Self::TenantSuspended | Self::TenantIsDefault => Kind::FailedPrecondition,
            Self::RequestSpent | Self::ProofRequired | Self::ApplicationManaged => Kind::FailedPrecondition,
            Self::ChangedMeanwhile => Kind::Aborted,
            Self::LoginTaken | Self::ApplicationExists | Self::TenantExists => Kind::AlreadyExists,
            Self::Password(PasswordError::Overloaded) | Self::Throttled(_) => Kind::ResourceExhausted,
            Self::Store(StoreError::Unavailable(_)) | Self::Sessions(SessionsError::Unavailable(_)) => {
                Kind::Unavailable
            }
            Self::Password(PasswordError::Failed)
            | Self::Tokens(_)
            | Self::Store(StoreError::Failed(_))
            | Self::Sessions(SessionsError::Failed(_)) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Field(error) => error.reason(),
            Self::PageToken(error) => error.reason(),
            Self::CredentialsRefused => "CREDENTIALS_REFUSED",
            Self::UserDisabled => "USER_DISABLED",
            Self::PasswordChangeRequired => "PASSWORD_CHANGE_REQUIRED",
            Self::NotRegistered => "NOT_REGISTERED",
            Self::RegistrationNotFound => "REGISTRATION_NOT_FOUND",
            Self::RequestSpent => "REQUEST_SPENT",
            Self::ProofRequired => "PROOF_REQUIRED",
            Self::ApplicationManaged => "APPLICATION_MANAGED",
            Self::Throttled(_) => "THROTTLED",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::ApplicationNotFound => "APPLICATION_NOT_FOUND",
            Self::ConsentNotFound => "CONSENT_NOT_FOUND",
            Self::TenantNotFound => "TENANT_NOT_FOUND",
            Self::ApiKeyNotFound => "API_KEY_NOT_FOUND",
            Self::JwksUriRefused(_) => "JWKS_URI_REFUSED",
            Self::SigningKeyNotFound => "SIGNING_KEY_NOT_FOUND",
            Self::ScopeNotHeld(_) => "SCOPE_NOT_HELD",
            Self::TenantExists => "TENANT_EXISTS",
            Self::TenantSuspended => "TENANT_SUSPENDED",
            Self::TenantIsDefault => "TENANT_IS_DEFAULT",
            Self::LoginTaken => "LOGIN_TAKEN",
            Self::ApplicationExists => "APPLICATION_EXISTS",
            Self::ChangedMeanwhile => "CHANGED_MEANWHILE",
            Self::NoSecret => "NO_SECRET",
            Self::PasswordRefused(_) => "PASSWORD_REFUSED",
            Self::Password(PasswordError::Overloaded) => "OVERLOADED",
            Self::Password(PasswordError::Failed) => "HASHING_FAILED",
            Self::Sessions(SessionsError::Unavailable(_)) => "SESSIONS_UNAVAILABLE",
            Self::Sessions(SessionsError::TokenRefused) => "TOKEN_REFUSED",
            Self::Sessions(SessionsError::NotFound) => "SESSION_NOT_FOUND",
            Self::Sessions(SessionsError::ParentEnded) => "PARENT_ENDED",
            Self::Sessions(SessionsError::LimitReached) => "SESSION_LIMIT_REACHED",
            Self::Sessions(SessionsError::Closed) => "SCOPE_CLOSED",
            Self::Sessions(SessionsError::Invalid(_)) => "INVALID_FIELD",
            Self::Sessions(SessionsError::Failed(_)) => "SESSIONS_FAILED",
            Self::Tokens(_) => "SIGNING_FAILED",
            Self::Store(StoreError::Unavailable(_)) => "STORE_UNAVAILABLE",
            Self::Store(StoreError::Failed(_)) => "STORE_FAILED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Field(error) => error.metadata(),
            Self::PageToken(error) => error.metadata(),
            Self::ScopeNotHeld(scope) => vec![("scope", scope.clone())],
            Self::PasswordRefused(_) => vec![("field", "password".to_owned())],
            Self::JwksUriRefused(_) => vec![("field", "application.jwks_uri".to_owned())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        if let Self::Throttled(wait) = self {
            return Some(*wait);
        }
        matches!(self.kind(), Kind::Unavailable | Kind::ResourceExhausted).then_some(Duration::from_secs(1))
    }
}
