//! Failures of the use cases, as callers see them.

use std::time::Duration;

use svc_kit::{
    egress::Refused,
    error::{FieldError, Kind, ServiceError},
    page::PageTokenError,
    seal::SealError,
};

use crate::ports::StoreError;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// A field of the request cannot be accepted.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The page token belongs to another list.
    #[error(transparent)]
    PageToken(#[from] PageTokenError),
    /// The address is refused.
    #[error("url {0}")]
    UrlRefused(Refused),
    /// No such endpoint for this caller.
    #[error("there is no such endpoint")]
    EndpointNotFound,
    /// No such delivery for this caller.
    #[error("there is no such delivery")]
    DeliveryNotFound,
    /// The endpoint gets nothing.
    #[error("the endpoint is disabled or deleted")]
    EndpointDisabled,
    /// The event is no longer kept.
    #[error("the event is so old that it is no longer kept")]
    EventExpired,
    /// The endpoint follows an application.
    #[error("the endpoint follows its application; change the application instead")]
    EndpointManaged,
    /// The tenant has too many.
    #[error("the tenant has too many endpoints")]
    TooManyEndpoints,
    /// Too many streams are open.
    #[error("too many streams of events are open")]
    TooManyWatchers,
    /// The process stops.
    #[error("the server is stopping; go on with the last token")]
    Stopping,
    /// Somebody else changed the endpoint.
    #[error("the endpoint was changed meanwhile; try again")]
    Contention,
    /// A secret cannot be sealed or opened.
    #[error("a secret cannot be sealed or opened")]
    Seal(#[from] SealError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl ServiceError for WebhookError {
    fn kind(&self) -> Kind {
        match self {
            Self::Field(_) | Self::PageToken(_) | Self::UrlRefused(_) => Kind::InvalidArgument,
            Self::EndpointNotFound | Self::DeliveryNotFound => Kind::NotFound,
            Self::EndpointDisabled | Self::EventExpired | Self::EndpointManaged => Kind::FailedPrecondition,
            Self::TooManyEndpoints | Self::TooManyWatchers => Kind::ResourceExhausted,
            Self::Contention => Kind::Aborted,
            Self::Store(StoreError::Unavailable(_)) | Self::Stopping => Kind::Unavailable,
            Self::Store(StoreError::Failed(_)) | Self::Seal(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Field(error) => error.reason(),
            Self::PageToken(error) => error.reason(),
            Self::UrlRefused(_) => "URL_REFUSED",
            Self::EndpointNotFound => "ENDPOINT_NOT_FOUND",
            Self::DeliveryNotFound => "DELIVERY_NOT_FOUND",
            Self::EndpointDisabled => "ENDPOINT_DISABLED",
            Self::EventExpired => "EVENT_EXPIRED",
            Self::EndpointManaged => "ENDPOINT_MANAGED",
            Self::TooManyEndpoints => "TOO_MANY_ENDPOINTS",
            Self::TooManyWatchers => "TOO_MANY_WATCHERS",
            Self::Stopping => "STOPPING",
            Self::Contention => "CONTENTION",
            Self::Store(StoreError::Unavailable(_)) => "STORE_UNAVAILABLE",
            Self::Store(StoreError::Failed(_)) => "STORE_FAILED",
            Self::Seal(_) => "SECRET_UNREADABLE",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Field(error) => error.metadata(),
            Self::PageToken(error) => error.metadata(),
            Self::UrlRefused(_) => vec![("field", "url".to_owned())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Store(StoreError::Unavailable(_)) | Self::Stopping).then_some(Duration::from_millis(500))
    }
}
