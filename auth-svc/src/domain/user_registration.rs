//! Registrations: which users may sign in to an application that does not let in everybody of its tenant.

use svc_kit::clock::Timestamp;

use super::user::UserId;

/// A user who may sign in to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRegistration {
    /// Who.
    pub user: UserId,
    /// Where.
    pub application: String,
    /// Since when.
    pub created_at: Timestamp,
}
