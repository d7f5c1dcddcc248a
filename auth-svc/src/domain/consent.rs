//! What a user agreed that an application gets to know about them.

use svc_kit::clock::Timestamp;

use super::{authorize::AuthorizationRequest, user::UserId};

/// A consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who agreed.
    pub user: UserId,
    /// To which application.
    pub application: String,
    /// The scopes of all that was agreed to, in alphabetical order.
    pub scopes: Vec<String>,
    /// When, the last time.
    pub given_at: Timestamp,
}

impl Consent {
    /// Says whether all of `scopes` were agreed to.
    pub fn covers(&self, scopes: &[String]) -> bool {
        scopes.iter().all(|scope| self.scopes.contains(scope))
    }

    /// Adds what `earlier` agreed to already.
    #[must_use]
    pub fn after(mut self, earlier: Option<&Self>) -> Self {
        self.scopes.extend(earlier.into_iter().flat_map(|earlier| earlier.scopes.iter().cloned()));
        self.scopes.sort_unstable();
        self.scopes.dedup();
        self
    }
}

/// Says whether the user must be asked before a request is answered. `remembered` is what they agreed to before.
///
/// An application that is ours (`requires_consent` is off) asks only when it wants to.
pub fn must_ask(request: &AuthorizationRequest, requires_consent: bool, remembered: Option<&Consent>) -> bool {
    let is_covered = || remembered.is_some_and(|consent| consent.covers(&request.consent_scopes()));
    request.must_consent || (requires_consent && !is_covered())
}

#[cfg(test)]
mod tests {
    use svc_kit::entropy::SeededEntropy;

    use super::*;

    fn consent(scopes: &[&str]) -> Consent {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let user = UserId::generate(&SeededEntropy::new(1));
        Consent { user, application: "web".to_owned(), scopes, given_at: Timestamp::EPOCH }
    }

    #[test]
    fn consents_add_up() {
        let both = consent(&["profile", "openid"]).after(Some(&consent(&["openid", "email"])));
        assert_eq!(both.scopes, ["email", "openid", "profile"]);
        assert!(both.covers(&["email".to_owned(), "profile".to_owned()]));
        assert!(!both.covers(&["offline_access".to_owned()]));
    }
}
