//! What happens when the store has another history than before: a replica of it was promoted, or it started anew.
//!
//! The last moments may be missing then, and with them ends of sessions that were acknowledged. So before a shard is
//! trusted again, this replica applies all ends and cutoffs that it remembers once more: as they were, with their original
//! positions, and without effect where nothing is missing. Until that is done commits in the shard wait, and reads are
//! corrected by what is remembered.

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use opentelemetry::metrics::Counter;
use svc_kit::telemetry::metrics;
use tokio::sync::Mutex;

use super::{
    RedisStore,
    link::{Script, Trust},
    record,
    remembered::Ended,
};
use crate::{
    domain::{
        cutoff::{Cutoff, Scope},
        id::{SessionId, Shard},
    },
    ports::{Commit, Committed, Cut, CutPlace, StoreError, Write},
};

/// Sessions looked at in one go.
const BATCH: usize = 200;
/// How often an end is decided again when somebody else changes the session.
const TRIES_MAX: usize = 16;

static APPLIED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let meter = metrics::meter("store");
    let counter = meter.u64_counter("store_ends_restored");
    counter.with_description("Ends and cutoffs that the store had lost and that were applied again").build()
});

/// Which history of each shard is trusted, and what it takes to trust another one.
pub(super) struct Restoring {
    trusted: Vec<AtomicU64>,
    turns: Vec<Mutex<()>>,
    script: Script,
}

impl Restoring {
    pub(super) fn new(shards: u16) -> Self {
        Self {
            trusted: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            turns: (0..shards).map(|_| Mutex::new(())).collect(),
            // What ended must end, also when there is no room.
            script: Script::new(&format!("#!lua flags=allow-oom\n{}", include_str!("restore.lua"))),
        }
    }

    /// The history that is trusted.
    pub(super) fn trusted(&self, shard: Shard) -> u64 {
        self.trusted.get(usize::from(shard.0)).map_or(0, |trusted| trusted.load(SeqCst))
    }

    /// Says whether a shard's answer of this history may be taken as it is.
    pub(super) fn is_trusted(&self, shard: Shard, history: u64) -> bool {
        self.trusted(shard) == history
    }
}

impl RedisStore {
    /// Sees to it that a shard can be trusted. One at a time does the work; the others wait.
    pub(super) async fn restore(&self, shard: Shard) -> Result<(), StoreError> {
        let Some(turn) = self.restoring.turns.get(usize::from(shard.0)) else { return Ok(()) };
        let _turn = turn.lock().await;
        self.restore_now(shard).await
    }

    /// The same, unless somebody is at it.
    pub(super) async fn try_restore(&self, shard: Shard) {
        let turn = self.restoring.turns.get(usize::from(shard.0));
        if let Some(Ok(_turn)) = turn.map(Mutex::try_lock)
            && let Err(error) = self.restore_now(shard).await
        {
            tracing::warn!(error = svc_kit::error::chain(&error), shard = shard.0, "the shard cannot be trusted yet");
        }
    }

    async fn restore_now(&self, shard: Shard) -> Result<(), StoreError> {
        let history = self.link.history(self.link.shard(shard)).await?;
        if self.restoring.is_trusted(shard, history) {
            return Ok(());
        }
        let (ended, cutoffs) = self.remembered.all(shard, self.watch.now());
        let mut missing = self.restore_cutoffs(shard, history, &cutoffs).await?;
        missing += self.restore_ends(shard, history, &ended).await?;
        if missing > 0 {
            tracing::warn!(shard = shard.0, missing, "the store had lost ends of sessions; they are applied again");
            APPLIED.add(missing, &[]);
        }
        if let Some(trusted) = self.restoring.trusted.get(usize::from(shard.0)) {
            trusted.store(history, SeqCst);
        }
        Ok(())
    }

    async fn restore_cutoffs(
        &self,
        shard: Shard,
        history: u64,
        cutoffs: &[(Scope, Cutoff)],
    ) -> Result<u64, StoreError> {
        if cutoffs.is_empty() {
            return Ok(0);
        }
        let mut call = self.restoring.script.prepare_invoke();
        call.key(self.keys.cutoffs(shard)).key(self.keys.version(shard)).key(self.keys.unfinished(shard));
        for (scope, cutoff) in cutoffs {
            let Cutoff { revision, end, is_closed, earlier } = cutoff.clone();
            let cut = Cut { scope: scope.clone(), end, is_closed, place: CutPlace::Before, earlier };
            call.arg(record::encode_scope(scope)).arg(&revision.to_bytes()[..]).arg(record::encode_cutoff(&cut));
        }
        self.link.script(self.link.shard(shard), &call, Trust::Only(history)).await
    }

    async fn restore_ends(&self, shard: Shard, history: u64, ended: &[(SessionId, Ended)]) -> Result<u64, StoreError> {
        let mut missing = 0;
        for chunk in ended.chunks(BATCH) {
            let ids: Vec<SessionId> = chunk.iter().map(|(id, _)| *id).collect();
            for read in self.read_all(shard, &ids).await?.value {
                let id = read.stored.session.id;
                let known = chunk.iter().find(|(other, _)| *other == id).map(|(_, known)| known);
                if let (None, Some(known)) = (&read.stored.session.end, known) {
                    missing += u64::from(self.end_again(shard, history, id, known).await?);
                }
            }
        }
        Ok(missing)
    }

    /// Ends a session as it had ended. What comes after the number that its end had is the same to everyone who counts.
    async fn end_again(&self, shard: Shard, history: u64, id: SessionId, known: &Ended) -> Result<bool, StoreError> {
        for _ in 0..TRIES_MAX {
            let Some(read) = self.read_all(shard, &[id]).await?.value.pop() else { return Ok(false) };
            if read.stored.session.end.is_some() {
                return Ok(false);
            }
            let mut before = read.stored;
            before.sequence = before.sequence.max(known.sequence.saturating_sub(1));
            let (after, event) = before.ended(known.end.clone());
            let mut commit = Commit::new(shard);
            commit.is_ending = true;
            commit.events.push(event);
            commit.writes.push(Write { before: Some(read.snapshot), after, is_forgotten: false });
            let ran = self.scripts.run(&self.link, &self.keys, &commit, Trust::Only(history)).await?;
            if ran.committed != Committed::Conflict {
                return Ok(true);
            }
        }
        Err(StoreError::Unreadable("a session that does not hold still"))
    }
}
