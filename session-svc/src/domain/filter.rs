//! Choosing sessions: the same filter for lists, previews and mass revocation.

use svc_kit::clock::Timestamp;

use super::{
    cutoff::Scope,
    device::DeviceType,
    id::{ApplicationId, Owner, SessionId, TenantId, UserId, Whose},
    session::{Kind, Session},
};

/// Whether a session is alive, as callers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Alive.
    Active,
    /// Ended by somebody.
    Revoked,
    /// Ended by time.
    Expired,
}

impl Session {
    /// The state that the recorded end says.
    pub fn state(&self) -> State {
        match &self.end {
            None => State::Active,
            Some(end) if end.reason.is_expiry() => State::Expired,
            Some(_) => State::Revoked,
        }
    }
}

/// Chooses sessions of a tenant. Empty lists and `None` do not restrict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The tenant.
    pub tenant: TenantId,
    /// Of this user.
    pub user: Option<UserId>,
    /// For one of these applications.
    pub applications: Vec<ApplicationId>,
    /// Of one of these kinds.
    pub kinds: Vec<Kind>,
    /// In one of these states.
    pub states: Vec<State>,
    /// Opened under this SSO session.
    pub parent: Option<SessionId>,
    /// On this type of device.
    pub device: Option<DeviceType>,
    /// Signed in or last seen from here; empty means anywhere.
    pub ip_address: String,
    /// Created in this span.
    pub created: Span,
    /// Last active in this span.
    pub last_active: Span,
    /// Not this one.
    pub except: Option<SessionId>,
}

/// A span of time, from (included) and until (excluded).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl Span {
    fn holds(self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.until.is_none_or(|until| moment < until)
    }
}

impl Filter {
    /// Says whether `session`, as it reads now, is chosen.
    pub fn matches(&self, session: &Session) -> bool {
        let device = &session.device;
        let of_application = |application: &ApplicationId| self.applications.contains(application);
        self.tenant == session.owner.tenant
            && self.user.as_ref().is_none_or(|user| *user == session.owner.user)
            && (self.applications.is_empty() || session.application.as_ref().is_some_and(of_application))
            && (self.kinds.is_empty() || self.kinds.contains(&session.kind))
            && (self.states.is_empty() || self.states.contains(&session.state()))
            && (self.parent.is_none() || self.parent == session.parent)
            && self.device.is_none_or(|kind| kind == device.kind)
            && [&device.ip_address, &device.last_ip_address, &String::new()].contains(&&self.ip_address)
            && self.created.holds(session.created_at)
            && self.last_active.holds(session.last_active_at)
            && self.except != Some(session.id)
    }

    /// Whose sessions it chooses from.
    pub fn whose(&self) -> Whose {
        match &self.user {
            Some(user) => Whose::Owner(Owner { tenant: self.tenant.clone(), user: user.clone() }),
            None => Whose::Tenant(self.tenant.clone()),
        }
    }

    /// The scopes that cover exactly what the filter chooses, if there are such: then one cutoff each does the work.
    pub fn as_scopes(&self) -> Option<Vec<Scope>> {
        let restricts_otherwise = !self.kinds.is_empty()
            || self.parent.is_some()
            || self.device.is_some()
            || !self.ip_address.is_empty()
            || self.created != Span::default()
            || self.last_active != Span::default()
            || self.except.is_some();
        if restricts_otherwise {
            return None;
        }
        let scope =
            |application| Scope { tenant: self.tenant.clone(), user: self.user.clone(), application, session: None };
        if self.applications.is_empty() {
            return Some(vec![scope(None)]);
        }
        Some(self.applications.iter().map(|application| scope(Some(application.clone()))).collect())
    }
}
