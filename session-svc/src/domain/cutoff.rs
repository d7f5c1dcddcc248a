//! Mass revocation: everything of a scope that was created up to a revision is over.

use std::collections::HashMap;

use super::{
    end::End,
    id::{ApplicationId, Owner},
    revision::Revision,
    session::Stored,
};

/// What a cutoff covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The user.
    pub owner: Owner,
    /// Only sessions of this application; `None` means all, SSO sessions too.
    pub application: Option<ApplicationId>,
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
        let owner = stored.session.owner.clone();
        let of_user = self.scopes.get(&Scope { owner: owner.clone(), application: None });
        let application = stored.session.application.clone();
        let of_application = application.and_then(|a| self.scopes.get(&Scope { owner, application: Some(a) }));
        [of_user, of_application]
            .into_iter()
            .flatten()
            .filter(|cutoff| stored.created <= cutoff.revision)
            .min_by_key(|cutoff| cutoff.revision)
    }
}
