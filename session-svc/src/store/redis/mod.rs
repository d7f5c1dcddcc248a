//! Sessions in Redis (or Valkey): layout 3, see [`keys`].

mod boot_check;
mod chores;
mod commit;
mod entry;
mod keys;
mod link;
mod list;
mod outbox;
mod pages;
mod policies;
mod record;
mod remembered;
mod restore;
mod short;
mod watch;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use redis::{Cmd, RedisError};
use svc_kit::{
    boot::BootError,
    clock::{Clock, SystemClock},
};

use self::{
    keys::Keys,
    link::{Link, Trust, target::Target},
    remembered::Remembered,
    restore::Restoring,
    watch::Watch,
};
use crate::{
    domain::{
        cutoff::{Cutoff, Cutoffs},
        id::{ApplicationId, Owner, SessionId, Shard, TenantId, Whose},
        revision::Revision,
    },
    ports::{
        Answer, Commit, Committed, Cut, CutPlace, IdempotencyKey, ListQuery, Loaded, PolicyStore as _, Read,
        SessionStore, StoreError,
    },
};

/// How often a commit is brought to a store whose history changes.
const TRUST_TRIES_MAX: usize = 3;

pub use link::target::{Location, Problem};

/// What a store is made with, besides where its servers are.
#[derive(Clone)]
pub struct Options<'n> {
    /// Put before every key.
    pub prefix: &'n str,
    /// Put before the id of every event.
    pub deployment: &'n str,
    /// Parts that users are spread over.
    pub shards: u16,
    /// Threads that serve.
    pub threads: usize,
    /// Copies that must have a change before it is acknowledged; 0: nobody waits.
    pub copies: usize,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How far it may be from the servers'.
    pub clock_skew_max: Duration,
}

impl<'n> Options<'n> {
    /// For a store that nobody has further wishes for.
    pub fn new(prefix: &'n str, deployment: &'n str, shards: u16) -> Self {
        let (clock, clock_skew_max) = (Arc::new(SystemClock), Duration::MAX);
        Self { prefix, deployment, shards, threads: 1, copies: 0, clock, clock_skew_max }
    }
}

/// Finds what is wrong with a location.
pub fn problems(location: &Location) -> Vec<Problem> {
    Target::new(location).err().unwrap_or_default()
}

/// Sessions in Redis.
pub struct RedisStore {
    link: Link,
    keys: Keys,
    deployment: String,
    shards: u16,
    scripts: commit::Scripts,
    finish: link::Script,
    forget: link::Script,
    unlook: link::Script,
    assure: link::Script,
    cutoffs: RwLock<HashMap<Shard, Arc<Cutoffs>>>,
    no_cutoffs: Arc<Cutoffs>,
    policies: policies::Policies,
    outbox: outbox::Reader,
    remembered: Remembered,
    restoring: Restoring,
    watch: Watch,
}

impl RedisStore {
    /// Makes a store on the servers that `url` names; see [`RedisStore::at`].
    ///
    /// # Errors
    /// Fails when the URL cannot be used.
    pub fn new(url: &str, prefix: &str, deployment: &str, shards: u16, threads: usize) -> Result<Self, BootError> {
        let location = Location { url: url.into(), ..Location::default() };
        Self::at(&location, &Options { threads, ..Options::new(prefix, deployment, shards) })
    }

    /// Makes a store that connects when needed.
    ///
    /// # Errors
    /// Fails when the location cannot be used.
    pub fn at(location: &Location, options: &Options<'_>) -> Result<Self, BootError> {
        let (keys, shards) = (Keys::new(options.prefix), options.shards);
        let target = Target::new(location).map_err(|problems| {
            let named: Vec<String> = problems.iter().map(|(setting, why)| format!("{setting} {why}")).collect();
            BootError::new(named.join("; "))
        })?;
        Ok(Self {
            link: Link::new(target, &keys, options)?,
            keys,
            deployment: options.deployment.to_owned(),
            shards,
            scripts: commit::Scripts::new(),
            finish: link::Script::new(include_str!("finish.lua")),
            forget: link::Script::new(include_str!("forget.lua")),
            unlook: pages::script(commit::ALWAYS, include_str!("unlook.lua")),
            assure: link::Script::new(concat!("#!lua flags=allow-oom\n", include_str!("assure.lua"))),
            cutoffs: RwLock::default(),
            no_cutoffs: Arc::default(),
            policies: policies::Policies::new(),
            outbox: outbox::Reader::default(),
            remembered: Remembered::new(shards),
            restoring: Restoring::new(shards),
            watch: Watch::new(options.clock.clone(), options.clock_skew_max),
        })
    }

    fn cached_cutoffs(&self, shard: Shard) -> Option<Arc<Cutoffs>> {
        self.cutoffs.read().unwrap_or_else(PoisonError::into_inner).get(&shard).cloned()
    }

    fn known_cutoffs(&self, shard: Shard, version: u64) -> Option<Arc<Cutoffs>> {
        if version == 0 {
            return Some(self.no_cutoffs.clone());
        }
        self.cached_cutoffs(shard).filter(|cutoffs| cutoffs.version == version)
    }

    fn has_new_policies(&self, shard: Shard, version: u64) -> bool {
        let known = self.cached_cutoffs(shard).map_or(0, |cutoffs| cutoffs.version);
        policies::is_announced_between(known, version)
    }

    async fn cutoffs_of(&self, shard: Shard, version: u64) -> Result<Arc<Cutoffs>, StoreError> {
        if let Some(known) = self.known_cutoffs(shard, version) {
            return Ok(known);
        }
        Box::pin(self.fetch_cutoffs(shard)).await
    }

    async fn fetch_cutoffs(&self, shard: Shard) -> Result<Arc<Cutoffs>, StoreError> {
        // The version first: cutoffs that are newer than their version are fetched once more, never missed.
        let reads = [Cmd::get(self.keys.version(shard)), Cmd::hgetall(self.keys.cutoffs(shard))];
        let fetched = self.link.reads(self.link.shard(shard), &reads).await?;
        let (version, fields): (Option<u64>, HashMap<Vec<u8>, Vec<u8>>) = fetched.value;
        let scopes = fields
            .into_iter()
            .map(|(field, value)| Ok((record::decode_scope(&field)?, record::decode_cutoff(&value)?)))
            .collect::<Result<_, StoreError>>()?;
        let version = version.unwrap_or(0);
        // After the version: what was announced before it was read is among them.
        let policies = match self.has_new_policies(shard, version) {
            true => self.policies().await?,
            false => self.policies.known(),
        };
        let mut cutoffs = Cutoffs { version, scopes, policies };
        self.remembered.cutoffs(shard, &cutoffs.scopes, self.watch.now());
        if !self.restoring.is_trusted(shard, fetched.history) {
            // Not kept: what is missing is not what is stored.
            self.remembered.correct_cutoffs(shard, &mut cutoffs);
            return Ok(Arc::new(cutoffs));
        }
        let cutoffs = Arc::new(cutoffs);
        self.cutoffs.write().unwrap_or_else(PoisonError::into_inner).insert(shard, cutoffs.clone());
        Ok(cutoffs)
    }

    /// Corrects what was read while the store may have lost something.
    async fn doubt(&self, shard: Shard, cutoffs: &mut Arc<Cutoffs>, reads: &mut [Read]) {
        self.try_restore(shard).await;
        reads.iter_mut().for_each(|read| self.remembered.correct(read));
        let mut corrected = (**cutoffs).clone();
        self.remembered.correct_cutoffs(shard, &mut corrected);
        *cutoffs = Arc::new(corrected);
    }

    /// Remembers what a commit ended.
    fn note(&self, commit: &Commit, cut_at: Revision) {
        let (shard, now) = (commit.shard, self.watch.now());
        let known = self.cached_cutoffs(shard).unwrap_or_default();
        for write in commit.writes.iter().filter(|write| !write.is_forgotten) {
            self.remembered.session(&write.after, &known, now);
        }
        for Cut { scope, end, is_closed, place, earlier } in &commit.cuts {
            let before = known.scopes.get(scope).map(|before| before.revision);
            let revision = if *place == CutPlace::Here { cut_at } else { before.unwrap_or_default() };
            let cutoff = Cutoff { revision, end: end.clone(), is_closed: *is_closed, earlier: earlier.clone() };
            self.remembered.cutoffs(shard, [(scope, &cutoff)], now);
        }
    }
}

/// What a failure of the client means to us.
fn failed(error: RedisError) -> StoreError {
    match error.code() {
        Some("OOM") => StoreError::Full,
        Some("WRONGTYPE" | "NOSCRIPT") => StoreError::Unreadable("a key of another type"),
        _ => StoreError::Unavailable(Box::new(error)),
    }
}

impl SessionStore for RedisStore {
    async fn load(&self, id: SessionId) -> Result<Loaded, StoreError> {
        self.watch.gate()?;
        let shard = id.shard();
        // The record before the version: a cutoff that came first is seen.
        let reads = [Cmd::get(self.keys.session(id)), Cmd::get(self.keys.version(shard))];
        let loaded = self.link.reads(self.link.shard(shard), &reads).await?;
        let (value, version): (Option<Vec<u8>>, Option<u64>) = loaded.value;
        let mut cutoffs = self.cutoffs_of(shard, version.unwrap_or(0)).await?;
        let mut read = value.map(|value| record::decode(id, value)).transpose()?;
        if !self.restoring.is_trusted(shard, loaded.history) {
            Box::pin(self.doubt(shard, &mut cutoffs, read.as_mut_slice())).await;
        }
        if let Some(ended) = read.as_ref().filter(|read| read.stored.session.end.is_some()) {
            self.remembered.session(&ended.stored, &cutoffs, self.watch.now());
        }
        Ok(Loaded { read, cutoffs })
    }

    async fn cutoffs(&self, shard: Shard) -> Result<Arc<Cutoffs>, StoreError> {
        self.watch.gate()?;
        let get = Cmd::get(self.keys.version(shard));
        let version = self.link.read_traced::<Option<u64>>(self.link.shard(shard), &get).await?;
        let mut cutoffs = self.cutoffs_of(shard, version.value.unwrap_or(0)).await?;
        if !self.restoring.is_trusted(shard, version.history) {
            Box::pin(self.doubt(shard, &mut cutoffs, &mut [])).await;
        }
        Ok(cutoffs)
    }

    async fn list(&self, shard: Shard, whose: &Whose, query: ListQuery) -> Result<Vec<Read>, StoreError> {
        self.watch.gate()?;
        self.range(shard, whose, query).await
    }

    async fn live(
        &self,
        shard: Shard,
        tenant: &TenantId,
        application: Option<&ApplicationId>,
    ) -> Result<u64, StoreError> {
        let name = commit::live_name(tenant, application);
        let get = Cmd::hget(self.keys.live(shard), name);
        let live: Option<u64> = self.link.read(self.link.shard(shard), &get).await?;
        Ok(live.unwrap_or(0))
    }

    async fn births(&self, shard: Shard, owner: &Owner) -> Result<u64, StoreError> {
        let get = Cmd::get(self.keys.births(shard, Some(owner)));
        let births: Option<u64> = self.link.read(self.link.shard(shard), &get).await?;
        Ok(births.unwrap_or(0))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.watch.gate()?;
        for _ in 0..TRUST_TRIES_MAX {
            let trust = Trust::Only(self.restoring.trusted(commit.shard));
            let ran = match self.scripts.run(&self.link, &self.keys, &commit, trust).await {
                Err(StoreError::Untrusted) => {
                    self.restore(commit.shard).await?;
                    continue;
                }
                ran => ran?,
            };
            if matches!(ran.committed, Committed::Done(_)) {
                self.note(&commit, ran.cut_at);
                if !commit.events.is_empty() {
                    self.outbox.wake();
                }
                if !ran.is_copied {
                    return Err(StoreError::NotReplicated);
                }
            }
            return Ok(ran.committed);
        }
        Err(StoreError::Untrusted)
    }

    async fn answer(&self, shard: Shard, key: &IdempotencyKey) -> Result<Option<Answer>, StoreError> {
        let get = Cmd::get(self.keys.answer(shard, key.as_str()));
        let value: Option<Vec<u8>> = self.link.read(self.link.shard(shard), &get).await?;
        value.map(|value| record::decode_answer(&value)).transpose()
    }

    async fn assure(&self, shard: Shard) -> Result<(), StoreError> {
        if !self.link.waits_for_copies() {
            return Ok(());
        }
        // A copy that has this has everything before it.
        let mut call = self.assure.prepare_invoke();
        call.key(self.keys.assured(shard));
        let ((), is_copied) = self.link.script_copied(self.link.shard(shard), &call, Trust::Any).await?;
        if is_copied { Ok(()) } else { Err(StoreError::NotReplicated) }
    }

    fn shards(&self) -> u16 {
        self.shards
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.look_after().await
    }
}
