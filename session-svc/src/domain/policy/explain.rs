//! Why a session ends when it ends.

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::{Deployment, Layers, Source, Sourced};
use crate::domain::session::Session;

/// A limit of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedLimit {
    /// When it ends the session if nothing happens before.
    pub ends_at: Timestamp,
    /// The limit in force.
    pub in_force: Sourced<Duration>,
    /// The limit that a use right now would get.
    pub at_next_use: Sourced<Duration>,
}

impl Layers<'_> {
    /// Explains the idle and the absolute limit of a session that these policies rule.
    pub fn explain(&self, deployment: &Deployment, session: &Session, now: Timestamp) -> [ExplainedLimit; 2] {
        let Session { wish, last_active_at, limits_since, .. } = session;
        let [idle_then, absolute] = self.offered(deployment, session, *last_active_at);
        let [idle_now, _] = self.offered(deployment, session, now);
        let (idle_end, absolute_end) = (session.idle_deadline(), session.absolute_deadline());
        [
            ExplainedLimit {
                ends_at: idle_end,
                in_force: in_force(idle_end.duration_since(*last_active_at), wished(wish.idle_timeout, idle_then)),
                at_next_use: wished(wish.idle_timeout, idle_now),
            },
            ExplainedLimit {
                ends_at: absolute_end,
                in_force: in_force(
                    absolute_end.duration_since(*limits_since),
                    wished(wish.absolute_lifetime, absolute.clone()),
                ),
                at_next_use: wished(wish.absolute_lifetime, absolute),
            },
        ]
    }
}

/// What is there for a session, or the less that it asked for.
fn wished(wish: Duration, offered: Sourced<Duration>) -> Sourced<Duration> {
    if wish.is_zero() || offered.value <= wish { offered } else { Sourced { value: wish, source: Source::Session } }
}

/// The limit in force, which is from where the limit is from that it would be now, if it is the same.
fn in_force(limit: Duration, would_be: Sourced<Duration>) -> Sourced<Duration> {
    if would_be.value == limit { would_be } else { Sourced { value: limit, source: Source::LastUse } }
}
