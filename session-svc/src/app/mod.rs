//! The use cases, one a file. Each reads: load, decide, commit; on a conflict, load and decide again.

pub mod count;
pub mod create;
pub mod get;
pub mod list;
pub mod reauthenticate;
pub mod refresh;
pub mod relay;
pub mod revoke;
pub mod revoke_many;
pub mod scope;
pub mod sweep;
pub mod touch;
pub mod update;
pub mod validate;

use std::sync::Arc;

use svc_kit::{access::Caller, clock::Clock, entropy::Entropy, secret};

use crate::{
    domain::{
        id::{SessionId, Shard},
        refresh::RefreshPolicy,
        revision::Revision,
        session::Kind,
        times::Times,
        token::ServerKeys,
    },
    error::SessionError,
    ports::{Answer, IdempotencyKey, Loaded, Read, SessionStore},
};

/// How often a use case decides again before it gives up. Each round somebody else made progress.
pub const DECISIONS_MAX: usize = 64;

/// Limits of each kind of session.
#[derive(Clone, Copy, Debug)]
pub struct Policies {
    /// SSO, browser lifetime.
    pub sso: Times,
    /// SSO, kept signed in.
    pub sso_kept: Times,
    /// Application and participant.
    pub application: Times,
    /// Refreshing.
    pub refresh: RefreshPolicy,
}

impl Policies {
    fn times(&self, kind: Kind, keep_signed_in: bool) -> Times {
        match (kind, keep_signed_in) {
            (Kind::Sso, false) => self.sso,
            (Kind::Sso, true) => self.sso_kept,
            (Kind::Application | Kind::Participant, _) => self.application,
        }
    }
}

/// The use cases over a store.
pub struct Sessions<S> {
    /// Where sessions are kept.
    pub store: Arc<S>,
    /// What tokens are computed with.
    pub keys: ServerKeys,
    /// How long sessions live.
    pub policies: Policies,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl<S: SessionStore> Sessions<S> {
    /// Loads a session that exists for `caller`; another tenant's is like none.
    async fn find(&self, caller: &Caller, id: SessionId) -> Result<(Option<Read>, Loaded), SessionError> {
        // An id that names a shard we do not have was not made here.
        if id.shard() >= Shard(self.store.shards()) {
            return Ok((None, Loaded { read: None, cutoffs: Arc::default() }));
        }
        let loaded = self.store.load(id).await?;
        let visible = loaded.read.clone().filter(|read| caller.may_see(read.stored.session.owner.tenant.as_str()));
        Ok((visible, loaded))
    }

    /// Returns what was answered to this very request before, if it was.
    async fn answered(
        &self,
        shard: Shard,
        key: Option<&(IdempotencyKey, RequestHash)>,
    ) -> Result<Option<Answer>, SessionError> {
        let Some((key, request)) = key else { return Ok(None) };
        match self.store.answer(shard, key).await? {
            Some(answer) if answer.request == request.0 => Ok(Some(answer)),
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
            position: Revision::default(),
        }
    }
}
