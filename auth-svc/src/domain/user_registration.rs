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

/// How a user stands with an application: whether a session that is being opened may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Grows with whatever must end the user's sessions.
    pub epoch: i64,
    /// Whether the user may not sign in.
    pub is_disabled: bool,
    /// Whether the user is registered for the application.
    pub is_registered: bool,
}
