//! Mass revocation: everything of a scope that was created up to a revision is over.

use std::{collections::HashMap, sync::Arc};

use super::{
    end::End,
    id::{ApplicationId, Owner, SessionId, TenantId, UserId, Whose},
    policy::PolicySet,
    revision::Revision,
    session::{Session, Stored},
};

/// What a cutoff covers: sessions of a tenant, of one user and of one application where these are given, or one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The tenant.
    pub tenant: TenantId,
    /// Only sessions of this user.
    pub user: Option<UserId>,
    /// Only sessions of this application; `None` means all, SSO sessions too.
    pub application: Option<ApplicationId>,
    /// Only this session, of the user that is given.
    pub session: Option<SessionId>,
}

impl Scope {
    /// One session and nothing else.
    pub fn of(session: &Session) -> Self {
        let Owner { tenant, user } = session.owner.clone();
        Self { tenant, user: Some(user), application: None, session: Some(session.id) }
    }

    /// Whose sessions it covers, applications aside.
    pub fn whose(&self) -> Whose {
        match &self.user {
            Some(user) => Whose::Owner(Owner { tenant: self.tenant.clone(), user: user.clone() }),
            None => Whose::Tenant(self.tenant.clone()),
        }
    }

    /// What kind of scope it is, in a word or two.
    pub fn kind(&self) -> &'static str {
        match (&self.user, &self.application) {
            _ if self.session.is_some() => "session",
            (None, None) => "tenant",
            (Some(_), None) => "user",
            (None, Some(_)) => "application",
            (Some(_), Some(_)) => "user in the application",
        }
    }

    /// Every scope that sessions of `owner` in `application` are in, whichever they are.
    pub fn around<'a>(owner: &'a Owner, application: Option<&'a ApplicationId>) -> impl Iterator<Item = Self> + 'a {
        let applications = [None, application].into_iter().take(1 + usize::from(application.is_some()));
        applications.flat_map(move |application| {
            [None, Some(&owner.user)].map(|user| Self {
                tenant: owner.tenant.clone(),
                user: user.cloned(),
                application: application.cloned(),
                session: None,
            })
        })
    }
}

/// Most mass revocations of a scope that are remembered behind the latest.
const EARLIER_MAX: usize = 4;

/// The latest mass revocation of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cutoff {
    /// Sessions created at or before this are over.
    pub revision: Revision,
    /// How they ended.
    pub end: End,
    /// Whether the scope is closed: then no session is created in it.
    pub is_closed: bool,
    /// Those before it, oldest first: what one of them ended goes on saying so, also while its end is not recorded yet.
    pub earlier: Vec<(Revision, End)>,
}

impl Cutoff {
    /// What the next mass revocation of the scope has to remember.
    pub fn remembered(&self) -> Vec<(Revision, End)> {
        let forgotten = (self.earlier.len() + 1).saturating_sub(EARLIER_MAX);
        let latest = (self.revision, self.end.clone());
        self.earlier.iter().cloned().chain([latest]).skip(forgotten).collect()
    }

    /// The first mass revocation of the scope after `created`, and where it was.
    fn after(&self, created: Revision) -> Option<(Revision, &End)> {
        let all = self.earlier.iter().map(|(revision, end)| (*revision, end)).chain([(self.revision, &self.end)]);
        all.into_iter().find(|(revision, _)| created <= *revision)
    }
}

/// The cutoffs of a shard, and the policies that are in force with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cutoffs {
    /// Changes with every cutoff, and with every policy.
    pub version: u64,
    /// The latest of each scope.
    pub scopes: HashMap<Scope, Cutoff>,
    /// The policies: those that were acknowledged before the cutoffs were read are among them.
    pub policies: Arc<PolicySet>,
}

impl Cutoffs {
    /// Says whether a scope is closed.
    pub fn is_closed(&self, scope: &Scope) -> bool {
        self.scopes.get(scope).is_some_and(|cutoff| cutoff.is_closed)
    }

    /// Returns a closed scope that a session of `owner` in `application` would be in.
    pub fn closed_around(&self, owner: &Owner, application: Option<&ApplicationId>) -> Option<Scope> {
        if self.scopes.is_empty() {
            return None;
        }
        Scope::around(owner, application).find(|scope| self.is_closed(scope))
    }

    /// Returns the scope of a session's own cutoff, if there is one.
    pub fn of(&self, session: &Session) -> Option<Scope> {
        if self.scopes.is_empty() {
            return None;
        }
        Some(Scope::of(session)).filter(|scope| self.scopes.contains_key(scope))
    }

    /// Returns how a mass revocation ended `stored`, the earliest if there are several.
    pub fn covering(&self, stored: &Stored) -> Option<&End> {
        // Nearly every shard has none: then this must cost nothing.
        if self.scopes.is_empty() {
            return None;
        }
        let session = &stored.session;
        Scope::around(&session.owner, session.application.as_ref())
            .chain([Scope::of(session)])
            .filter_map(|scope| self.scopes.get(&scope)?.after(stored.created))
            .min_by_key(|(revision, _)| *revision)
            .map(|(_, end)| end)
    }
}
