//! What this replica knows to have ended lately, in case that the store forgets it: see [`restore`](super::restore).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use svc_kit::clock::Timestamp;

use crate::{
    domain::{
        cutoff::{Cutoff, Cutoffs, Scope},
        end::End,
        id::{SessionId, Shard},
        session::Stored,
    },
    ports::Read,
};

/// How long an end is remembered.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// Most ends of single sessions that a replica remembers, all shards together; the oldest go first.
const ENDS_MAX: usize = 65_536;
/// Most cutoffs that a replica remembers for a shard.
const CUTOFFS_MAX: usize = 1_024;

/// How a session ended, and with which number its event was.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) sequence: u32,
}

#[derive(Default)]
struct OfShard {
    ended: HashMap<SessionId, Ended>,
    /// In the order of being noted.
    noted: VecDeque<(Timestamp, SessionId)>,
    cutoffs: HashMap<Scope, (Timestamp, Cutoff)>,
}

impl OfShard {
    fn forget_old(&mut self, now: Timestamp, ends_max: usize) {
        let too_old = now.saturating_sub(REMEMBERED);
        while let Some((noted, id)) = self.noted.front()
            && (*noted < too_old || self.noted.len() > ends_max)
        {
            self.ended.remove(id);
            self.noted.pop_front();
        }
        self.cutoffs.retain(|_, (noted, _)| *noted >= too_old);
    }
}

impl OfShard {
    fn note(&mut self, scope: &Scope, cutoff: &Cutoff, now: Timestamp) {
        let happened = Timestamp::from_ms(i64::try_from(cutoff.revision.ms).unwrap_or(i64::MAX));
        let noted = match self.cutoffs.get(scope) {
            Some((_, known)) if known.revision > cutoff.revision => return,
            // The same one, which may be told of as open again.
            Some((noted, known)) if known.revision == cutoff.revision => *noted,
            None if happened < now.saturating_sub(REMEMBERED) => return,
            _ => now,
        };
        if self.cutoffs.len() >= CUTOFFS_MAX {
            let oldest = self.cutoffs.iter().min_by_key(|(_, (noted, _))| *noted).map(|(scope, _)| scope.clone());
            oldest.map(|oldest| self.cutoffs.remove(&oldest));
        }
        self.cutoffs.insert(scope.clone(), (noted, cutoff.clone()));
    }
}

/// The ends and the cutoffs of a shard.
type Everything = (Vec<(SessionId, Ended)>, Vec<(Scope, Cutoff)>);

/// What is remembered.
pub(super) struct Remembered {
    shards: Vec<Mutex<OfShard>>,
    ends_max: usize,
}

impl Remembered {
    pub(super) fn new(shards: u16) -> Self {
        let ends_max = ENDS_MAX / usize::from(shards.max(1));
        Self { shards: (0..shards).map(|_| Mutex::default()).collect(), ends_max: ends_max.max(16) }
    }

    fn of(&self, shard: Shard) -> Option<MutexGuard<'_, OfShard>> {
        let of_shard = self.shards.get(usize::from(shard.0))?;
        Some(of_shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes a session that ended, if nothing else would end it again: time does, and a cutoff that is known.
    pub(super) fn session(&self, stored: &Stored, cutoffs: &Cutoffs, now: Timestamp) {
        let Some(end) = &stored.session.end else { return };
        let is_old = end.at < now.saturating_sub(REMEMBERED);
        if is_old || end.reason.is_expiry() || cutoffs.covering(stored).is_some() {
            return;
        }
        let Some(mut of_shard) = self.of(stored.session.id.shard()) else { return };
        of_shard.forget_old(now, self.ends_max);
        let ended = Ended { end: end.clone(), sequence: stored.sequence };
        if of_shard.ended.insert(stored.session.id, ended).is_none() {
            of_shard.noted.push_back((now, stored.session.id));
        }
    }

    /// Notes cutoffs, where they are later than those that are known.
    pub(super) fn cutoffs<'c>(
        &self,
        shard: Shard,
        cutoffs: impl IntoIterator<Item = (&'c Scope, &'c Cutoff)>,
        now: Timestamp,
    ) {
        let Some(mut of_shard) = self.of(shard) else { return };
        of_shard.forget_old(now, self.ends_max);
        for (scope, cutoff) in cutoffs {
            of_shard.note(scope, cutoff, now);
        }
    }

    /// Everything of a shard.
    pub(super) fn all(&self, shard: Shard, now: Timestamp) -> Everything {
        let Some(mut of_shard) = self.of(shard) else { return Default::default() };
        of_shard.forget_old(now, self.ends_max);
        let ended = of_shard.ended.iter().map(|(id, ended)| (*id, ended.clone())).collect();
        let cutoffs = of_shard.cutoffs.iter().map(|(scope, (_, cutoff))| (scope.clone(), cutoff.clone())).collect();
        (ended, cutoffs)
    }

    /// Shows a session that was read as ended, if it is known to be.
    pub(super) fn correct(&self, read: &mut Read) {
        let stored = &mut read.stored;
        if stored.session.end.is_some() {
            return;
        }
        let Some(of_shard) = self.of(stored.session.id.shard()) else { return };
        if let Some(known) = of_shard.ended.get(&stored.session.id) {
            stored.session_mut().end = Some(known.end.clone());
            stored.sequence = stored.sequence.max(known.sequence);
        }
    }

    /// Adds the cutoffs that are known and were not read.
    pub(super) fn correct_cutoffs(&self, shard: Shard, cutoffs: &mut Cutoffs) {
        let Some(of_shard) = self.of(shard) else { return };
        for (scope, (_, known)) in &of_shard.cutoffs {
            let is_missing = cutoffs.scopes.get(scope).is_none_or(|found| found.revision < known.revision);
            if is_missing {
                cutoffs.scopes.insert(scope.clone(), known.clone());
            }
        }
    }
}
