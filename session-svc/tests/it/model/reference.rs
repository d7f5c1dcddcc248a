//! What the service should do, said once more and as plainly as possible: everything happens at once, nothing is stored,
//! nothing is retried. Times are milliseconds.

use std::collections::{BTreeSet, HashMap};

use session_svc::domain::{
    end::EndReason,
    session::{Kind, RefreshMode},
};

use super::step::{Create, Policy, Scope, USERS};

pub const GRACE_MS: i64 = 10_000;
pub const RECOVERY_MS: i64 = 60_000;
const GRAIN_MAX_MS: i64 = 60_000;
const GRACE_REPLAYS_MAX: u32 = 100;
const RECOVERY_REPLAYS_MAX: u32 = 5;
const TOMBSTONE_MS: i64 = 24 * 3_600_000;

/// A session.
#[derive(Clone, Debug)]
pub struct Known {
    pub user: usize,
    pub application: Option<usize>,
    pub kind: Kind,
    pub parent: Option<usize>,
    pub survives_parent: bool,
    pub mode: RefreshMode,
    pub keep_signed_in: bool,
    pub created_at: i64,
    pub last_active_at: i64,
    /// What the lifetime counts from.
    pub limits_since: i64,
    /// Limits that its last use granted.
    pub idle: i64,
    pub absolute: i64,
    /// Counts proofs of who the user is; each makes the tokens before it worthless.
    pub epoch: u32,
    pub generation: u32,
    rotated_at: i64,
    confirmed: bool,
    replays: u32,
    /// How and when it ended, if somebody ended it or its expiry is recorded.
    pub end: Option<(EndReason, i64)>,
    /// Whether its end was told.
    pub is_recorded: bool,
    pub is_forgotten: bool,
    /// The types of the events told.
    pub events: Vec<&'static str>,
}

/// Idle and absolute limit of SSO sessions, of those kept signed in, and of the others.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub sso: (i64, i64),
    pub sso_kept: (i64, i64),
    pub application: (i64, i64),
}

impl Limits {
    fn of(&self, kind: Kind, keep_signed_in: bool) -> (i64, i64) {
        match (kind, keep_signed_in) {
            (Kind::Sso, false) => self.sso,
            (Kind::Sso, true) => self.sso_kept,
            _ => self.application,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    ScopeClosed,
    ParentNotFound,
    ParentEnded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    Refused,
    Advanced,
    Replayed,
}

#[derive(Clone, Debug)]
pub struct Reference {
    pub now: i64,
    pub sessions: Vec<Known>,
    pub limits: Limits,
    pub cutoffs_told: usize,
    policies: HashMap<(usize, Option<usize>), Policy>,
    closed: BTreeSet<(usize, Option<usize>, Option<usize>)>,
}

/// The tenant of a user, by the first user of it.
fn tenant_of(user: usize) -> usize {
    USERS.iter().position(|(tenant, _)| *tenant == USERS[user].0).unwrap()
}

/// A scope without the user, where it is a tenant's: tenant, user, application.
fn name(scope: Scope) -> (usize, Option<usize>, Option<usize>) {
    (tenant_of(scope.user), (!scope.is_tenant).then_some(scope.user), scope.application)
}

impl Reference {
    pub fn new(now: i64, limits: Limits) -> Self {
        Self { now, sessions: Vec::new(), limits, cutoffs_told: 0, policies: HashMap::new(), closed: BTreeSet::new() }
    }

    /// What policies say of a session: of each limit, the application's before the tenant's.
    fn said(&self, known: &Known) -> (Option<i64>, Option<i64>) {
        let tenant = tenant_of(known.user);
        let of_application = known.application.and_then(|number| self.policies.get(&(tenant, Some(number))));
        let layers = [of_application, self.policies.get(&(tenant, None))];
        let mut layers = layers.into_iter().flatten().filter(|policy| policy.is_of_sso || known.kind != Kind::Sso);
        let (first, second) = (layers.next(), layers.next());
        let nearest = |limit: fn(&Policy) -> Option<i64>| first.and_then(limit).or_else(|| second.and_then(limit));
        (nearest(|policy| policy.idle), nearest(|policy| policy.absolute))
    }

    /// A use grants what policies say, and what the deployment says where they do not.
    fn grant(&mut self, session: usize) {
        let known = &self.sessions[session];
        let (idle, absolute) = self.said(known);
        let deployment = self.limits.of(known.kind, known.keep_signed_in);
        let known = &mut self.sessions[session];
        (known.idle, known.absolute) = (idle.unwrap_or(deployment.0), absolute.unwrap_or(deployment.1));
    }

    /// When it is over by idleness and by age: what was granted counts, and what policies say now, whichever is earlier.
    pub fn deadlines(&self, session: usize) -> (i64, i64) {
        let known = &self.sessions[session];
        let (idle, absolute) = self.said(known);
        let shorter = |granted: i64, said: Option<i64>| said.map_or(granted, |said| granted.min(said));
        (known.last_active_at + shorter(known.idle, idle), known.limits_since + shorter(known.absolute, absolute))
    }

    /// How and when the session ended, as it reads now.
    pub fn end_of(&self, session: usize) -> Option<(EndReason, i64)> {
        let known = &self.sessions[session];
        let (idle, absolute) = self.deadlines(session);
        let reason = if idle <= absolute { EndReason::Idle } else { EndReason::Absolute };
        let expiry = (self.now >= idle.min(absolute)).then_some((reason, idle.min(absolute)));
        match (known.end, expiry) {
            // Cut off, and a shorter policy came before that was recorded: over before the cut.
            (Some(cut), Some(expiry)) if !known.is_recorded && expiry.1 <= cut.1 => Some(expiry),
            (end, expiry) => end.or(expiry),
        }
    }

    pub fn is_alive(&self, session: usize) -> bool {
        self.end_of(session).is_none()
    }

    fn covers(&self, scope: Scope, session: usize) -> bool {
        let known = &self.sessions[session];
        let is_owner =
            if scope.is_tenant { USERS[known.user].0 == USERS[scope.user].0 } else { known.user == scope.user };
        is_owner && (scope.application.is_none() || scope.application == known.application)
    }

    pub fn alive_in(&self, scope: Scope) -> Vec<usize> {
        (0..self.sessions.len()).filter(|n| self.covers(scope, *n) && self.is_alive(*n)).collect()
    }

    pub fn create(&mut self, create: &Create) -> Result<usize, Refused> {
        let application = (create.kind != Kind::Sso).then_some(create.application);
        let mut around = [None, application]
            .into_iter()
            .flat_map(|application| [true, false].map(|is_tenant| Scope { user: create.user, is_tenant, application }));
        if around.any(|scope| self.is_closed(scope)) {
            return Err(Refused::ScopeClosed);
        }
        if let Some(parent) = create.parent {
            let known = &self.sessions[parent];
            if known.is_forgotten || known.kind != Kind::Sso || known.user != create.user {
                return Err(Refused::ParentNotFound);
            }
            if !self.is_alive(parent) {
                return Err(Refused::ParentEnded);
            }
        }
        self.sessions.push(Known {
            user: create.user,
            application,
            kind: create.kind,
            parent: create.parent,
            survives_parent: create.survives_parent,
            mode: if create.is_reusable { RefreshMode::Reusable } else { RefreshMode::Rotate },
            keep_signed_in: create.keep_signed_in,
            created_at: self.now,
            last_active_at: self.now,
            limits_since: self.now,
            idle: 0,
            absolute: 0,
            epoch: 0,
            generation: 1,
            rotated_at: self.now,
            confirmed: false,
            replays: 0,
            end: None,
            is_recorded: false,
            is_forgotten: false,
            events: vec!["session.created"],
        });
        self.grant(self.sessions.len() - 1);
        Ok(self.sessions.len() - 1)
    }

    /// The current token of a living session was presented, and, if so, used.
    pub fn used(&mut self, session: usize, is_current_token: bool, is_use: bool) {
        let (now, idle_until) = (self.now, self.deadlines(session).0);
        let known = &mut self.sessions[session];
        known.confirmed |= is_current_token;
        let grain = GRAIN_MAX_MS.min((idle_until - known.last_active_at) / 10);
        if is_use && now - known.last_active_at >= grain {
            known.last_active_at = now;
            self.grant(session);
        }
    }

    pub fn refresh(&mut self, session: usize, epoch: u32, generation: u32) -> Refreshed {
        let now = self.now;
        if !self.is_alive(session) || epoch != self.sessions[session].epoch {
            return Refreshed::Refused;
        }
        let known = &mut self.sessions[session];
        let age = now - known.rotated_at;
        if generation == known.generation {
            known.last_active_at = now;
            known.events.push("session.refreshed");
            if known.mode == RefreshMode::Reusable {
                known.confirmed = true;
            } else {
                (known.generation, known.rotated_at, known.confirmed, known.replays) = (generation + 1, now, false, 0);
            }
            self.grant(session);
            return Refreshed::Advanced;
        }
        let is_graceful = age < GRACE_MS && known.replays < GRACE_REPLAYS_MAX;
        let is_lost = age < RECOVERY_MS && !known.confirmed && known.replays < RECOVERY_REPLAYS_MAX;
        if generation + 1 == known.generation && (is_graceful || is_lost) {
            known.replays += 1;
            return Refreshed::Replayed;
        }
        known.events.push("session.reuse_detected");
        self.end(session, EndReason::TokenReuse, now, None);
        Refreshed::Refused
    }

    pub fn reauthenticate(&mut self, session: usize, keep_signed_in: bool) {
        let now = self.now;
        let known = &mut self.sessions[session];
        if known.kind == Kind::Sso {
            (known.keep_signed_in, known.limits_since) = (keep_signed_in, now);
        }
        known.epoch += 1;
        known.generation += 1;
        (known.last_active_at, known.rotated_at, known.confirmed, known.replays) = (now, now, false, 0);
        known.events.push("session.refreshed");
        self.grant(session);
    }

    pub fn put_policy(&mut self, policy: Policy) {
        self.policies.insert((tenant_of(policy.user), policy.application), policy);
    }

    /// Ends a session; says whether it had ended before.
    pub fn revoke(&mut self, session: usize, except: Option<usize>) -> bool {
        let before = self.end_of(session);
        match before {
            Some((reason, at)) => self.end(session, reason, at, except),
            None => self.end(session, EndReason::Admin, self.now, except),
        }
        before.is_some()
    }

    /// Records an end, and those of the children.
    fn end(&mut self, session: usize, reason: EndReason, at: i64, except: Option<usize>) {
        if self.sessions[session].is_recorded {
            return;
        }
        let ended = |known: &mut Known, reason: EndReason| {
            known.end = Some((reason, at));
            known.is_recorded = true;
            let is_expiry = matches!(reason, EndReason::Idle | EndReason::Absolute);
            known.events.push(if is_expiry { "session.expired" } else { "session.revoked" });
        };
        ended(&mut self.sessions[session], reason);
        if self.sessions[session].kind != Kind::Sso {
            return;
        }
        for child in 0..self.sessions.len() {
            let known = &self.sessions[child];
            let is_child = known.parent == Some(session) && !known.survives_parent && except != Some(child);
            if is_child && self.is_alive(child) {
                ended(&mut self.sessions[child], EndReason::ParentEnded);
            }
        }
    }

    pub fn cut(&mut self, scope: Scope) {
        for session in self.alive_in(scope) {
            self.sessions[session].end = Some((EndReason::Logout, self.now));
        }
        self.cutoffs_told += 1;
    }

    pub fn is_closed(&self, scope: Scope) -> bool {
        self.closed.contains(&name(scope))
    }

    pub fn close(&mut self, scope: Scope) {
        self.cut(scope);
        self.closed.insert(name(scope));
    }

    pub fn open(&mut self, scope: Scope) {
        self.closed.remove(&name(scope));
    }

    /// Records every end, and forgets what ended long ago.
    pub fn sweep(&mut self) {
        for session in 0..self.sessions.len() {
            if let Some((reason, at)) = self.end_of(session) {
                self.end(session, reason, at, None);
            }
        }
        for known in &mut self.sessions {
            let is_old = known.end.is_some_and(|(_, at)| self.now >= at + TOMBSTONE_MS);
            known.is_forgotten |= known.is_recorded && is_old;
        }
    }
}
