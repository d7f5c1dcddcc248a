//! Authorization requests that an application pushes before it sends the browser (RFC 9126).

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::authorize::AuthorizationRequest;

/// What a reference to a pushed request begins with (RFC 9126 §2.2).
pub const REFERENCE_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// How long a browser has to come with the reference.
pub const PUSHED_LIFETIME: Duration = Duration::from_secs(60);

/// A request that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The request; its `client_id` says who pushed it.
    pub request: AuthorizationRequest,
    /// When the reference to it ends.
    pub expires_at: Timestamp,
    /// Whether a code was given for it.
    pub is_spent: bool,
}

impl Pushed {
    /// Says whether a browser may begin with it for `client`. Beginning does not spend it, so that a sign-in page can be
    /// loaded again.
    pub fn is_good_for(&self, client: &str, now: Timestamp) -> bool {
        self.request.client_id == client && !self.is_spent && now < self.expires_at
    }
}
