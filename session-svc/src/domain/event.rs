//! What the world is told.

use std::sync::Arc;

use super::{
    cutoff::Scope,
    end::End,
    id::{Owner, SessionId},
    session::Session,
};
use svc_kit::clock::Timestamp;

/// Something that happened, to be written with the change that made it happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Position among the session's events, from 1; 0 for cutoffs.
    pub sequence: u32,
    /// Who caused it; empty when the service itself did.
    pub actor: String,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A session was created.
    Created(Arc<Session>),
    /// A session was refreshed.
    Refreshed(Arc<Session>),
    /// A session ended: `session.revoked` or, by time, `session.expired`.
    Ended(Arc<Session>),
    /// A spent token was presented.
    ReuseDetected {
        /// Whose sessions.
        owner: Owner,
        /// The session.
        session: Arc<Session>,
        /// Generation presented.
        presented: u32,
        /// Where from.
        ip_address: String,
    },
    /// A mass revocation.
    Cutoff {
        /// What it covers.
        scope: Scope,
        /// How the covered sessions end.
        end: End,
    },
}

impl What {
    /// The session that it happened to.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Created(session) | Self::Refreshed(session) | Self::Ended(session) => Some(session),
            Self::ReuseDetected { session, .. } => Some(session),
            Self::Cutoff { .. } => None,
        }
    }

    /// Id of the session that it happened to.
    pub fn session_id(&self) -> Option<SessionId> {
        self.session().map(|session| session.id)
    }
}
