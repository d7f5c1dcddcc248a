//! Policies: how long sessions live, said by a tenant and, field by field in its place, by an application of it.
//!
//! What no policy says is the deployment's. A value that a policy says binds sessions that are alive: shorter limits hold
//! from the next read on ([`Caps`]), longer ones from the next use. For that a session records what it was granted when it
//! was last used ([`Session::times`]), and is over at the earlier of that and what policies say now.

mod bounds;
mod explain;
mod idle;
mod layers;
pub mod schedule;
mod set;

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::{
    id::{ApplicationId, TenantId},
    refresh::RefreshPolicy,
    session::{Kind, Session},
    times::Times,
};

use self::schedule::Schedule;
pub use self::{
    bounds::{POLICIES_MAX, PolicyError},
    explain::ExplainedLimit,
    idle::IdleRule,
    layers::{Caps, Layers, Source, Sourced},
    set::PolicySet,
};

/// What a policy is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyScope {
    /// The tenant.
    pub tenant: TenantId,
    /// One application of it; `None`: the tenant's own policy.
    pub application: Option<ApplicationId>,
}

impl PolicyScope {
    /// Says whether the policy can concern a session.
    pub fn concerns(&self, session: &Session) -> bool {
        let is_theirs = self.application.is_none() || self.application == session.application;
        is_theirs && self.tenant == session.owner.tenant
    }
}

/// Limits of one kind of session; `None` leaves a limit to the next wider policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Longest pause between two uses.
    pub idle_timeout: Option<Duration>,
    /// Longest life.
    pub absolute_lifetime: Option<Duration>,
    /// When other idle timeouts apply. It and the idle timeout are one value: whoever says one of them says both.
    pub idle_schedule: Option<Schedule>,
}

/// What a policy says; `None` leaves a value to the next wider policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Applications' sessions, and participants.
    pub application: Limits,
    /// SSO sessions.
    pub sso: Limits,
    /// SSO sessions that are kept signed in.
    pub sso_kept: Limits,
    /// How long parallel and repeated refreshes of one token get the same successor.
    pub rotation_grace: Option<Duration>,
    /// How long a refresh may be repeated while its successor was never presented.
    pub loss_recovery: Option<Duration>,
    /// Most living sessions of a user in an application.
    pub max_sessions: Option<u32>,
    /// What happens when there would be more.
    pub on_limit: Option<OnLimit>,
}

impl Policy {
    fn limits(&self, kind: Kind, keep_signed_in: bool) -> &Limits {
        match (kind, keep_signed_in) {
            (Kind::Sso, false) => &self.sso,
            (Kind::Sso, true) => &self.sso_kept,
            (Kind::Application | Kind::Participant, _) => &self.application,
        }
    }
}

/// What happens when a user would have more sessions than allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLimit {
    /// The new one is refused.
    #[default]
    RejectNew,
    /// The oldest ends.
    EndOldest,
}

/// How many sessions a user may have in an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimit {
    /// So many.
    pub max_sessions: Sourced<u32>,
    /// What happens when there would be more.
    pub on_limit: Sourced<OnLimit>,
}

/// A policy as it is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// What it is for.
    pub scope: PolicyScope,
    /// What it says.
    pub policy: Policy,
    /// Grows with every change of any policy; 0: not stored yet.
    pub version: u64,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Who changed it last.
    pub updated_by: String,
}

/// What the deployment says: every value, for sessions that no policy speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Deployment {
    /// SSO, browser lifetime.
    pub sso: Times,
    /// SSO, kept signed in.
    pub sso_kept: Times,
    /// Application and participant.
    pub application: Times,
    /// Refreshing.
    pub refresh: RefreshPolicy,
}

impl Deployment {
    /// The longest that a session can live, here or by a policy.
    pub fn longest_life(&self) -> Duration {
        let here = [self.sso, self.sso_kept, self.application].map(|times| times.absolute_lifetime);
        here.into_iter().fold(bounds::LIMIT_MAX, Duration::max)
    }

    /// Limits of a kind of session.
    pub fn times(&self, kind: Kind, keep_signed_in: bool) -> Times {
        match (kind, keep_signed_in) {
            (Kind::Sso, false) => self.sso,
            (Kind::Sso, true) => self.sso_kept,
            (Kind::Application | Kind::Participant, _) => self.application,
        }
    }
}

#[cfg(test)]
mod tests;
