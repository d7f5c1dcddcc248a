//! Failures of the use cases, as callers see them.

use std::time::Duration;

use svc_kit::error::{FieldError, Kind, ServiceError};
use svc_kit::page::PageTokenError;

use crate::{domain::cutoff::Scope, ports::StoreError};

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A field of the request cannot be accepted.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The page token belongs to another list.
    #[error(transparent)]
    PageToken(#[from] PageTokenError),
    /// No such session for this caller.
    #[error("there is no such session")]
    SessionNotFound,
    /// The session is over.
    #[error("the session has ended")]
    SessionEnded,
    /// No such parent for this caller.
    #[error("there is no such parent session")]
    ParentNotFound,
    /// The parent is over.
    #[error("the parent session has ended")]
    ParentEnded,
    /// No session may be created here.
    #[error("no session may be created: the {} is closed", .0.kind())]
    ScopeClosed(Scope),
    /// The user has as many sessions in the application as are allowed.
    #[error("the user has {0} sessions in the application, and no more are allowed")]
    SessionLimitReached(u32),
    /// The token is refused; the cause is not told.
    #[error("the token is refused")]
    TokenRefused,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// No such policy.
    #[error("there is no such policy")]
    PolicyNotFound,
    /// The policy is not in the version that the caller knows.
    #[error("the policy has version {0}")]
    PolicyVersionMismatch(u64),
    /// There is no room for one policy more.
    #[error("there are too many policies")]
    TooManyPolicies,
    /// The session changed faster than we could decide.
    #[error("the session is changing too fast; try again")]
    Contention,
    /// The store failed.
    #[error("{}", failed(.0))]
    Store(#[from] StoreError),
}

/// What callers are told of a failure of the store: no more than they can act on.
fn failed(error: &StoreError) -> &'static str {
    match error {
        StoreError::NotReplicated => "the change is stored, not replicated; ask for the same again",
        StoreError::Skewed(_) => "this replica's clock is wrong",
        _ => "the store failed",
    }
}

impl ServiceError for SessionError {
    fn kind(&self) -> Kind {
        match self {
            Self::Field(error) => error.kind(),
            Self::PageToken(error) => error.kind(),
            Self::SessionNotFound | Self::ParentNotFound | Self::PolicyNotFound => Kind::NotFound,
            Self::SessionEnded | Self::ParentEnded | Self::ScopeClosed(_) => Kind::FailedPrecondition,
            Self::SessionLimitReached(_) | Self::TooManyPolicies => Kind::FailedPrecondition,
            Self::TokenRefused => Kind::Unauthenticated,
            Self::IdempotencyKeyReused => Kind::AlreadyExists,
            Self::Contention | Self::PolicyVersionMismatch(_) => Kind::Aborted,
            Self::Store(StoreError::Unavailable(_) | StoreError::Untrusted) => Kind::Unavailable,
            Self::Store(StoreError::NotReplicated | StoreError::Skewed(_)) => Kind::Unavailable,
            Self::Store(StoreError::Full) => Kind::ResourceExhausted,
            Self::Store(StoreError::Unreadable(_)) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Field(error) => error.reason(),
            Self::PageToken(error) => error.reason(),
            Self::SessionNotFound => "SESSION_NOT_FOUND",
            Self::SessionEnded => "SESSION_ENDED",
            Self::ParentNotFound => "PARENT_NOT_FOUND",
            Self::ParentEnded => "PARENT_ENDED",
            Self::ScopeClosed(_) => "SCOPE_CLOSED",
            Self::SessionLimitReached(_) => "SESSION_LIMIT_REACHED",
            Self::TokenRefused => "TOKEN_REFUSED",
            Self::IdempotencyKeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::PolicyNotFound => "POLICY_NOT_FOUND",
            Self::PolicyVersionMismatch(_) => "POLICY_VERSION_MISMATCH",
            Self::TooManyPolicies => "TOO_MANY_POLICIES",
            Self::Contention => "CONTENTION",
            Self::Store(StoreError::Unavailable(_) | StoreError::Untrusted) => "STORE_UNAVAILABLE",
            Self::Store(StoreError::NotReplicated) => "STORED_NOT_REPLICATED",
            Self::Store(StoreError::Skewed(_)) => "SKEW",
            Self::Store(StoreError::Full) => "STORE_FULL",
            Self::Store(StoreError::Unreadable(_)) => "STORE_UNREADABLE",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Field(error) => error.metadata(),
            Self::PageToken(error) => error.metadata(),
            Self::ScopeClosed(scope) => vec![("scope", scope.kind().to_owned())],
            Self::SessionLimitReached(max) => vec![("max_sessions", max.to_string())],
            Self::PolicyVersionMismatch(version) => vec![("version", version.to_string())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let is_passing = match self {
            Self::Store(StoreError::Unreadable(_)) => false,
            Self::Store(_) | Self::Contention => true,
            _ => false,
        };
        is_passing.then_some(Duration::from_millis(200))
    }
}
