//! Possession: a client shows with each request that it has the key that its tokens are bound to (RFC 9449).
//!
//! The access token names the key (`cnf.jkt`). The refresh token of a public client is bound to it too: its session has
//! the thumbprint among the attributes that nobody changes after it was created, so that it comes with every answer of
//! session-svc and costs no store of ours. A confidential client authenticates itself whenever it refreshes, which binds
//! its refresh token already (§5); it may change its key.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proto::session::v1 as pb;
use svc_kit::{clock::Timestamp, secret};

use crate::{
    app::{Adapters, Auth},
    domain::{
        application::Application,
        dpop::{Demand, NONCE_LIFETIME},
    },
    error::AuthError,
    ports::{ReplayStore as _, Signatures as _},
};

/// The attribute of a session that names the key that its token is bound to.
pub const KEY_ATTRIBUTE: &str = "latchkey.dpop_jkt";
/// What nonces are sealed for.
const NONCE_CONTEXT: &[u8] = b"dpop nonce";

/// Why a proof shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// It is not good.
    #[error("the proof is not good: {0}")]
    Refused(&'static str),
    /// It must carry this nonce of ours.
    #[error("the proof must carry a nonce")]
    Nonce(String),
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] AuthError),
}

impl<A: Adapters> Auth<A> {
    /// Returns the thumbprint of the key that a proof shows possession of, for this request and the first time.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn possession(&self, jwt: &str, demand: &Demand<'_>) -> Result<String, ProofError> {
        let unsigned = ProofError::Refused("it is no JWT that is signed by the key in its header");
        let proof = self.signatures.proof(jwt).ok_or(unsigned)?;
        let now = self.clock.now();
        let fresh = proof.check(demand, now).map_err(ProofError::Refused)?;
        if self.settings.dpop_nonces && !self.is_nonce(proof.nonce(), now) {
            return Err(ProofError::Nonce(self.nonce(now)?));
        }
        let hash = secret::sha256(format!("proof\n{}\n{}", proof.thumbprint, fresh.jti).as_bytes());
        let is_first = self.store.is_first(hash, now, fresh.expires_at).await.map_err(AuthError::from)?;
        if is_first { Ok(proof.thumbprint) } else { Err(ProofError::Refused("it was presented before")) }
    }

    fn nonce(&self, now: Timestamp) -> Result<String, AuthError> {
        let sealed = self.seal.seal(&*self.entropy, NONCE_CONTEXT, &now.as_ms().to_be_bytes());
        let sealed = sealed.map_err(|error| crate::ports::TokensError(error.into()))?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    fn is_nonce(&self, nonce: &str, now: Timestamp) -> bool {
        let made_at = URL_SAFE_NO_PAD.decode(nonce).ok().and_then(|bytes| self.seal.open(NONCE_CONTEXT, &bytes).ok());
        let made_at = made_at.and_then(|bytes| Some(Timestamp::from_ms(i64::from_be_bytes(bytes.try_into().ok()?))));
        made_at.is_some_and(|made_at| now < made_at.saturating_add(NONCE_LIFETIME))
    }
}

/// The key that a session's token is bound to; empty when it is bound to none.
pub fn key_of(session: &pb::Session) -> &str {
    session.attributes.get(KEY_ATTRIBUTE).map(String::as_str).unwrap_or_default()
}

/// Says whether `key` is good enough for a session of `application`: the one that it is bound to, and one at all where
/// the application must show one.
pub(in crate::app) fn is_enough(application: &Application, session: &pb::Session, key: Option<&str>) -> bool {
    let bound = key_of(session);
    let is_bound_elsewhere = !bound.is_empty() && key != Some(bound);
    !is_bound_elsewhere && (key.is_some() || !application.settings.requires_dpop)
}
