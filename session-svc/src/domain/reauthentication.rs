//! The user proved again who they are: same session, same children, another token.
//!
//! The token gets a new salt, so every token before it is no genuine one any more: dead at once, without a grace, and
//! presenting it is not taken for reuse (a browser may have sent it a moment before). The limits of an SSO session start
//! anew (NIST SP 800-63B-4 §2.1.3); other sessions keep their absolute end.

use svc_kit::clock::Timestamp;

use super::{
    event::{Event, What},
    refresh::Origin,
    session::{Kind, Stored},
    times::Times,
};

/// How the user proved who they are.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Authentication methods.
    pub amr: Vec<String>,
    /// Authentication context class.
    pub acr: String,
    /// Whether the user asked to stay signed in.
    pub keep_signed_in: bool,
    /// Where from, and who says so.
    pub origin: Origin,
}

impl Stored {
    /// Returns the session, which is alive, after the user proved again who they are, with the event that tells of it.
    /// `granted` are the limits that a use grants now.
    pub fn reauthenticated(&self, now: Timestamp, proof: Proof, granted: Times, salt: [u8; 16]) -> (Self, Event) {
        let mut next = self.clone();
        next.sequence += 1;
        let session = next.session_mut();
        session.authenticated_at = session.authenticated_at.max(now);
        session.used(now, granted);
        session.amr = proof.amr;
        session.acr = proof.acr;
        session.device.seen(&proof.origin.ip_address, &proof.origin.user_agent);
        if session.kind == Kind::Sso {
            session.keep_signed_in = proof.keep_signed_in;
            session.limits_since = now;
        }
        let token = &mut session.token;
        token.generation = token.generation.saturating_add(1);
        token.salt = salt;
        token.rotated_at = now;
        token.confirmed = false;
        token.replays = 0;
        let what = What::Refreshed(next.session.clone());
        let event = Event { at: now, sequence: next.sequence, actor: proof.origin.actor, what };
        (next, event)
    }
}
