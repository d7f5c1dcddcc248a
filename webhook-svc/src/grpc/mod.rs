//! Calls → use cases: parse, run, answer. Nothing is decided here.

mod deliveries;
mod endpoints;
mod events;
mod message;
mod parse;

use std::sync::Arc;

use svc_kit::{
    access::{Caller, caller_of},
    error::to_status,
    lifecycle::Lifecycle,
    page,
};
use tonic::{Request, Status};

use crate::{app::Webhooks, error::WebhookError};

/// Objects on a page when the request does not say, and at most.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 500;

/// The gRPC face of the use cases.
pub struct WebhookGrpc<S> {
    webhooks: Arc<Webhooks<S>>,
    /// Ends the streams.
    lifecycle: Lifecycle,
}

impl<S> Clone for WebhookGrpc<S> {
    fn clone(&self) -> Self {
        Self { webhooks: self.webhooks.clone(), lifecycle: self.lifecycle.clone() }
    }
}

impl<S> WebhookGrpc<S> {
    /// Makes the face of `webhooks`; streams end with `lifecycle`.
    pub fn new(webhooks: Arc<Webhooks<S>>, lifecycle: Lifecycle) -> Self {
        Self { webhooks, lifecycle }
    }
}

fn status(error: impl Into<WebhookError>) -> Status {
    to_status(&error.into())
}

fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    caller_of(request).map_err(|error| to_status(&error))
}

fn size(page_size: i32) -> Result<usize, Status> {
    page::size(page_size, PAGE_DEFAULT, PAGE_MAX).map_err(status)
}
