//! Proofs of possession that come with requests (RFC 9449): one header, one proof.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};

use super::{
    HttpState,
    client::Asked,
    token::{failed, refuse},
};
use crate::{
    app::{Adapters, oidc::possession::ProofError},
    domain::dpop::Demand,
};

/// Where a proof is.
const PROOF: &str = "dpop";
/// Where we say which nonce a proof must carry.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The key that a request shows possession of, if it shows any.
pub(super) async fn shown<A: Adapters>(
    state: &HttpState<A>,
    headers: &HeaderMap,
    demand: &Demand<'_>,
) -> Result<Option<String>, ProofError> {
    let mut proofs = headers.get_all(PROOF).iter();
    let Some(proof) = proofs.next() else { return Ok(None) };
    let proof = proof.to_str().ok().filter(|_| proofs.next().is_none());
    let proof = proof.ok_or(ProofError::Refused("there must be one proof"))?;
    state.auth.possession(proof, demand).await.map(Some)
}

/// The key that a client shows at one of its endpoints, or the answer to a proof that is not good.
pub(super) async fn of_client<A: Adapters>(
    state: &HttpState<A>,
    asked: Asked<'_>,
    headers: &HeaderMap,
) -> Result<Option<String>, Response> {
    let address = format!("{}/{}", state.auth.settings.issuer(asked.tenant), asked.endpoint);
    let demand = Demand { method: "POST", address: &address, access_token: None };
    shown(state, headers, &demand).await.map_err(|error| match error {
        ProofError::Refused(problem) => refuse("invalid_dpop_proof", problem),
        ProofError::Nonce(nonce) => {
            with_nonce(refuse("use_dpop_nonce", "the proof must carry the nonce of this answer"), &nonce)
        }
        ProofError::Failed(error) => failed(&error),
    })
}

/// Adds the nonce that the next proof must carry (RFC 9449 §8).
pub(super) fn with_nonce(mut response: Response, nonce: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(nonce) {
        response.headers_mut().insert(NONCE, value);
    }
    response
}
