//! A session: what is recorded of it, whether it is alive, and how it ends.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use svc_kit::clock::Timestamp;

use super::{
    cutoff::Cutoffs,
    device::Device,
    end::{End, EndReason},
    event::{Event, What},
    id::{ApplicationId, Owner, SessionId},
    policy::Caps,
    revision::Revision,
    times::{self, Times},
};

/// How long an ended session can still be read.
pub const TOMBSTONE: Duration = Duration::from_secs(24 * 3600);

/// What a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The browser's sign-in at the hosted pages.
    Sso,
    /// A user in an application, checked centrally.
    Application,
    /// A record that an application which manages its own sessions took part in an SSO session.
    Participant,
}

/// How refreshing treats the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshMode {
    /// Every refresh makes a new token and spends the old one.
    Rotate,
    /// The token stays.
    Reusable,
}

/// The state of a session's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenState {
    /// How refreshing treats it.
    pub mode: RefreshMode,
    /// Current generation, from 1.
    pub generation: u32,
    /// Random bytes that exist only here; without them no token can be computed.
    pub salt: [u8; 16],
    /// When the current generation was made.
    pub rotated_at: Timestamp,
    /// Whether the current generation was presented once, which proves that it arrived.
    pub confirmed: bool,
    /// How often the step to the current generation was repeated.
    pub replays: u32,
}

/// A session, alive or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub owner: Owner,
    /// What it is for; `None` for SSO.
    pub application: Option<ApplicationId>,
    /// What it is.
    pub kind: Kind,
    /// SSO session that it was opened under.
    pub parent: Option<SessionId>,
    /// Whether it lives on when its parent ends.
    pub survives_parent: bool,
    /// Whether the user asked to stay signed in.
    pub keep_signed_in: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the user proved who they are.
    pub authenticated_at: Timestamp,
    /// When it was last used, to the touch grain.
    pub last_active_at: Timestamp,
    /// Its limits, as its last use granted them.
    pub times: Times,
    /// What its lifetime counts from: its creation, or the moment that its user proved again who they are.
    pub limits_since: Timestamp,
    /// Limits that whoever created it asked for; zero: none. No use grants more.
    pub wish: Times,
    /// When policies end it whatever it was granted. Not recorded: found when it is read.
    pub caps: Caps,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// Authentication context class.
    pub acr: String,
    /// OAuth scopes.
    pub scopes: Vec<String>,
    /// Where it lives.
    pub device: Device,
    /// The caller's own attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its token.
    pub token: TokenState,
    /// How it ended.
    pub end: Option<End>,
}

/// A session as it is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The session. Shared with what tells of it, and moved through many hands: a copy would cost forty allocations.
    pub session: Arc<Session>,
    /// Position at which it was created.
    pub created: Revision,
    /// Number of its last event.
    pub sequence: u32,
    /// How many sessions were opened under it. Counted in its record, so that whoever ends it together with its children
    /// is refused when there is one more child than it knew of.
    pub births: u32,
}

/// Whether a session is alive, at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Alive.
    Alive,
    /// Over, and recorded as such.
    Ended(End),
    /// Over by time or by a cutoff, and not recorded yet.
    Lapsed(End),
}

impl Session {
    /// When it ends unless it is used before.
    pub fn idle_deadline(&self) -> Timestamp {
        earlier(self.last_active_at.saturating_add(self.times.idle_timeout), self.caps.idle)
    }

    /// When it ends whatever happens.
    pub fn absolute_deadline(&self) -> Timestamp {
        earlier(self.limits_since.saturating_add(self.times.absolute_lifetime), self.caps.absolute)
    }

    /// The nearer of the two.
    pub fn deadline(&self) -> Timestamp {
        self.idle_deadline().min(self.absolute_deadline())
    }

    /// Which of the two that is.
    pub fn deadline_reason(&self) -> EndReason {
        if self.idle_deadline() <= self.absolute_deadline() { EndReason::Idle } else { EndReason::Absolute }
    }

    /// When the store may forget it.
    pub fn forgotten_at(&self) -> Timestamp {
        let over = self.end.as_ref().map_or_else(|| self.absolute_deadline(), |end| end.at);
        over.saturating_add(TOMBSTONE)
    }

    fn expiry(&self, now: Timestamp) -> Option<End> {
        // Over at this very millisecond; no hidden leeway.
        if now < self.deadline() {
            return None;
        }
        Some(End::found(self.deadline(), self.deadline_reason()))
    }

    /// Records a use, if the last record is older than the grain. Says whether anything changed.
    pub fn touch(&mut self, now: Timestamp, granted: Times, ip_address: &str) -> bool {
        let idle_timeout = self.idle_deadline().duration_since(self.last_active_at);
        if now.duration_since(self.last_active_at) < times::touch_grain(idle_timeout) {
            return false;
        }
        self.used(now, granted);
        self.device.seen(ip_address, "");
        true
    }

    /// Notes a use, which grants limits under the policies in force; so they cap nothing any more.
    pub fn used(&mut self, now: Timestamp, granted: Times) {
        self.last_active_at = self.last_active_at.max(now);
        self.times = granted;
        self.caps = Caps::default();
    }
}

fn earlier(granted: Timestamp, cap: Option<Timestamp>) -> Timestamp {
    cap.map_or(granted, |cap| granted.min(cap))
}

impl Stored {
    /// The session, to be changed here and nowhere else.
    pub fn session_mut(&mut self) -> &mut Session {
        Arc::make_mut(&mut self.session)
    }

    /// Says whether the session is alive at `now`, given the cutoffs of its shard.
    pub fn life(&self, now: Timestamp, cutoffs: &Cutoffs) -> Life {
        if let Some(end) = &self.session.end {
            return Life::Ended(end.clone());
        }
        let expiry = self.session.expiry(now);
        match (cutoffs.covering(self), expiry) {
            // Whichever came first is what ended it; at its deadline it was over already.
            (Some(end), Some(expiry)) if expiry.at <= end.at => Life::Lapsed(expiry),
            (Some(end), _) => Life::Lapsed(end.clone()),
            (None, Some(expiry)) => Life::Lapsed(expiry),
            (None, None) => Life::Alive,
        }
    }

    /// Returns the session as it reads at `now`: with its end, even where that is not recorded yet.
    pub fn as_of(mut self, now: Timestamp, cutoffs: &Cutoffs) -> Self {
        if let Life::Lapsed(end) = self.life(now, cutoffs) {
            self.session_mut().end = Some(end);
        }
        self
    }

    /// Version for callers: differs after every change that has an event.
    pub fn version(&self) -> String {
        format!("{}.{}", self.created, self.sequence)
    }

    /// Returns the session ended by `end`, with the event that tells of it.
    pub fn ended(&self, end: End) -> (Self, Event) {
        let mut next = self.clone();
        next.sequence += 1;
        next.session_mut().end = Some(end.clone());
        let what = What::Ended(next.session.clone());
        let event = Event { at: end.at, sequence: next.sequence, actor: end.by, what };
        (next, event)
    }
}
