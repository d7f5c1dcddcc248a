//! Registrations of users, as the use cases need them kept.

use std::future::Future;

use super::StoreError;
use crate::domain::{
    event::Event,
    user::{User, UserId},
    user_registration::{Standing, UserRegistration},
};

/// Keeps who may sign in where.
pub trait UserRegistrationStore: Send + Sync + 'static {
    /// Adds a registration, with the event, unless it is there; returns the one that is there then. `None` when the user or
    /// the application was deleted meanwhile.
    fn register_user(
        &self,
        registration: &UserRegistration,
        event: &Event,
    ) -> impl Future<Output = Result<Option<UserRegistration>, StoreError>> + Send;
    /// Returns how a user stands with an application now; with none, which has the empty id, nobody is registered. `None` when
    /// there is no such user.
    fn standing(
        &self,
        user: &UserId,
        application: &str,
    ) -> impl Future<Output = Result<Option<Standing>, StoreError>> + Send;
    /// Says whether a user is registered for an application.
    fn is_registered(&self, user: &UserId, application: &str) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Lists a user's registrations by application, after one.
    fn user_registrations(
        &self,
        user: &UserId,
        after: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<UserRegistration>, StoreError>> + Send;
    /// Deletes a registration, with the event, and orders the end of the user's sessions in the application; `false` when
    /// there is none.
    fn deregister_user(
        &self,
        user: &User,
        application: &str,
        event: &Event,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
