//! Consents, as the use cases need them kept.

use std::future::Future;

use super::StoreError;
use crate::domain::{
    consent::Consent,
    event::Event,
    user::{User, UserId},
};

/// Keeps what users agreed to.
pub trait ConsentStore: Send + Sync + 'static {
    /// What a user agreed to with an application.
    fn consent(
        &self,
        user: &UserId,
        application: &str,
    ) -> impl Future<Output = Result<Option<Consent>, StoreError>> + Send;
    /// Lists a user's consents by application, after one.
    fn consents(
        &self,
        user: &UserId,
        after: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Consent>, StoreError>> + Send;
    /// Keeps a consent, added to what was agreed before, with the event. Nothing is kept when the user or the application
    /// was deleted meanwhile.
    fn give_consent(&self, consent: &Consent, event: &Event) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Forgets a consent, with the event, and orders the end of the user's sessions in the application; `false` when there is none.
    fn withdraw_consent(
        &self,
        user: &User,
        application: &str,
        event: &Event,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
