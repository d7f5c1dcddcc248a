//! Explains which limit ends a session, when, and why that one.

use std::time::Duration;

use svc_kit::{access::Caller, clock::Timestamp};

use super::{Sessions, rules::around};
use crate::{
    domain::{
        end::EndReason,
        id::SessionId,
        policy::{ExplainedLimit, SessionLimit, Sourced},
        session::{Kind, Stored},
    },
    error::SessionError,
    ports::SessionStore,
};

/// What rules a session.
pub struct Explanation {
    /// The session as it reads now.
    pub stored: Stored,
    /// When it ends if it is not used before, and by which limit; `None` when it has ended.
    pub ends: Option<(Timestamp, EndReason)>,
    /// The limit of pauses.
    pub idle: ExplainedLimit,
    /// The limit of its life.
    pub absolute: ExplainedLimit,
    /// Rotation grace and loss recovery.
    pub tolerances: [Sourced<Duration>; 2],
    /// How many such sessions the user may have, where that is limited.
    pub limit: Option<SessionLimit>,
}

impl<S: SessionStore> Sessions<S> {
    /// Explains a session.
    ///
    /// # Errors
    /// [`SessionError::SessionNotFound`], or a failure of the store.
    pub async fn explain(&self, caller: &Caller, id: SessionId) -> Result<Explanation, SessionError> {
        let (read, loaded) = self.find(caller, id).await?;
        let mut stored = read.ok_or(SessionError::SessionNotFound)?.stored;
        let now = self.clock.now();
        stored.session = stored.as_of(now, &loaded.cutoffs);
        let session = &stored.session;
        let policies = around(session, &loaded.cutoffs);
        let [idle, absolute] = policies.explain(&self.policies, session);
        let tolerances = policies.tolerances(&self.policies);
        let ends = session.end.is_none().then(|| (session.deadline(), session.deadline_reason()));
        let limit = policies.session_limit().filter(|_| session.kind == Kind::Application);
        Ok(Explanation { ends, idle, absolute, tolerances, limit, stored })
    }
}
