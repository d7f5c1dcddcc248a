//! How sessions end.

use svc_kit::clock::Timestamp;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndReason {
    /// The user logged out.
    Logout,
    /// The user ended it from a list.
    User,
    /// An administrator ended it.
    Admin,
    /// A policy ended it.
    Policy,
    /// It was idle for too long.
    Idle,
    /// It reached its absolute lifetime.
    Absolute,
    /// Too many sessions.
    Limit,
    /// A spent token was presented.
    TokenReuse,
    /// A credential changed.
    CredentialChange,
    /// The user was disabled or deleted.
    AccountDisabled,
    /// Its SSO session ended.
    ParentEnded,
    /// A mass revocation covered it.
    Cutoff,
    /// Its application was removed.
    ApplicationRemoved,
}

impl EndReason {
    /// Says whether time alone ended the session.
    pub fn is_expiry(self) -> bool {
        matches!(self, Self::Idle | Self::Absolute)
    }

    /// Says whether a caller may give this reason; the others are found by the service.
    pub fn is_for_callers(self) -> bool {
        matches!(
            self,
            Self::Logout
                | Self::User
                | Self::Admin
                | Self::Policy
                | Self::CredentialChange
                | Self::AccountDisabled
                | Self::ApplicationRemoved
        )
    }
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
    /// Free text that came with it.
    pub comment: String,
    /// Who: the subject of the calling credential; empty when the service itself did.
    pub by: String,
}

impl End {
    /// An end that the service found by itself.
    pub fn found(at: Timestamp, reason: EndReason) -> Self {
        Self { at, reason, comment: String::new(), by: String::new() }
    }
}
