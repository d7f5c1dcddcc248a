//! Creates a session.

use std::{collections::BTreeMap, sync::Arc};

use secrecy::SecretString;
use svc_kit::{access::Caller, clock::Timestamp, entropy};

use super::{DECISIONS_MAX, RequestHash, Sessions};
use crate::{
    domain::{
        cutoff::Cutoffs,
        device::Device,
        event::{Event, What},
        id::{ApplicationId, Owner, SessionId, Shard},
        policy::Caps,
        session::{Kind, Life, RefreshMode, Session, Stored, TokenState},
        times::Times,
    },
    error::SessionError,
    ports::{Answer, Commit, Committed, IdempotencyKey, Read, SessionStore, Write},
};

/// What to create.
#[derive(Clone, Debug)]
pub struct CreateSession {
    /// Whose.
    pub owner: Owner,
    /// What it is.
    pub kind: Kind,
    /// What it is for.
    pub application: Option<ApplicationId>,
    /// SSO session to open it under.
    pub parent: Option<SessionId>,
    /// Whether it lives on when the parent ends.
    pub survives_parent: bool,
    /// Whether the user asked to stay signed in.
    pub keep_signed_in: bool,
    /// When the user proved who they are; `None` means now.
    pub authenticated_at: Option<Timestamp>,
    /// Authentication methods.
    pub amr: Vec<String>,
    /// Authentication context class.
    pub acr: String,
    /// OAuth scopes.
    pub scopes: Vec<String>,
    /// Where it lives.
    pub device: Device,
    /// The caller's own attributes.
    pub attributes: BTreeMap<String, String>,
    /// How refreshing treats its token.
    pub refresh_mode: RefreshMode,
    /// Limits that are wished for; only shorter ones count.
    pub times: Times,
    /// Makes a retry safe.
    pub idempotency: Option<(IdempotencyKey, RequestHash)>,
}

/// A session and its current token; participants have none.
pub struct Created {
    /// The session.
    pub stored: Stored,
    /// Its token.
    pub token: Option<SecretString>,
}

impl<S: SessionStore> Sessions<S> {
    /// Creates a session, atomically with its `session.created`.
    ///
    /// # Errors
    /// [`SessionError::ScopeClosed`], [`SessionError::SessionLimitReached`], [`SessionError::ParentNotFound`], [`SessionError::ParentEnded`], [`SessionError::IdempotencyKeyReused`], or a
    /// failure of the store.
    pub async fn create(&self, caller: &Caller, command: CreateSession) -> Result<Created, SessionError> {
        let shard = command.owner.shard(self.store.shards());
        // One id for every round, so that a commit whose answer was lost is found again instead of repeated.
        let mut session = self.new_session(SessionId::generate(shard, &*self.entropy), &command);
        let mut turn = None;
        for _ in 0..DECISIONS_MAX {
            if let Some(answer) = self.answered(shard, command.idempotency.as_ref()).await? {
                return self.created_before(caller, &answer).await;
            }
            let (parent, cutoffs) = self.may_begin(caller, &command, shard).await?;
            if turn.is_none() {
                turn = self.turn(&session, &cutoffs).await;
            }
            session.times = self.granted(&session, &cutoffs, session.created_at);
            let mut commit = Commit::new(shard);
            commit.is_assured = true;
            commit.cutoffs = Some(cutoffs.version);
            let shared = Arc::new(session.clone());
            let stored = Stored { session: shared.clone(), created: Default::default(), sequence: 1, births: 0 };
            let what = What::Created(shared);
            commit.events.push(Event { at: session.created_at, sequence: 1, actor: caller.subject.clone(), what });
            commit.writes.push(Write { before: None, after: stored.clone(), is_forgotten: false });
            commit.writes.extend(parent.map(counted));
            self.make_room(&mut commit, &session, &cutoffs).await?;
            commit.answer = command.idempotency.as_ref().map(|(key, request)| {
                let mut answer = request.answer();
                answer.sessions.push(session.id.to_string());
                answer.salt = Some(session.token.salt);
                (key.clone(), answer)
            });
            if let Committed::Done(revisions) = self.store.commit(commit).await? {
                let created = revisions.first().copied().unwrap_or_default();
                return Ok(self.with_token(Stored { created, ..stored }, session.token.salt));
            }
        }
        Err(SessionError::Contention)
    }

    fn new_session(&self, id: SessionId, command: &CreateSession) -> Session {
        let now = self.clock.now();
        let token = TokenState {
            mode: command.refresh_mode,
            generation: 1,
            salt: entropy::bytes(&*self.entropy),
            rotated_at: now,
            confirmed: false,
            replays: 0,
        };
        Session {
            id,
            owner: command.owner.clone(),
            application: command.application.clone(),
            kind: command.kind,
            parent: command.parent,
            survives_parent: command.survives_parent,
            keep_signed_in: command.keep_signed_in,
            created_at: now,
            authenticated_at: command.authenticated_at.unwrap_or(now),
            last_active_at: now,
            times: Times::default(),
            limits_since: now,
            wish: command.times,
            caps: Caps::default(),
            amr: command.amr.clone(),
            acr: command.acr.clone(),
            scopes: command.scopes.clone(),
            device: command.device.clone(),
            attributes: command.attributes.clone(),
            token,
            end: None,
        }
    }

    /// The parent, which must be alive, and the cutoffs that this holds with; no scope around may be closed. The
    /// commit is guarded by both and counts the child in the parent's record: of a birth and the parent's end, or the
    /// closing of a scope, one comes first, and the other sees it.
    async fn may_begin(
        &self,
        caller: &Caller,
        command: &CreateSession,
        shard: Shard,
    ) -> Result<(Option<Read>, Arc<Cutoffs>), SessionError> {
        let Some(id) = command.parent else {
            let cutoffs = self.store.cutoffs(shard).await?;
            return is_open(&cutoffs, command).map(|()| (None, cutoffs));
        };
        let (parent, cutoffs) = self.find(caller, id).await?;
        is_open(&cutoffs, command)?;
        let is_fit = |read: &Read| read.stored.session.kind == Kind::Sso && read.stored.session.owner == command.owner;
        let parent = parent.filter(is_fit).ok_or(SessionError::ParentNotFound)?;
        match parent.stored.life(self.clock.now(), &cutoffs) {
            Life::Alive => Ok((Some(parent), cutoffs)),
            Life::Ended(_) | Life::Lapsed(_) => Err(SessionError::ParentEnded),
        }
    }

    async fn created_before(&self, caller: &Caller, answer: &Answer) -> Result<Created, SessionError> {
        let id = answer.sessions.first().and_then(|id| SessionId::parse(id).ok());
        let (read, cutoffs) = self.find(caller, id.ok_or(SessionError::SessionNotFound)?).await?;
        let stored = read.ok_or(SessionError::SessionNotFound)?.stored.as_of(self.clock.now(), &cutoffs);
        // What the first answer said, even if it is worth nothing any more. Made with a new salt it would be worse than
        // nothing: a token that was never handed out, and whose use looks like theft.
        let salt = answer.salt.unwrap_or(stored.session.token.salt);
        Ok(self.with_token(stored, salt))
    }

    /// With the token of the first generation under `salt`.
    fn with_token(&self, stored: Stored, salt: [u8; 16]) -> Created {
        let mut first = (*stored.session).clone();
        first.token.salt = salt;
        let has_token = first.kind != Kind::Participant;
        Created { stored, token: has_token.then(|| self.keys.token(&first, 1)) }
    }
}

fn is_open(cutoffs: &Cutoffs, command: &CreateSession) -> Result<(), SessionError> {
    match cutoffs.closed_around(&command.owner, command.application.as_ref()) {
        Some(scope) => Err(SessionError::ScopeClosed(scope)),
        None => Ok(()),
    }
}

/// The parent with one child more.
fn counted(parent: Read) -> Write {
    let after = Stored { births: parent.stored.births.saturating_add(1), ..parent.stored };
    Write { before: Some(parent.snapshot), after, is_forgotten: false }
}
