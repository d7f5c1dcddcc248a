//! Sees to it that session-svc has the session policies that tenants and applications are set to.
//!
//! A change of a policy writes, in its transaction, the order to put it in force; it is carried out at once and, if
//! session-svc is away then, until it is done ([`super::revocations`]). The order names the scope and not the policy:
//! whoever carries it out looks what the policy is, and looks again afterwards, so that of two changes at once the later one
//! is in force in the end, in whatever order they are carried out.
//!
//! Besides, everything is compared from time to time: session-svc may have lost its store, or somebody may have stored
//! something else there. What counts is what is kept here; of scopes that have no policy here session-svc keeps what it has.

use std::{convert::Infallible, time::Duration};

use svc_kit::error::{ServiceError as _, chain};

use super::{Adapters, Auth};
use crate::{
    domain::session_policy::{PolicyScope, SessionPolicy},
    error::AuthError,
    ports::{
        ApplicationStore as _, SessionPolicyStore as _, Sessions as _, SessionsError, StoreError, TenantStore as _,
    },
};

/// How often everything is compared, and how soon again when that was not possible.
const COMPARE_EVERY: Duration = Duration::from_secs(600);
const COMPARE_AGAIN: Duration = Duration::from_secs(2);
/// Policies that are read at once.
const PAGE: usize = 200;

impl<A: Adapters> Auth<A> {
    /// Puts the policy of a tenant or of an application in force, as it is now.
    pub(super) async fn settle_policy(&self, scope: &PolicyScope) -> Result<(), AuthError> {
        let mut policy = self.policy_of(scope).await?;
        loop {
            // Where there is nothing to take away, nothing is stored either: session-svc remembers empty ones too.
            if !policy.is_empty() || !self.sessions.has_policy(scope, &policy).await? {
                self.sessions.put_policy(scope, &policy).await?;
            }
            let now = self.policy_of(scope).await?;
            if now == policy {
                return Ok(());
            }
            policy = now;
        }
    }

    /// The policy that a scope is set to; an empty one where there is no such tenant or application.
    async fn policy_of(&self, scope: &PolicyScope) -> Result<SessionPolicy, AuthError> {
        if scope.application.is_empty() {
            let tenant = self.store.tenant(&scope.tenant).await?;
            return Ok(tenant.map(|found| found.session_policy).unwrap_or_default());
        }
        let application = self.store.application(&scope.application).await?;
        let application = application.filter(|found| found.tenant == scope.tenant);
        Ok(application.map(|found| found.session_policy).unwrap_or_default())
    }

    /// Compares every policy with what session-svc has, and puts in force what it does not have.
    ///
    /// # Errors
    /// The store or session-svc is away, or the store fails. A policy that session-svc refuses holds up no other.
    pub async fn compare_policies(&self) -> Result<(), AuthError> {
        let mut after = PolicyScope::default();
        loop {
            let page = self.store.session_policies(&after, PAGE).await?;
            for (scope, policy) in &page {
                match self.compare_policy(scope, policy).await {
                    Ok(()) => {}
                    Err(
                        error @ (AuthError::Store(StoreError::Unavailable(_))
                        | AuthError::Sessions(SessionsError::Unavailable(_))),
                    ) => return Err(error),
                    Err(error) => {
                        let (tenant, application) = (scope.tenant.as_str(), scope.application.as_str());
                        let error = chain(&error);
                        tracing::error!(tenant.id = tenant, application.id = application, error, "a policy is refused");
                    }
                }
            }
            match page.into_iter().nth(PAGE - 1) {
                Some((last, _)) => after = last,
                None => return Ok(()),
            }
        }
    }

    async fn compare_policy(&self, scope: &PolicyScope, policy: &SessionPolicy) -> Result<(), AuthError> {
        if self.sessions.has_policy(scope, policy).await? { Ok(()) } else { self.settle_policy(scope).await }
    }

    /// Compares for ever, at once to begin with.
    pub async fn keep_comparing_policies(&self) -> Infallible {
        loop {
            let wait = match self.compare_policies().await {
                Ok(()) => COMPARE_EVERY,
                Err(error) => {
                    let reason = error.reason();
                    tracing::warn!(error = chain(&error), reason, "session policies cannot be compared");
                    COMPARE_AGAIN
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}
