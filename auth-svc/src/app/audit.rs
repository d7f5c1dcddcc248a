//! Forgets what is on record for longer than it is kept. It is put on record by the changes themselves.

use std::{convert::Infallible, time::Duration};

use svc_kit::error::chain;

use super::{Adapters, Auth};
use crate::{
    error::AuthError,
    ports::{AuditStore as _, ReplayStore as _},
};

/// How often old entries are looked for.
const PERIOD: Duration = Duration::from_secs(600);

impl<A: Adapters> Auth<A> {
    /// Forgets entries that are older than they are kept.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn forget_old_audit_entries(&self) -> Result<(), AuthError> {
        let before = self.clock.now().saturating_sub(self.settings.audit_kept);
        while self.store.forget_audit_entries(before).await? > 0 {}
        Ok(())
    }

    /// Forgets what was presented once and could not be presented again any more.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn forget_presented(&self) -> Result<(), AuthError> {
        while self.store.forget_presented(self.clock.now()).await? > 0 {}
        Ok(())
    }

    /// Forgets what is old for ever.
    pub async fn keep_forgetting(&self) -> Infallible {
        loop {
            if let Err(error) = self.forget_old_audit_entries().await {
                tracing::warn!(error = chain(&error), "old audit entries stay for now");
            }
            if let Err(error) = self.forget_presented().await {
                tracing::warn!(error = chain(&error), "proofs that are over stay for now");
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}
