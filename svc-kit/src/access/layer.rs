//! The tower layer that enforces the rules.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{
    AccessError, AccessRules, Authenticator, Caller, TenantRule,
    tenant_field::{self, Found},
};
use crate::error::to_status;

/// Largest message that a server of ours accepts, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a gRPC frame besides the message.
const FRAME_OVERHEAD_BYTES: usize = 5;

/// Enforces access rules in front of a gRPC server.
#[derive(Clone)]
pub struct AccessLayer {
    rules: Arc<AccessRules>,
    authenticator: Arc<Authenticator>,
}

impl AccessLayer {
    /// Makes a layer that enforces `rules`, knowing callers by `authenticator`.
    pub fn new(rules: AccessRules, authenticator: Authenticator) -> Self {
        Self { rules: Arc::new(rules), authenticator: Arc::new(authenticator) }
    }

    async fn admit(&self, request: Request<Body>) -> Result<Request<Body>, AccessError> {
        let path = request.uri().path();
        if AccessRules::is_open(path) {
            return Ok(request);
        }
        let rule = self.rules.get(path).ok_or(AccessError::RuleMissing)?;
        let credential = bearer(request.headers()).ok_or(AccessError::CredentialMissing)?;
        let caller = self.authenticator.authenticate(credential).await?;
        if !caller.scopes.include(&rule.scope) {
            return Err(AccessError::ScopeMissing(rule.scope.clone()));
        }
        let mut request = match (&rule.tenant, &caller.tenant) {
            (TenantRule::Every, Some(_)) => return Err(AccessError::TenantMismatch),
            (TenantRule::Field(field), Some(_)) => check_tenant(request, field, &caller).await?,
            _ => request,
        };
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(rule.importance);
        Ok(request)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, credential) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential.trim())
}

/// Reads the whole request and compares the tenant that it names with the caller's. A request that names none goes on:
/// its handler says which field is missing.
async fn check_tenant(request: Request<Body>, field: &[u32], caller: &Caller) -> Result<Request<Body>, AccessError> {
    let (head, body) = request.into_parts();
    let limited = Limited::new(body, MESSAGE_BYTES_MAX + FRAME_OVERHEAD_BYTES);
    let frame: Bytes = match limited.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(AccessError::TooLarge),
        Err(_) => return Err(AccessError::CutOff),
    };
    match tenant_field::find(&frame, field) {
        Found::Value(tenant) if !std::str::from_utf8(tenant).is_ok_and(|tenant| caller.may_see(tenant)) => {
            Err(AccessError::TenantMismatch)
        }
        // Refused rather than left to the decoder: the two might read an odd message differently.
        Found::Malformed => Err(AccessError::CutOff),
        Found::Value(_) | Found::Absent => Ok(Request::from_parts(head, Body::new(Full::new(frame)))),
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = AccessService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AccessService { inner, layer: self.clone() }
    }
}

/// A gRPC server behind the access layer.
#[derive(Clone)]
pub struct AccessService<S> {
    inner: S,
    layer: AccessLayer,
}

impl<S> Service<Request<Body>> for AccessService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The service that is ready is the one called; its clone takes its place.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let layer = self.layer.clone();
        Box::pin(async move {
            match layer.admit(request).await {
                Ok(request) => inner.call(request).await,
                Err(refused) => Ok(to_status(&refused).into_http()),
            }
        })
    }
}
