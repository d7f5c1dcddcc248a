//! Explains which limit ends a session, when, and why that one.

use std::time::Duration;

use svc_kit::{access::Caller, clock::Timestamp};

use super::{Sessions, rules::around};
use crate::{
    domain::{
        end::EndReason,
        id::SessionId,
        policy::{ExplainedLimit, SessionLimit, Sourced, schedule::Schedule},
        session::{Kind, Stored},
    },
    error::SessionError,
    ports::SessionStore,
};

/// A schedule that rules a session.
pub struct ExplainedSchedule {
    /// The schedule, and where it is from.
    pub schedule: Sourced<Schedule>,
    /// The timeout outside of its windows.
    pub outside: Duration,
    /// The timeout that applies at this moment.
    pub applies_now: Duration,
}

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
    /// The schedule of idle timeouts, where there is one.
    pub schedule: Option<ExplainedSchedule>,
    /// How many such sessions the user may have, where that is limited.
    pub limit: Option<SessionLimit>,
}

impl<S: SessionStore> Sessions<S> {
    /// Explains a session.
    ///
    /// # Errors
    /// [`SessionError::SessionNotFound`], or a failure of the store.
    pub async fn explain(&self, caller: &Caller, id: SessionId) -> Result<Explanation, SessionError> {
        let (read, cutoffs) = self.find(caller, id).await?;
        let now = self.clock.now();
        let stored = read.ok_or(SessionError::SessionNotFound)?.stored.as_of(now, &cutoffs);
        let session = &stored.session;
        let policies = around(session, &cutoffs);
        let [idle, absolute] = policies.explain(&self.policies, session, now);
        let tolerances = policies.tolerances(&self.policies);
        let ends = session.end.is_none().then(|| (session.deadline(), session.deadline_reason()));
        let limit = policies.session_limit().filter(|_| session.kind == Kind::Application);
        let schedule = policies.idle(&self.policies, session).and_then(|Sourced { value: rule, source }| {
            let schedule = Sourced { value: rule.schedule?.clone(), source };
            Some(ExplainedSchedule { schedule, outside: rule.timeout, applies_now: rule.timeout_at(now) })
        });
        Ok(Explanation { ends, idle, absolute, tolerances, schedule, limit, stored })
    }
}
