//! Runs the commit scripts.

use std::{collections::BTreeMap, time::Duration};

use redis::Value;
use svc_kit::{clock::Timestamp, telemetry::TraceContext};

use super::{
    entry,
    keys::Keys,
    link::{Invocation, Link, Script, Trust},
    pages, record,
};
use crate::{
    domain::{
        id::{ApplicationId, TenantId},
        revision::Revision,
        session::{Session, Stored, TOMBSTONE},
    },
    ports::{Commit, Committed, CutPlace, StoreError, Write},
};

/// How long an answer, and the number of births, is remembered.
const MEMORY_TTL: Duration = Duration::from_secs(24 * 3600);
/// How much longer than planned a record may stay if nobody forgets it.
const BACKSTOP: Duration = Duration::from_secs(24 * 3600);

/// First line of a script that must work when the store is full.
pub(super) const ALWAYS: &str = "#!lua flags=allow-oom";
const TEXT: &str = include_str!("commit.lua");

/// What came of a commit.
pub(super) struct Ran {
    pub(super) committed: Committed,
    /// Where its cutoffs happened.
    pub(super) cut_at: Revision,
    /// Whether copies have it, if it had to be assured.
    pub(super) is_copied: bool,
}

/// The script, in the form that is refused by a full store and in the form that is not; and one for changes, which is refused.
pub(super) struct Scripts {
    creating: Script,
    ending: Script,
    changing: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            creating: pages::script("#!lua", TEXT),
            // Ending frees more than it takes.
            ending: pages::script(ALWAYS, TEXT),
            changing: Script::new(concat!("#!lua\n", include_str!("change.lua"))),
        }
    }

    pub(super) async fn run(&self, link: &Link, keys: &Keys, commit: &Commit, trust: Trust) -> Result<Ran, StoreError> {
        let call = match only_change(commit) {
            Some(change) => self.change(keys, commit, &change),
            None => self.anything(keys, commit)?,
        };
        let place = link.shard(commit.shard);
        let (result, is_copied): (Vec<Value>, bool) = match commit.is_assured {
            true => link.script_copied(place, &call, trust).await?,
            false => (link.script(place, &call, trust).await?, true),
        };
        let mut committed = decode(&result)?;
        let cut_at = match &mut committed {
            Committed::Done(positions) if !commit.cuts.is_empty() => positions.pop(),
            _ => None,
        };
        Ok(Ran { committed, cut_at: cut_at.unwrap_or_default(), is_copied })
    }

    fn change(&self, keys: &Keys, commit: &Commit, change: &OnlyChange<'_>) -> Invocation<'_> {
        let OnlyChange { before, after, look } = *change;
        let session = &after.session;
        let mut call = self.changing.prepare_invoke();
        call.key(keys.outbox(commit.shard)).key(keys.version(commit.shard)).key(keys.session(session.id));
        call.arg(commit.cutoffs.map(|version| version.to_string()).unwrap_or_default()).arg(before);
        let created = before.get(..Revision::BYTES).unwrap_or_default();
        call.arg([created, &record::encode(after, look)].concat()).arg(record_ttl(session));
        add_events(&mut call, commit);
        call
    }

    fn anything(&self, keys: &Keys, commit: &Commit) -> Result<Invocation<'_>, StoreError> {
        let script = if commit.is_ending { &self.ending } else { &self.creating };
        let mut call = script.prepare_invoke();
        let shard = commit.shard;
        let answer_key = commit.answer.as_ref().map_or("", |(key, _)| key.as_str());
        call.key(keys.outbox(shard)).key(keys.cutoffs(shard)).key(keys.version(shard)).key(keys.looks(shard));
        call.key(keys.unfinished(shard)).key(keys.answer(shard, answer_key)).key(keys.live(shard));
        let births = commit.births.as_ref();
        call.key(keys.births(shard, births.map(|(owner, _)| owner)));
        call.arg(commit.cutoffs.map(|version| version.to_string()).unwrap_or_default());
        call.arg(answer(commit)?).arg(ms(MEMORY_TTL));
        let counts = counts(commit);
        call.arg(commit.writes.len()).arg(commit.events.len()).arg(commit.cuts.len()).arg(counts.len());
        call.arg(births.map(|(_, births)| births.to_string()).unwrap_or_default());
        call.arg(commit.spent.as_ref().map(record::encode_scope).unwrap_or_default());
        for write in &commit.writes {
            let session = &write.after.session;
            call.key(keys.session(session.id)).key(keys.owner(shard, &session.owner));
            call.key(keys.tenant(shard, &session.owner.tenant));
            add_write(&mut call, write, commit.is_look);
        }
        add_events(&mut call, commit);
        for cut in &commit.cuts {
            let place = if cut.place == CutPlace::Here { "here" } else { "before" };
            call.arg(record::encode_scope(&cut.scope)).arg(record::encode_cutoff(cut)).arg(place);
        }
        for (name, change) in &counts {
            call.arg(name).arg(change);
        }
        Ok(call)
    }
}

/// A write that changes one living session, and nothing of where it is found.
struct OnlyChange<'c> {
    before: &'c [u8],
    after: &'c Stored,
    look: Timestamp,
}

/// What a refresh and a touch come to. It needs a third of the arguments, and what Redis does for a commit is mostly to
/// hand arguments to the script.
fn only_change(commit: &Commit) -> Option<OnlyChange<'_>> {
    let [write] = &commit.writes[..] else { return None };
    let is_only_write = commit.cuts.is_empty() && commit.spent.is_none() && commit.births.is_none();
    // A full store refuses it; what ends a session must not be refused.
    let is_plain = !commit.is_ending && !write.is_forgotten && write.after.session.end.is_none();
    let (before, look) = (&write.before.as_ref()?.0[..], next_look(write, commit.is_look)?);
    let is_found_as_before = record::look(before) == Some(look);
    (is_only_write && is_plain && commit.answer.is_none() && is_found_as_before).then_some(OnlyChange {
        before,
        after: &write.after,
        look,
    })
}

fn add_events(call: &mut Invocation<'_>, commit: &Commit) {
    let trace = TraceContext::current();
    for what in &commit.events {
        call.arg(entry::encode(what, &trace));
    }
}

/// How the numbers of living sessions change: one more for a record that is new, one less for one that tells of an end.
/// Nobody writes to a record that told of its end before, except to forget it.
fn counts(commit: &Commit) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for write in commit.writes.iter().filter(|write| !write.is_forgotten) {
        let session = &write.after.session;
        let change = match (&write.before, &session.end) {
            (None, None) => 1,
            (Some(_), Some(_)) => -1,
            (None, Some(_)) | (Some(_), None) => continue,
        };
        *counts.entry(live_name(&session.owner.tenant, None)).or_default() += change;
        if let Some(application) = &session.application {
            *counts.entry(live_name(&session.owner.tenant, Some(application))).or_default() += change;
        }
    }
    counts
}

/// Names a count. No tenant has a dot in it.
pub(super) fn live_name(tenant: &TenantId, application: Option<&ApplicationId>) -> String {
    application.map_or_else(|| tenant.to_string(), |application| format!("{tenant}.{application}"))
}

fn add_write(call: &mut Invocation<'_>, write: &Write, is_look: bool) {
    let (session, before) = (&write.after.session, write.before.as_ref().map_or(&[][..], |before| &before.0[..]));
    let (armed, next) = (record::look(before), next_look(write, is_look));
    call.arg(before).arg(if write.is_forgotten { "forget" } else { "put" });
    call.arg(record::encode(&write.after, next.unwrap_or_default()));
    call.arg(record_ttl(session));
    call.arg(&session.id.to_bytes()[..]).arg(session.created_at.as_ms());
    call.arg(pages::entry((session.created_at, session.id)));
    let entry = |look: Option<Timestamp>| look.map(|at| pages::entry((at, session.id))).unwrap_or_default();
    let (armed, next) = if armed == next { (None, None) } else { (armed, next) };
    call.arg(entry(armed)).arg(entry(next));
}

/// When the session is looked at after a write.
fn next_look(write: &Write, is_look: bool) -> Option<Timestamp> {
    let session = &write.after.session;
    let armed = write.before.as_ref().filter(|_| !is_look).and_then(|before| record::look(&before.0));
    match (&session.end, armed) {
        _ if write.is_forgotten => None,
        (Some(_), _) => Some(session.forgotten_at()),
        // A look that is armed earlier stays; the sweeper arms the next one when it comes to that.
        (None, Some(armed)) => Some(armed.min(session.deadline())),
        (None, None) => Some(session.deadline()),
    }
}

/// A generous time, counted from the last thing that we know happened: it only matters when nobody sweeps.
fn record_ttl(session: &Session) -> u64 {
    let since = session.created_at.max(session.last_active_at);
    ms(session.forgotten_at().duration_since(since).max(TOMBSTONE) + BACKSTOP)
}

fn answer(commit: &Commit) -> Result<String, StoreError> {
    let Some((_, answer)) = &commit.answer else { return Ok(String::new()) };
    serde_json::to_string(answer).map_err(|_| StoreError::Unreadable("an answer"))
}

fn decode(result: &[Value]) -> Result<Committed, StoreError> {
    let unreadable = || StoreError::Unreadable("the answer of the commit script");
    match result {
        [Value::Int(0)] => Ok(Committed::Conflict),
        [Value::Int(1), ids @ ..] => {
            let revision = |id: &Value| match id {
                Value::BulkString(id) => std::str::from_utf8(id).ok().and_then(Revision::parse),
                _ => None,
            };
            ids.iter().map(revision).collect::<Option<Vec<_>>>().map(Committed::Done).ok_or_else(unreadable)
        }
        _ => Err(unreadable()),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
