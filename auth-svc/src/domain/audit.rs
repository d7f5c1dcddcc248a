//! The audit trail: who did what, when, from where.

use std::collections::BTreeMap;

use svc_kit::clock::Timestamp;

/// An entry that is not numbered yet. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Tenant.
    pub tenant: String,
    /// What, named as the event that is told of it.
    pub action: String,
    /// Who; empty when the user or the service itself did.
    pub actor: String,
    /// What it was done to.
    pub subject: String,
    /// User that it concerns; empty for none.
    pub user: String,
    /// Application that it concerns; empty for none.
    pub application: String,
    /// Address that it was done from; empty when it is not known.
    pub from: String,
    /// More, by name.
    pub details: BTreeMap<String, String>,
}

/// Which entries are wanted. Empty texts leave the choice open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Tenant.
    pub tenant: String,
    /// Who did it.
    pub actor: String,
    /// What was done: a whole name, or its beginning up to a dot.
    pub action: String,
    /// What it was done to, or whom it concerns.
    pub subject: String,
    /// Not before this.
    pub after: Timestamp,
    /// Before this.
    pub before: Timestamp,
}

impl AuditFilter {
    /// Says whether an entry is wanted.
    pub fn wants(&self, entry: &AuditEntry) -> bool {
        let is_open = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
        let below = entry.action.strip_prefix(self.action.as_str());
        entry.tenant == self.tenant
            && is_open(&self.actor, &entry.actor)
            && (self.action.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
            && [&entry.subject, &entry.user, &entry.application].into_iter().any(|id| is_open(&self.subject, id))
            && self.after <= entry.at
            && entry.at < self.before
    }
}
