//! Who calls.

use std::{collections::BTreeSet, sync::Arc};

use crate::access::AccessError;

/// Scopes that a caller holds. Wider scopes include narrower ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// Every scope.
    All,
    /// These, and what they include.
    Only(BTreeSet<String>),
}

/// (a scope, the scope that it includes)
const INCLUDES: [(&str, &str); 4] = [
    ("sessions.admin", "sessions.write"),
    ("sessions.admin", "sessions.read"),
    ("sessions.write", "sessions.read"),
    ("directory.write", "directory.read"),
];

impl Scopes {
    /// Reads an OAuth `scope` value: names between spaces.
    pub fn parse(text: &str) -> Self {
        Self::Only(text.split_ascii_whitespace().map(str::to_owned).collect())
    }

    /// Says whether `scope` is held, directly or as part of a wider one.
    pub fn include(&self, scope: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(held) => {
                held.contains(scope) || INCLUDES.iter().any(|(wide, narrow)| *narrow == scope && held.contains(*wide))
            }
        }
    }
}

/// Whoever makes a call, as proved by its credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name for events and logs: `operator:<name>` or the application's id.
    pub subject: String,
    /// The one tenant that it belongs to; `None` means that it may act in every tenant.
    pub tenant: Option<String>,
    /// What it may do.
    pub scopes: Scopes,
}

impl Caller {
    /// Says whether objects of `tenant` exist for this caller.
    pub fn may_see(&self, tenant: &str) -> bool {
        self.tenant.as_deref().is_none_or(|own| own == tenant)
    }
}

/// Returns who makes the call, as the access layer found.
///
/// # Errors
/// [`AccessError::CredentialMissing`] when the layer is not in place: a handler never trusts its absence.
pub fn caller_of<T>(request: &tonic::Request<T>) -> Result<Arc<Caller>, AccessError> {
    request.extensions().get::<Arc<Caller>>().cloned().ok_or(AccessError::CredentialMissing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_scopes_include_narrower_ones() {
        let admin = Scopes::parse("sessions.admin");
        assert!(admin.include("sessions.write") && admin.include("sessions.read"));
        let read = Scopes::parse("openid  sessions.read");
        assert!(read.include("sessions.read") && !read.include("sessions.write") && !read.include("directory.read"));
        assert!(Scopes::All.include("webhooks.admin"));
    }

    #[test]
    fn a_caller_sees_its_own_tenant_only() {
        let mut caller = Caller { subject: "a".into(), tenant: Some("acme".into()), scopes: Scopes::All };
        assert!(caller.may_see("acme") && !caller.may_see("other") && !caller.may_see(""));
        caller.tenant = None;
        assert!(caller.may_see("other"));
    }
}
