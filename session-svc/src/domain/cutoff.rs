//! Mass revocation: everything of a scope that was created up to a revision is over.

use std::collections::HashMap;

use super::{
    end::End,
    id::{ApplicationId, Owner, TenantId, UserId, Whose},
    revision::Revision,
    session::Stored,
};

/// What a cutoff covers: sessions of a tenant, of one user and of one application where these are given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The tenant.
    pub tenant: TenantId,
    /// Only sessions of this user.
    pub user: Option<UserId>,
    /// Only sessions of this application; `None` means all, SSO sessions too.
    pub application: Option<ApplicationId>,
}

impl Scope {
    /// Whose sessions it covers, applications aside.
    pub fn whose(&self) -> Whose {
        match &self.user {
            Some(user) => Whose::Owner(Owner { tenant: self.tenant.clone(), user: user.clone() }),
            None => Whose::Tenant(self.tenant.clone()),
        }
    }

    /// Every scope that sessions of `owner` in `application` are in.
    pub fn around<'a>(owner: &'a Owner, application: Option<&'a ApplicationId>) -> impl Iterator<Item = Self> + 'a {
        let applications = [None, application].into_iter().take(1 + usize::from(application.is_some()));
        applications.flat_map(move |application| {
            [None, Some(&owner.user)].map(|user| Self {
                tenant: owner.tenant.clone(),
                user: user.cloned(),
                application: application.cloned(),
            })
        })
    }
}

/// One mass revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cutoff {
    /// Sessions created at or before this are over.
    pub revision: Revision,
    /// How they ended.
    pub end: End,
}

/// The cutoffs of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cutoffs {
    /// Changes with every cutoff.
    pub version: u64,
    /// The latest of each scope.
    pub scopes: HashMap<Scope, Cutoff>,
}

impl Cutoffs {
    /// Returns the cutoff that ended `stored`, the earliest if there are two.
    pub fn covering(&self, stored: &Stored) -> Option<&Cutoff> {
        // Nearly every shard has none: then this must cost nothing.
        if self.scopes.is_empty() {
            return None;
        }
        Scope::around(&stored.session.owner, stored.session.application.as_ref())
            .filter_map(|scope| self.scopes.get(&scope))
            .filter(|cutoff| stored.created <= cutoff.revision)
            .min_by_key(|cutoff| cutoff.revision)
    }
}
