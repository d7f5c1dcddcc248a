//! The policies that concern a session, one over the other, and what they come to.

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::{Deployment, IdleRule, Limits, OnLimit, Policy, SessionLimit, StoredPolicy};
use crate::domain::{refresh::RefreshPolicy, session::Session, times::Times};

/// Where a value is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The deployment's configuration.
    Deployment,
    /// The tenant's policy.
    Tenant,
    /// The application's policy.
    Application,
    /// Whoever created the session asked for less.
    Session,
    /// It was granted at the last use, and would not be granted now.
    LastUse,
}

/// A value, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it is from.
    pub source: Source,
}

/// When policies end a session that was granted more; `None`: they do not speak of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// By idleness.
    pub idle: Option<Timestamp>,
    /// At latest.
    pub absolute: Option<Timestamp>,
}

/// The policies that concern a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layers<'p> {
    /// The application's.
    pub application: Option<&'p StoredPolicy>,
    /// The tenant's.
    pub tenant: Option<&'p StoredPolicy>,
}

impl<'p> Layers<'p> {
    /// Returns what the nearest policy that speaks of it says.
    pub fn first<T>(&self, read: impl Fn(&'p Policy) -> Option<T>) -> Option<Sourced<T>> {
        let layers = [(self.application, Source::Application), (self.tenant, Source::Tenant)];
        layers.into_iter().find_map(|(layer, source)| Some(Sourced { value: read(&layer?.policy)?, source }))
    }

    fn limit<T>(&self, session: &Session, read: impl Fn(&'p Limits) -> Option<T>) -> Option<Sourced<T>> {
        self.first(|policy| read(policy.limits(session.kind, session.keep_signed_in)))
    }

    /// Returns the idle timeout that policies say.
    pub fn idle(&self, deployment: &Deployment, session: &Session) -> Option<Sourced<IdleRule<'p>>> {
        let says =
            |limits: &'p Limits| (limits.idle_timeout.is_some() || limits.idle_schedule.is_some()).then_some(limits);
        let Sourced { value: limits, source } = self.limit(session, says)?;
        // Outside of the windows of a schedule that comes alone, the next timeout counts.
        let next = || self.limit(session, |limits| limits.idle_timeout).map(|next| next.value);
        let deployments = || deployment.times(session.kind, session.keep_signed_in).idle_timeout;
        let timeout = limits.idle_timeout.or_else(next).unwrap_or_else(deployments);
        Some(Sourced { value: IdleRule { timeout, schedule: limits.idle_schedule.as_ref() }, source })
    }

    /// Returns the absolute lifetime that policies say.
    pub fn absolute_lifetime(&self, session: &Session) -> Option<Sourced<Duration>> {
        self.limit(session, |limits| limits.absolute_lifetime)
    }

    /// Returns when the policies end a session, whatever it was granted.
    pub fn caps(&self, deployment: &Deployment, session: &Session) -> Caps {
        if self.application.is_none() && self.tenant.is_none() {
            return Caps::default();
        }
        Caps {
            idle: self.idle(deployment, session).map(|rule| rule.value.deadline(session.last_active_at)),
            absolute: self.absolute_lifetime(session).map(|limit| session.limits_since.saturating_add(limit.value)),
        }
    }

    /// Returns what a use of a session at `now` grants.
    pub fn granted(&self, deployment: &Deployment, session: &Session, now: Timestamp) -> Times {
        let [idle, absolute] = self.offered(deployment, session, now);
        Times { idle_timeout: idle.value, absolute_lifetime: absolute.value }.shortened_to(session.wish)
    }

    /// Returns how long a session that is used at `at` may pause then, and the absolute lifetime, whatever it asked for.
    pub fn offered(&self, deployment: &Deployment, session: &Session, at: Timestamp) -> [Sourced<Duration>; 2] {
        let times = deployment.times(session.kind, session.keep_signed_in);
        let idle = self
            .idle(deployment, session)
            .map(|Sourced { value, source }| Sourced { value: value.deadline(at).duration_since(at), source });
        [
            idle.unwrap_or(of_deployment(times.idle_timeout)),
            self.absolute_lifetime(session).unwrap_or(of_deployment(times.absolute_lifetime)),
        ]
    }

    /// Returns how many sessions a user may have in an application; `None`: any number.
    pub fn session_limit(&self) -> Option<SessionLimit> {
        let max_sessions = self.first(|policy| policy.max_sessions)?;
        let on_limit = self.first(|policy| policy.on_limit).unwrap_or(of_deployment(OnLimit::default()));
        Some(SessionLimit { max_sessions, on_limit })
    }

    /// Returns how tolerant refreshing is.
    pub fn refresh(&self, deployment: &Deployment) -> RefreshPolicy {
        let [rotation_grace, loss_recovery] = self.tolerances(deployment).map(|sourced| sourced.value);
        RefreshPolicy { rotation_grace, loss_recovery }
    }

    /// Returns rotation grace and loss recovery.
    pub fn tolerances(&self, deployment: &Deployment) -> [Sourced<Duration>; 2] {
        let RefreshPolicy { rotation_grace, loss_recovery } = deployment.refresh;
        [
            self.first(|policy| policy.rotation_grace).unwrap_or(of_deployment(rotation_grace)),
            self.first(|policy| policy.loss_recovery).unwrap_or(of_deployment(loss_recovery)),
        ]
    }
}

fn of_deployment<T>(value: T) -> Sourced<T> {
    Sourced { value, source: Source::Deployment }
}
