//! Calls → use cases: parse, run, answer. Nothing is decided here.

mod api_keys;
mod applications;
mod audit;
mod auth;
mod consents;
mod logout_tokens;
mod message;
mod parse;
mod registrations;
mod signing_keys;
mod tenants;
mod users;

pub use api_keys::ApiKeyCallers;

use std::sync::Arc;

use svc_kit::{
    access::{Caller, caller_of},
    error::to_status,
    page,
};
use tonic::{Request, Status};

use crate::{
    app::{Adapters, Auth},
    error::AuthError,
};

/// Objects on a page when the request does not say, and at most.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 500;

/// The gRPC face of the use cases.
pub struct AuthGrpc<A: Adapters> {
    auth: Arc<Auth<A>>,
}

impl<A: Adapters> Clone for AuthGrpc<A> {
    fn clone(&self) -> Self {
        Self { auth: self.auth.clone() }
    }
}

impl<A: Adapters> AuthGrpc<A> {
    /// Makes the face of `auth`.
    pub fn new(auth: Arc<Auth<A>>) -> Self {
        Self { auth }
    }
}

fn status(error: impl Into<AuthError>) -> Status {
    to_status(&error.into())
}

fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    caller_of(request).map_err(|error| to_status(&error))
}

fn size(page_size: i32) -> Result<usize, Status> {
    page::size(page_size, PAGE_DEFAULT, PAGE_MAX).map_err(status)
}

/// Cuts what was read (one more than a page holds) into the page and the token of the next one.
fn paged<T>(mut found: Vec<T>, size: usize, list: &[u8], id: impl Fn(&T) -> &str) -> (Vec<T>, String) {
    let has_more = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| has_more);
    let token = last.map(|last| page::encode(list, id(last).as_bytes())).unwrap_or_default();
    (found, token)
}
