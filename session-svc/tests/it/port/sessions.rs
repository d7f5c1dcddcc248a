//! [`SessionStore`](session_svc::ports::SessionStore).

use std::collections::BTreeSet;

use session_svc::{
    domain::id::{SessionId, Whose},
    ports::{Answer, IdempotencyKey, ListQuery, Write},
};
use svc_kit::{
    clock::Timestamp,
    entropy::{Entropy, SeededEntropy},
};

use super::*;

for_each_store!(
    a_session_is_loaded_as_it_was_stored,
    a_session_is_created_at_the_position_of_its_event_and_stays_there,
    a_session_comes_with_the_cutoffs_of_its_shard,
    a_commit_is_refused_when_a_session_is_not_as_it_was_read,
    a_commit_is_refused_when_there_is_a_session_already,
    a_commit_is_refused_when_the_cutoffs_have_another_version,
    a_commit_is_refused_when_another_session_was_born,
    a_commit_is_refused_when_its_key_was_used,
    of_a_refused_commit_nothing_is_stored,
    births_are_counted_by_user,
    an_answer_is_remembered_with_its_position,
    a_cutoff_happens_at_its_commit_or_where_it_happened_before,
    a_forgotten_session_is_gone_from_everything,
    living_sessions_are_counted_until_their_end_is_recorded,
    lists_go_by_creation_and_id_and_end_with_a_short_part,
    lists_hold_still_while_sessions_come_and_go,
    lists_of_several_shards_continue_at_one_place,
);

async fn a_session_is_loaded_as_it_was_stored<S: AnyStore>(port: &Port<S>) {
    let mut stored = session("ada", 0);
    assert!(port.read(stored.session.id).await.is_none());
    let positions = port.store(creating(&stored)).await;
    let read = port.read(stored.session.id).await.unwrap();
    stored.created = positions[0];
    assert_eq!(read.stored, stored);
    let after = read.stored.ended(end(5)).0;
    port.store(changing(&read, after.clone())).await;
    assert_eq!(port.read(stored.session.id).await.unwrap().stored, after);
}

async fn a_session_is_created_at_the_position_of_its_event_and_stays_there<S: AnyStore>(port: &Port<S>) {
    let (first, second) = (port.create("ada", 0).await, port.create("ada", 0).await);
    assert!(first.stored.created < second.stored.created);
    port.store(ending(&first, 5)).await;
    assert_eq!(port.read(first.stored.session.id).await.unwrap().stored.created, first.stored.created);
}

async fn a_session_comes_with_the_cutoffs_of_its_shard<S: AnyStore>(port: &Port<S>) {
    let id = port.create("ada", 0).await.stored.session.id;
    assert!(port.store.load(id).await.unwrap().cutoffs.scopes.is_empty());
    port.store(cutting("ada", 5, false)).await;
    let loaded = port.store.load(id).await.unwrap();
    assert_eq!(loaded.cutoffs.covering(&loaded.read.unwrap().stored), Some(&end(5)));
    assert_eq!(port.store.cutoffs(shard("ada")).await.unwrap(), loaded.cutoffs);
}

async fn a_commit_is_refused_when_a_session_is_not_as_it_was_read<S: AnyStore>(port: &Port<S>) {
    let read = port.create("ada", 0).await;
    let mut after = read.stored.clone();
    after.session_mut().token.generation += 1;
    port.store(changing(&read, after.clone())).await;
    assert!(port.is_conflict(changing(&read, after.clone())).await);
    assert!(port.is_conflict(ending(&read, 5)).await);
    assert_eq!(port.read(read.stored.session.id).await.unwrap().stored, after);
}

async fn a_commit_is_refused_when_there_is_a_session_already<S: AnyStore>(port: &Port<S>) {
    let read = port.create("ada", 0).await;
    assert!(port.is_conflict(creating(&read.stored)).await);
}

async fn a_commit_is_refused_when_the_cutoffs_have_another_version<S: AnyStore>(port: &Port<S>) {
    let decided = |version| Commit { cutoffs: Some(version), ..creating(&session("ada", 0)) };
    let before = port.version("ada").await;
    port.store(decided(before)).await;
    port.store(cutting("ada", 5, false)).await;
    assert!(port.is_conflict(decided(before)).await);
    port.store(decided(port.version("ada").await)).await;
}

async fn a_commit_is_refused_when_another_session_was_born<S: AnyStore>(port: &Port<S>) {
    let born = |births| Commit { births: Some((owner("ada"), births)), ..creating(&session("ada", 0)) };
    port.store(born(0)).await;
    assert!(port.is_conflict(born(0)).await);
    port.store(born(1)).await;
}

fn key() -> IdempotencyKey {
    IdempotencyKey::within(&owner("ada"), "key")
}

fn answer() -> Answer {
    Answer {
        request: "request".to_owned(),
        sessions: vec!["session".to_owned()],
        count: 3,
        already_ended: true,
        is_incomplete: true,
        salt: Some([9; 16]),
        position: Revision::default(),
    }
}

async fn a_commit_is_refused_when_its_key_was_used<S: AnyStore>(port: &Port<S>) {
    let keyed = || Commit { answer: Some((key(), answer())), ..creating(&session("ada", 0)) };
    port.store(keyed()).await;
    assert!(port.is_conflict(keyed()).await);
}

async fn of_a_refused_commit_nothing_is_stored<S: AnyStore>(port: &Port<S>) {
    let read = port.create("ada", 0).await;
    port.store(ending(&read, 5)).await;
    let (version, other) = (port.version("ada").await, session("ada", 1));
    let events = port.waiting(100).await.len();
    // Everything is well with it but the last session that it writes.
    let mut commit = creating(&other);
    commit.cuts = cutting("ada", 6, true).cuts;
    commit.answer = Some((key(), answer()));
    commit.births = Some((owner("ada"), 0));
    commit.writes.push(Write { before: Some(read.snapshot.clone()), after: read.stored, is_forgotten: false });
    assert!(port.is_conflict(commit).await);
    assert!(port.read(other.session.id).await.is_none());
    assert_eq!(port.version("ada").await, version);
    assert_eq!(port.store.answer(shard("ada"), &key()).await.unwrap(), None);
    assert_eq!(port.store.births(shard("ada"), &owner("ada")).await.unwrap(), 0);
    assert_eq!(port.waiting(100).await.len(), events);
    assert_eq!(port.store.live(shard("ada"), &owner("ada").tenant, None).await.unwrap(), 0);
}

async fn births_are_counted_by_user<S: AnyStore>(port: &Port<S>) {
    let mut commit = creating(&session("ada", 0));
    commit.births = Some((owner("ada"), 0));
    port.store(commit).await;
    port.create("ada", 0).await;
    for (user, births) in [("ada", 1), ("grace", 0)] {
        assert_eq!(port.store.births(shard(user), &owner(user)).await.unwrap(), births, "{user}");
    }
}

async fn an_answer_is_remembered_with_its_position<S: AnyStore>(port: &Port<S>) {
    assert_eq!(port.store.answer(shard("ada"), &key()).await.unwrap(), None);
    let mut commit = creating(&session("ada", 0));
    commit.answer = Some((key(), answer()));
    let positions = port.store(commit).await;
    let expected = Answer { position: positions[0], ..answer() };
    assert_eq!(port.store.answer(shard("ada"), &key()).await.unwrap(), Some(expected));
    let mut silent = Commit::new(shard("ada"));
    let other = IdempotencyKey::within(&owner("ada"), "other");
    silent.answer = Some((other.clone(), answer()));
    port.store(silent).await;
    assert_eq!(port.store.answer(shard("ada"), &other).await.unwrap(), Some(answer()), "no event, no position");
}

async fn a_cutoff_happens_at_its_commit_or_where_it_happened_before<S: AnyStore>(port: &Port<S>) {
    let before = port.create("ada", 0).await.stored;
    port.store(cutting("ada", 5, true)).await;
    let closed = port.store.cutoffs(shard("ada")).await.unwrap();
    assert!(closed.is_closed(&scope("ada")) && closed.covering(&before).is_some());
    let after = port.create("ada", 6).await.stored;
    let mut opening = cutting("ada", 5, false);
    opening.cuts[0].place = CutPlace::Before;
    port.store(opening).await;
    let opened = port.store.cutoffs(shard("ada")).await.unwrap();
    assert!(!opened.is_closed(&scope("ada")) && opened.covering(&before).is_some(), "what ended stays ended");
    assert_eq!(opened.covering(&after), None, "nothing more ends");
    assert_ne!(opened.version, closed.version);
}

async fn a_forgotten_session_is_gone_from_everything<S: AnyStore>(port: &Port<S>) {
    let (gone, stays) = (port.create("ada", 0).await, port.create("ada", 0).await);
    port.store(ending(&gone, 5)).await;
    let ended = port.read(gone.stored.session.id).await.unwrap();
    port.store(forgetting(&ended)).await;
    assert!(port.read(gone.stored.session.id).await.is_none());
    for whose in [Whose::Owner(owner("ada")), Whose::Tenant(owner("ada").tenant)] {
        let query = ListQuery { after: None, newest_first: true, limit: 9 };
        let listed = port.store.list(shard("ada"), &whose, query).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&stays), "{whose}");
    }
    let due = port.store.due(shard("ada"), at(i64::from(u32::MAX)), 9).await.unwrap();
    assert_eq!(due.iter().map(|look| look.session).collect::<Vec<_>>(), [stays.stored.session.id]);
}

async fn living_sessions_are_counted_until_their_end_is_recorded<S: AnyStore>(port: &Port<S>) {
    let (first, _) = (port.create("ada", 0).await, port.create("ada", 0).await);
    let mut sso = session("ada", 0);
    sso.session_mut().application = None;
    port.store(creating(&sso)).await;
    let (web, other) = (web(), ApplicationId::parse("other").unwrap());
    let live = async |application| port.store.live(shard("ada"), &owner("ada").tenant, application).await.unwrap();
    assert_eq!((live(None).await, live(Some(&web)).await, live(Some(&other)).await), (3, 2, 0));
    port.store(cutting("ada", 5, false)).await;
    assert_eq!(live(None).await, 3, "a cutoff records no end");
    port.store(ending(&first, 5)).await;
    let ended = port.read(first.stored.session.id).await.unwrap();
    assert_eq!((live(None).await, live(Some(&web)).await), (2, 1));
    port.store(forgetting(&ended)).await;
    assert_eq!(live(None).await, 2, "forgotten is not another end");
}

/// Everything of a list, in parts.
async fn parts<S: AnyStore>(port: &Port<S>, whose: &Whose, newest_first: bool, limit: usize) -> Vec<SessionId> {
    let (mut after, mut ids) = (None, Vec::new());
    loop {
        let query = ListQuery { after, newest_first, limit };
        let part = port.store.list(shard("ada"), whose, query).await.unwrap();
        assert!(part.len() <= limit);
        ids.extend(part.iter().map(|read| read.stored.session.id));
        after = part.last().map(|read| (read.stored.session.created_at, read.stored.session.id)).or(after);
        if part.len() < limit {
            return ids;
        }
    }
}

/// Sessions in no order, many of them in one and the same millisecond.
async fn many<S: AnyStore>(port: &Port<S>) -> BTreeSet<(Timestamp, SessionId)> {
    let entropy = SeededEntropy::new(17);
    let mut places = BTreeSet::new();
    for number in 0..400 {
        let mut bytes = [0];
        entropy.fill(&mut bytes);
        let ms = if number % 2 == 0 { 100 } else { i64::from(bytes[0]) };
        let session = port.create("ada", ms).await.stored.session;
        places.insert((session.created_at, session.id));
    }
    places
}

async fn lists_go_by_creation_and_id_and_end_with_a_short_part<S: AnyStore>(port: &Port<S>) {
    let mut places = many(port).await;
    let both = [Whose::Owner(owner("ada")), Whose::Tenant(owner("ada").tenant)];
    for round in 0..3 {
        let oldest: Vec<SessionId> = places.iter().map(|(_, id)| *id).collect();
        let newest: Vec<SessionId> = oldest.iter().rev().copied().collect();
        for (whose, limit) in both.iter().flat_map(|whose| [1_000, 37, 8].map(|limit| (whose, limit))) {
            assert_eq!(parts(port, whose, false, limit).await, oldest, "{whose} by {limit} in round {round}");
            assert_eq!(parts(port, whose, true, limit).await, newest, "{whose} by {limit} in round {round}");
        }
        // Two of three are forgotten, here and there.
        let gone: Vec<_> = places.iter().copied().enumerate().filter(|(n, _)| n % 3 != round % 3).collect();
        for (_, place) in gone {
            port.store(forgetting(&port.read(place.1).await.unwrap())).await;
            places.remove(&place);
        }
    }
    assert_eq!(places.len(), 15);
}

async fn lists_hold_still_while_sessions_come_and_go<S: AnyStore>(port: &Port<S>) {
    let places: Vec<_> = many(port).await.into_iter().collect();
    for (whose, newest_first) in [false, true].iter().flat_map(|newest_first| {
        [Whose::Owner(owner("ada")), Whose::Tenant(owner("ada").tenant)].map(|whose| (whose, *newest_first))
    }) {
        let (mut after, mut seen) = (None, BTreeSet::new());
        loop {
            let part =
                port.store.list(shard("ada"), &whose, ListQuery { after, newest_first, limit: 10 }).await.unwrap();
            for read in &part {
                let place = (read.stored.session.created_at, read.stored.session.id);
                assert!(seen.insert(place.1), "once");
                after = Some(place);
            }
            if part.len() < 10 {
                break;
            }
            // Something comes and something goes, before and behind.
            for ms in [0, 255] {
                let read = port.create("ada", ms).await;
                port.store(forgetting(&read)).await;
                port.create("ada", ms).await;
            }
        }
        let missed = places.iter().filter(|(_, id)| !seen.contains(id)).count();
        assert_eq!(missed, 0, "{whose}");
    }
}

async fn lists_of_several_shards_continue_at_one_place<S: AnyStore>(port: &Port<S>) {
    let places = many(port).await;
    let whose = Whose::Tenant(owner("ada").tenant);
    for other in [Shard(0), Shard(1), Shard(u16::MAX)] {
        for (ms, random) in
            [(100, 0), (100, u64::MAX / 2), (100, u64::MAX), (99, u64::MAX), (101, 0), (-1, 0), (256, 0)]
        {
            let after = (at(ms), SessionId::from_parts(other, random.to_be_bytes()));
            for newest_first in [false, true] {
                let query = ListQuery { after: Some(after), newest_first, limit: 1_000 };
                let listed = port.store.list(shard("ada"), &whose, query).await.unwrap();
                let expected = places.iter().filter(|place| query.is_next(**place)).count();
                assert_eq!(listed.len(), expected, "{after:?}, {newest_first}");
            }
        }
    }
}
