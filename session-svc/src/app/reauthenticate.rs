//! Records that the user of a session proved again who they are.

use secrecy::SecretString;
use svc_kit::{access::Caller, entropy};

use super::{DECISIONS_MAX, Sessions};
use crate::{
    domain::{
        id::UserId,
        reauthentication::Proof,
        session::{Kind, Life, Session, Stored},
        token::PresentedToken,
    },
    error::SessionError,
    ports::{Commit, Committed, Read, SessionStore, Write},
};

/// Who proved it, and in which session.
#[derive(Clone, Debug)]
pub struct ReauthenticateSession {
    /// The token presented.
    pub token: PresentedToken,
    /// Who proved who they are. Only the session's own user counts.
    pub user: UserId,
    /// How.
    pub proof: Proof,
}

impl<S: SessionStore> Sessions<S> {
    /// Records it; returns the session and its new token. The token presented is dead then.
    ///
    /// # Errors
    /// [`SessionError::TokenRefused`] whatever the cause, or a failure of the store.
    pub async fn reauthenticate(
        &self,
        caller: &Caller,
        command: &ReauthenticateSession,
    ) -> Result<(Stored, SecretString), SessionError> {
        let salt = entropy::bytes(&*self.entropy);
        for _ in 0..DECISIONS_MAX {
            let (read, cutoffs) = self.find(caller, command.token.session).await?;
            let read = read.filter(|read| self.may_reauthenticate(read, command)).ok_or(SessionError::TokenRefused)?;
            let now = self.clock.now();
            if read.stored.life(now, &cutoffs) != Life::Alive {
                return Err(SessionError::TokenRefused);
            }
            let keep_signed_in = command.proof.keep_signed_in;
            let as_asked = Session { keep_signed_in, ..(*read.stored.session).clone() };
            let granted = self.granted(&as_asked, &cutoffs, now);
            let (next, event) = read.stored.reauthenticated(now, command.proof.clone(), granted, salt);
            let mut commit = Commit::new(command.token.session.shard());
            commit.is_assured = true;
            commit.cutoffs = Some(cutoffs.version);
            commit.events.push(event);
            commit.writes.push(Write { before: Some(read.snapshot), after: next.clone(), is_forgotten: false });
            if let Committed::Done(_) = self.store.commit(commit).await? {
                let token = self.keys.token(&next.session, next.session.token.generation);
                return Ok((next, token));
            }
        }
        Err(SessionError::Contention)
    }

    fn may_reauthenticate(&self, read: &Read, command: &ReauthenticateSession) -> bool {
        let session = &read.stored.session;
        self.keys.is_genuine(&command.token, session)
            && command.token.generation == session.token.generation
            && session.owner.user == command.user
            && session.kind != Kind::Participant
    }
}
