//! The refresh state machine. G is the stored generation, g the presented one; the MAC was verified before.
//!
//! | case | decision |
//! |---|---|
//! | g = G | rotate to G+1, or keep G (reusable); slides the idle deadline |
//! | g = G−1, soon after, not too often | replay: the same successor again |
//! | g < G otherwise | reuse: somebody holds a copy; the session ends |
//! | g = G+1 | roll forward: the store lost a rotation in a failover |
//! | g > G+1 | refuse and alarm; change nothing |

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::{
    end::{End, EndReason},
    event::{Event, What},
    session::{RefreshMode, Session, Stored},
    times::Times,
};

/// How often one step may be repeated within the rotation grace.
const GRACE_REPLAYS_MAX: u32 = 100;
/// How often one step may be repeated after the grace, while its answer may have been lost.
const RECOVERY_REPLAYS_MAX: u32 = 5;

/// How tolerant refreshing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// How long parallel and repeated refreshes of one token get the same successor.
    pub rotation_grace: Duration,
    /// How long a refresh may be repeated while its successor was never presented.
    pub loss_recovery: Duration,
}

/// What a refresh is decided by, besides the session.
#[derive(Clone, Copy, Debug)]
pub struct RefreshTerms {
    /// How tolerant it is.
    pub policy: RefreshPolicy,
    /// Limits that a use grants.
    pub granted: Times,
}

/// What a refresh comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Store `next`; its current token is the answer.
    Advance {
        /// The session afterwards.
        next: Stored,
        /// What to tell.
        event: Event,
    },
    /// The current token is the answer again; only a counter moves.
    Replay {
        /// The session afterwards.
        next: Stored,
    },
    /// A copy was used: store `next`, which is ended, and refuse.
    Reuse {
        /// The session afterwards.
        next: Stored,
        /// What to tell: the reuse, then the end.
        events: [Event; 2],
    },
    /// Refuse; nothing changes. Something is wrong with the store or with a key.
    Impossible,
}

/// Where a refresh comes from, as far as the caller said.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// IP address of the user.
    pub ip_address: String,
    /// `User-Agent` of the client.
    pub user_agent: String,
    /// Who calls us.
    pub actor: String,
}

impl Stored {
    /// Decides what presenting the genuine token of generation `presented` does to this session, which is alive.
    pub fn refresh(&self, now: Timestamp, terms: RefreshTerms, presented: u32, origin: &Origin) -> Decision {
        let current = self.session.token.generation;
        if presented == current || presented == current.saturating_add(1) {
            return self.advance(now, terms.granted, presented, origin);
        }
        if presented > current {
            return Decision::Impossible;
        }
        if current - presented == 1 && may_replay(&self.session, now, terms.policy) {
            let mut next = self.clone();
            next.session_mut().token.replays += 1;
            return Decision::Replay { next };
        }
        self.reuse(now, presented, origin)
    }

    fn advance(&self, now: Timestamp, granted: Times, presented: u32, origin: &Origin) -> Decision {
        let mut next = self.clone();
        next.sequence += 1;
        let session = next.session_mut();
        session.used(now, granted);
        session.device.seen(&origin.ip_address, &origin.user_agent);
        match session.token.mode {
            RefreshMode::Rotate => {
                session.token.generation = presented.saturating_add(1);
                session.token.rotated_at = now;
                session.token.confirmed = false;
                session.token.replays = 0;
            }
            RefreshMode::Reusable => {
                session.token.generation = presented;
                session.token.confirmed = true;
            }
        }
        let what = What::Refreshed(next.session.clone());
        let event = Event { at: now, sequence: next.sequence, actor: origin.actor.clone(), what };
        Decision::Advance { next, event }
    }

    fn reuse(&self, now: Timestamp, presented: u32, origin: &Origin) -> Decision {
        let what = What::ReuseDetected {
            owner: self.session.owner.clone(),
            session: self.session.clone(),
            presented,
            ip_address: origin.ip_address.clone(),
        };
        let mut noted = self.clone();
        noted.sequence += 1;
        let detected = Event { at: now, sequence: noted.sequence, actor: origin.actor.clone(), what };
        let (next, ended) = noted.ended(End::found(now, EndReason::TokenReuse));
        Decision::Reuse { next, events: [detected, ended] }
    }

    /// Notes that the current token was presented; says whether that was news.
    pub fn confirm(&mut self, presented: u32) -> bool {
        let token = &self.session.token;
        let is_news = presented == token.generation && !token.confirmed;
        if is_news {
            self.session_mut().token.confirmed = true;
        }
        is_news
    }
}

fn may_replay(session: &Session, now: Timestamp, policy: RefreshPolicy) -> bool {
    let (token, age) = (&session.token, now.duration_since(session.token.rotated_at));
    let in_grace = age < policy.rotation_grace && token.replays < GRACE_REPLAYS_MAX;
    let in_recovery = age < policy.loss_recovery && !token.confirmed && token.replays < RECOVERY_REPLAYS_MAX;
    in_grace || in_recovery
}

#[cfg(test)]
mod tests;
