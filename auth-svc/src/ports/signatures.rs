//! What others signed, as the use cases need it checked.

use serde_json::Value;

use crate::domain::dpop::Proof;

/// Checks signatures of others.
pub trait Signatures: Send + Sync + 'static {
    /// Returns the claims of a JWT that one of these public keys signed: a JWK set as JSON, of a client that we know.
    fn signed_by(&self, jwks: &str, token: &str) -> Option<Value>;
    /// Returns what a proof of possession says (RFC 9449 §4.2) if the key in its header, which may be anybody's, signed it.
    fn proof(&self, token: &str) -> Option<Proof>;
}
