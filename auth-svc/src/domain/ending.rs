//! What ends what: every cause of an end that is decided here, how far it reaches, and the reason that the sessions end with.
//!
//! The table is the only place where this is said. Orders to session-svc take their scope and reason from it
//! ([`Rule::scope`]), a logout asks it for the fate of each session under the SSO session ([`Child::fate`]), and the test of the
//! whole path walks it. What session-svc decides by itself is not here: deadlines, limits, a spent token that is presented
//! again, and that a child follows its ended parent unless it is kept.

use super::settings::LogoutReach;

/// Why something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The user logs out, here or by an application that asks.
    Logout,
    /// Somebody else signs in with the same browser.
    UserSwitch,
    /// The user ends one of their sessions from the list of them.
    UserEnds,
    /// The user ends everything that is open elsewhere than in the browser at hand.
    UserEndsElsewhere,
    /// A code is presented a second time: somebody has a copy.
    CodeReuse,
    /// The password was changed, by its user or for them.
    CredentialChange,
    /// The user was disabled.
    UserDisabled,
    /// The user was deleted.
    UserDeleted,
    /// The user does not agree any more that the application knows them.
    ConsentWithdrawn,
    /// The user is not registered for the application any more.
    RegistrationDeleted,
    /// The application was deleted.
    ApplicationDeleted,
    /// The tenant was suspended.
    TenantSuspended,
}

/// How far an end reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The one session.
    Session,
    /// The SSO session and those under it, as [`Child::fate`] says.
    SsoSession,
    /// All sessions of the user but the SSO session at hand and those under it.
    Elsewhere,
    /// All sessions of the user in the application.
    UserInApplication,
    /// All sessions of the user, in every browser.
    User,
    /// All sessions of everybody in the application.
    Application,
    /// Everything in the tenant.
    Tenant,
}

/// What sessions end with, as session-svc names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The user logged out.
    Logout,
    /// The user ended it elsewhere.
    User,
    /// An administrator did.
    Admin,
    /// A rule of ours did.
    Policy,
    /// The password was changed.
    CredentialChange,
    /// The user may not sign in any more.
    AccountDisabled,
    /// The application is gone.
    ApplicationRemoved,
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Why.
    pub cause: Cause,
    /// How far.
    pub reach: Reach,
    /// With what.
    pub reason: EndReason,
}

const fn rule(cause: Cause, reach: Reach, reason: EndReason) -> Rule {
    Rule { cause, reach, reason }
}

/// What ends what.
pub const RULES: [Rule; 12] = [
    rule(Cause::Logout, Reach::SsoSession, EndReason::Logout),
    rule(Cause::UserSwitch, Reach::SsoSession, EndReason::Logout),
    rule(Cause::UserEnds, Reach::Session, EndReason::User),
    rule(Cause::UserEndsElsewhere, Reach::Elsewhere, EndReason::User),
    rule(Cause::CodeReuse, Reach::Session, EndReason::Policy),
    rule(Cause::CredentialChange, Reach::User, EndReason::CredentialChange),
    rule(Cause::UserDisabled, Reach::User, EndReason::AccountDisabled),
    rule(Cause::UserDeleted, Reach::User, EndReason::AccountDisabled),
    rule(Cause::ConsentWithdrawn, Reach::UserInApplication, EndReason::User),
    rule(Cause::RegistrationDeleted, Reach::UserInApplication, EndReason::Admin),
    rule(Cause::ApplicationDeleted, Reach::Application, EndReason::ApplicationRemoved),
    rule(Cause::TenantSuspended, Reach::Tenant, EndReason::Policy),
];

impl Cause {
    /// The line of the table; one there is for each cause.
    pub fn rule(self) -> Rule {
        let known = RULES.into_iter().find(|rule| rule.cause == self);
        // What nobody thought of ends as little as possible.
        known.unwrap_or(rule(self, Reach::Session, EndReason::Policy))
    }
}

/// Whose sessions an order ends; empty means all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// User.
    pub user: &'a str,
    /// Application.
    pub application: &'a str,
}

impl Rule {
    /// Narrows down what an order names to what its cause reaches; `None` where that is no order, or the order does not name
    /// what it is about: an order that lost the user must not sign out everybody.
    pub fn scope<'a>(&self, user: &'a str, application: &'a str) -> Option<Scope<'a>> {
        let scope = match self.reach {
            Reach::User => Scope { user, application: "" },
            Reach::UserInApplication => Scope { user, application },
            Reach::Application => Scope { user: "", application },
            Reach::Session | Reach::SsoSession | Reach::Elsewhere | Reach::Tenant => return None,
        };
        let needs_user = matches!(self.reach, Reach::User | Reach::UserInApplication);
        let needs_application = matches!(self.reach, Reach::Application | Reach::UserInApplication);
        let is_named = !(needs_user && user.is_empty() || needs_application && application.is_empty());
        is_named.then_some(scope)
    }
}

/// A session under an SSO session that ends.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// Its application.
    pub application: &'a str,
    /// Whether it only records that an application took part which keeps its own sessions.
    pub is_record: bool,
    /// Whether it lives on when the SSO session ends.
    pub is_kept: bool,
}

/// What becomes of a session when the SSO session above it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It ends with the SSO session.
    Follows,
    /// It would live on, and is ended by name.
    TakenAlong,
    /// It lives on.
    LivesOn,
}

impl Child<'_> {
    /// What becomes of it when `asking` (empty for the user here) logs out, whose logouts reach so far.
    pub fn fate(&self, asking: &str, reach: &LogoutReach) -> Fate {
        match (self.is_kept, self.is_record || reach.includes(asking, self.application)) {
            (false, _) => Fate::Follows,
            (true, true) => Fate::TakenAlong,
            (true, false) => Fate::LivesOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_one_line() {
        let mut causes: Vec<Cause> = RULES.iter().map(|rule| rule.cause).collect();
        causes.sort_unstable();
        causes.dedup();
        assert_eq!(causes.len(), RULES.len());
        assert!(RULES.iter().all(|rule| rule.cause.rule() == *rule));
    }

    #[test]
    fn an_order_ends_what_its_cause_reaches_and_never_more() {
        for (cause, user, application, expected) in [
            (Cause::CredentialChange, "ada", "", Some(("ada", ""))),
            (Cause::UserDisabled, "ada", "shop", Some(("ada", ""))),
            (Cause::UserDeleted, "", "", None),
            (Cause::ConsentWithdrawn, "ada", "shop", Some(("ada", "shop"))),
            (Cause::ConsentWithdrawn, "ada", "", None),
            (Cause::RegistrationDeleted, "", "shop", None),
            (Cause::ApplicationDeleted, "", "shop", Some(("", "shop"))),
            (Cause::ApplicationDeleted, "ada", "", None),
            (Cause::Logout, "ada", "shop", None),
            (Cause::TenantSuspended, "", "", None),
        ] {
            let scope = cause.rule().scope(user, application).map(|scope| (scope.user, scope.application));
            assert_eq!(scope, expected, "{cause:?} {user:?} {application:?}");
        }
    }
}
