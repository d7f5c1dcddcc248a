//! [`Chores`](session_svc::ports::Chores).

use session_svc::ports::Look;

use super::*;

for_each_store!(
    leases_are_taken_and_kept,
    a_living_session_is_looked_at_by_its_deadline,
    a_look_that_is_armed_earlier_stays,
    a_look_arms_the_next_one_at_the_deadline,
    an_ended_session_is_looked_at_when_it_may_be_forgotten,
    no_more_looks_are_due_than_are_asked_for,
    a_look_is_removed_if_it_is_the_one,
    a_cutoff_is_unfinished_until_it_is_said_to_be,
    a_newer_cutoff_has_work_of_its_own,
    a_cutoff_goes_with_the_commit_that_has_done_its_work,
    old_cutoffs_are_forgotten_unless_they_are_closed,
);

const LATER: i64 = 1 << 40;

async fn due<S: AnyStore>(port: &Port<S>, ms: i64) -> Vec<Look> {
    let mut due = port.store.due(shard("ada"), at(ms), 10_000).await.unwrap();
    due.sort_unstable_by_key(|look| (look.at, look.session));
    due
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// The session after a use at a moment.
fn used(read: &Read, ms: i64) -> Stored {
    let mut after = read.stored.clone();
    after.session_mut().last_active_at = at(ms);
    after
}

async fn leases_are_taken_and_kept<S: AnyStore>(port: &Port<S>) {
    let all: Vec<Shard> = (0..SHARDS).map(Shard).collect();
    for _ in 0..2 {
        assert_eq!(port.store.lease("one", Duration::from_secs(60)).await.unwrap(), all);
    }
}

async fn a_living_session_is_looked_at_by_its_deadline<S: AnyStore>(port: &Port<S>) {
    let session = port.create("ada", 0).await.stored.session;
    assert_eq!(due(port, ms(IDLE) - 1).await, []);
    assert_eq!(due(port, ms(IDLE)).await, [Look { session: session.id, at: session.deadline() }]);
}

async fn a_look_that_is_armed_earlier_stays<S: AnyStore>(port: &Port<S>) {
    let read = port.create("ada", 0).await;
    let armed = Look { session: read.stored.session.id, at: read.stored.session.deadline() };
    port.store(changing(&read, used(&read, 1_000))).await;
    assert_eq!(due(port, LATER).await, [armed]);
    // One that comes to be earlier is armed.
    let read = port.read(armed.session).await.unwrap();
    let mut shorter = read.stored.clone();
    shorter.session_mut().times.idle_timeout = IDLE / 2;
    port.store(changing(&read, shorter.clone())).await;
    assert_eq!(due(port, LATER).await, [Look { at: shorter.session.deadline(), ..armed }]);
}

async fn a_look_arms_the_next_one_at_the_deadline<S: AnyStore>(port: &Port<S>) {
    let read = port.create("ada", 0).await;
    let after = used(&read, 1_000);
    port.store(Commit { is_look: true, ..changing(&read, after.clone()) }).await;
    assert_eq!(due(port, LATER).await, [Look { session: after.session.id, at: after.session.deadline() }]);
    assert_eq!(port.store.live(shard("ada"), &owner("ada").tenant, None).await.unwrap(), 1);
}

async fn an_ended_session_is_looked_at_when_it_may_be_forgotten<S: AnyStore>(port: &Port<S>) {
    let read = port.create("ada", 0).await;
    port.store(ending(&read, 5)).await;
    let ended = port.read(read.stored.session.id).await.unwrap().stored.session;
    assert_eq!(due(port, LATER).await, [Look { session: ended.id, at: ended.forgotten_at() }]);
}

async fn no_more_looks_are_due_than_are_asked_for<S: AnyStore>(port: &Port<S>) {
    let mut expected = Vec::new();
    for ms in 0..200 {
        // Backwards, and two of each moment.
        let session = port.create("ada", -ms / 2).await.stored.session;
        expected.push(Look { session: session.id, at: session.deadline() });
    }
    expected.sort_unstable_by_key(|look| (look.at, look.session));
    assert_eq!(due(port, LATER).await, expected);
    for limit in [1, 60, 200, 201] {
        assert_eq!(port.store.due(shard("ada"), at(LATER), limit).await.unwrap().len(), limit.min(200));
    }
    let middle = expected[100].at;
    let early: Vec<Look> = expected.into_iter().filter(|look| look.at <= middle).collect();
    assert_eq!(due(port, middle.as_ms() - START.as_ms()).await, early);
}

async fn a_look_is_removed_if_it_is_the_one<S: AnyStore>(port: &Port<S>) {
    let session = port.create("ada", 0).await.stored.session;
    let look = Look { session: session.id, at: session.deadline() };
    port.store.remove_look(Look { at: at(1), ..look }).await.unwrap();
    assert_eq!(due(port, LATER).await, [look]);
    port.store.remove_look(look).await.unwrap();
    assert_eq!(due(port, LATER).await, []);
}

async fn a_cutoff_is_unfinished_until_it_is_said_to_be<S: AnyStore>(port: &Port<S>) {
    assert_eq!(port.store.unfinished(shard("ada")).await.unwrap(), []);
    port.store(cutting("ada", 5, false)).await;
    assert_eq!(port.store.unfinished(shard("ada")).await.unwrap(), [scope("ada")]);
    let cutoff = port.store.cutoffs(shard("ada")).await.unwrap().scopes[&scope("ada")].revision;
    port.store.finished(shard("ada"), &scope("ada"), cutoff).await.unwrap();
    assert_eq!(port.store.unfinished(shard("ada")).await.unwrap(), []);
}

async fn a_newer_cutoff_has_work_of_its_own<S: AnyStore>(port: &Port<S>) {
    port.store(cutting("ada", 5, false)).await;
    let first = port.store.cutoffs(shard("ada")).await.unwrap().scopes[&scope("ada")].revision;
    port.store(cutting("ada", 6, false)).await;
    port.store.finished(shard("ada"), &scope("ada"), first).await.unwrap();
    assert_eq!(port.store.unfinished(shard("ada")).await.unwrap().last(), Some(&scope("ada")));
}

async fn old_cutoffs_are_forgotten_unless_they_are_closed<S: AnyStore>(port: &Port<S>) {
    // Users of one shard.
    let names = (0..).map(|number| format!("user{number}")).filter(|name| shard(name) == Shard(0));
    let users: Vec<String> = names.take(3).collect();
    for (user, ms, is_closed) in [(&users[0], 5, false), (&users[1], 5, true), (&users[2], 6, false)] {
        port.store(cutting(user, ms, is_closed)).await;
    }
    let before = port.version(&users[0]).await;
    port.store.forget_cutoffs(Shard(0), at(6)).await.unwrap();
    let cutoffs = port.store.cutoffs(Shard(0)).await.unwrap();
    let known = users.iter().map(|user| cutoffs.scopes.contains_key(&scope(user)));
    assert_eq!(known.collect::<Vec<_>>(), [false, true, true]);
    assert_ne!(cutoffs.version, before, "whoever knows the old ones looks again");
}

async fn a_cutoff_goes_with_the_commit_that_has_done_its_work<S: AnyStore>(port: &Port<S>) {
    let read = port.create("ada", 0).await;
    port.store(cutting("ada", 1, false)).await;
    let version = port.version("ada").await;
    assert_eq!(port.store.unfinished(shard("ada")).await.unwrap(), [scope("ada")]);
    port.store(Commit { spent: Some(scope("ada")), ..ending(&read, 1) }).await;
    assert_eq!(port.store.unfinished(shard("ada")).await.unwrap(), []);
    assert_eq!(port.version("ada").await, version, "nobody has to look again");
}
