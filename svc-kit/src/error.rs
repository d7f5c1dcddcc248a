//! Failures as callers see them: a short list of kinds, a stable reason, and one place that makes a gRPC status of them.

use std::{collections::HashMap, error::Error, fmt::Write as _, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The `domain` of every `google.rpc.ErrorInfo` we send.
pub const DOMAIN: &str = "latchkey";

/// What sort of failure it is. Deliberately few: a caller branches on the reason, a client library on the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong whatever the state of the system.
    InvalidArgument,
    /// The object does not exist, for this caller.
    NotFound,
    /// The object exists already.
    AlreadyExists,
    /// The state of the system forbids it; repeating does not help.
    FailedPrecondition,
    /// Somebody else was faster; repeating the whole operation helps.
    Aborted,
    /// The caller did not prove who it is, or presented a token that is refused.
    Unauthenticated,
    /// The caller may not do this.
    PermissionDenied,
    /// A bound was reached; later may help.
    ResourceExhausted,
    /// It took too long.
    DeadlineExceeded,
    /// Something that we depend on is away; repeating is safe.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// Returns the gRPC code (AIP-193).
    pub const fn grpc_code(self) -> Code {
        match self {
            Self::InvalidArgument => Code::InvalidArgument,
            Self::NotFound => Code::NotFound,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::FailedPrecondition => Code::FailedPrecondition,
            Self::Aborted => Code::Aborted,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::ResourceExhausted => Code::ResourceExhausted,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Unavailable => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }
}

/// A failure that can be told to a caller.
pub trait ServiceError: Error + 'static {
    /// What sort of failure it is.
    fn kind(&self) -> Kind;

    /// The stable `UPPER_SNAKE` name of the failure.
    fn reason(&self) -> &'static str;

    /// Values that belong to the reason. Nothing secret, nothing personal.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// When to try again, where that is known.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// Makes the gRPC status of a failure. Details of our own faults and of our dependencies stay in the log.
pub fn to_status<E: ServiceError>(error: &E) -> Status {
    let kind = error.kind();
    let message = match kind {
        Kind::Internal => {
            tracing::error!(reason = error.reason(), error = chain(error), "a request failed by a fault of ours");
            "internal error".to_owned()
        }
        Kind::Unavailable => {
            tracing::warn!(reason = error.reason(), error = chain(error), "a dependency is away");
            "temporarily unavailable; retrying is safe".to_owned()
        }
        _ => error.to_string(),
    };
    let metadata: HashMap<String, String> =
        error.metadata().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let mut details = ErrorDetails::with_error_info(error.reason(), DOMAIN, metadata);
    if let Some(after) = error.retry_after() {
        details.set_retry_info(Some(after));
    }
    Status::with_error_details(kind.grpc_code(), message, details)
}

/// Returns the reason that a status of ours carries.
pub fn reason_of(status: &Status) -> Option<String> {
    status.get_details_error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason)
}

/// Returns the texts of an error and of all its sources, joined by `: `.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// A field of a request that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct FieldError {
    /// Path of the field, e.g. `device.ip_address`.
    pub path: String,
    /// What is wrong, e.g. `must not be longer than 128 bytes`.
    pub problem: String,
}

impl FieldError {
    /// Says what is wrong with the field at `path`.
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}

impl ServiceError for FieldError {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "INVALID_FIELD"
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("field", self.path.clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the store is away")]
    struct Away(#[source] std::io::Error);

    impl ServiceError for Away {
        fn kind(&self) -> Kind {
            Kind::Unavailable
        }
        fn reason(&self) -> &'static str {
            "STORE_UNAVAILABLE"
        }
        fn retry_after(&self) -> Option<Duration> {
            Some(Duration::from_secs(1))
        }
    }

    #[test]
    fn a_status_carries_reason_field_and_retry_hint() {
        let status = to_status(&FieldError::new("user_id", "must not be empty"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(reason_of(&status).as_deref(), Some("INVALID_FIELD"));
        assert_eq!(status.get_details_error_info().unwrap().metadata["field"], "user_id");
    }

    #[test]
    fn a_dependency_is_not_described_to_the_caller() {
        let status = to_status(&Away(std::io::Error::other("10.1.2.3 refused")));
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!status.message().contains("10.1.2.3"));
        assert!(status.get_details_retry_info().is_some());
    }

    #[test]
    fn a_chain_names_every_source() {
        assert_eq!(chain(&Away(std::io::Error::other("refused"))), "the store is away: refused");
    }
}
