//! The use cases, one a file. Each reads: load, decide, commit; on a conflict, load and decide again.

pub mod count;
pub mod create;
pub mod explain;
pub mod get;
pub mod limit;
pub mod list;
pub mod policies;
pub mod reauthenticate;
pub mod refresh;
pub mod relay;
pub mod revoke;
pub mod revoke_many;
mod rules;
pub mod scope;
pub mod settle;
pub mod sweep;
pub mod touch;
pub mod update;
pub mod validate;

use std::sync::Arc;

use svc_kit::{access::Caller, clock::Clock, entropy::Entropy, secret};

use crate::{
    domain::{
        cutoff::Cutoffs,
        id::{SessionId, Shard},
        policy::Deployment,
        revision::Revision,
        token::ServerKeys,
    },
    error::SessionError,
    ports::{Answer, IdempotencyKey, Read, SessionStore},
};

/// How often a use case decides again before it gives up. Each round somebody else made progress.
pub const DECISIONS_MAX: usize = 64;

/// The use cases over a store.
pub struct Sessions<S> {
    /// Where sessions are kept.
    pub store: Arc<S>,
    /// What tokens are computed with.
    pub keys: ServerKeys,
    /// How long sessions live where no policy says it.
    pub policies: Deployment,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where creations under a limit wait for each other.
    pub turns: limit::Turns,
}

impl<S: SessionStore> Sessions<S> {
    /// Loads a session that exists for `caller`; another tenant's is like none.
    async fn find(&self, caller: &Caller, id: SessionId) -> Result<(Option<Read>, Arc<Cutoffs>), SessionError> {
        // An id that names a shard we do not have was not made here.
        if id.shard() >= Shard(self.store.shards()) {
            return Ok((None, Arc::default()));
        }
        let (read, cutoffs) = self.load(id).await?;
        let visible = read.filter(|read| caller.may_see(read.stored.session.owner.tenant.as_str()));
        Ok((visible, cutoffs))
    }

    /// Returns what was answered to this very request before, if it was.
    async fn answered(
        &self,
        shard: Shard,
        key: Option<&(IdempotencyKey, RequestHash)>,
    ) -> Result<Option<Answer>, SessionError> {
        let Some((key, request)) = key else { return Ok(None) };
        match self.store.answer(shard, key).await? {
            Some(answer) if answer.request == request.0 => {
                // It may be asked for again because no copy had it.
                self.store.assure(shard).await?;
                Ok(Some(answer))
            }
            Some(_) => Err(SessionError::IdempotencyKeyReused),
            None => Ok(None),
        }
    }
}

/// Identifies the content of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHash(String);

impl RequestHash {
    /// Hashes the encoded request and who makes it.
    pub fn of(caller: &Caller, request: &[u8]) -> Self {
        let text = [caller.subject.as_bytes(), &[0], request].concat();
        Self(data_encoding::HEXLOWER.encode(&secret::sha256(&text)))
    }

    fn answer(&self) -> Answer {
        let request = self.0.clone();
        Answer {
            request,
            sessions: Vec::new(),
            count: 0,
            already_ended: false,
            is_incomplete: false,
            salt: None,
            position: Revision::default(),
        }
    }
}
