//! [`Outbox`](session_svc::ports::Outbox).

use super::*;

for_each_store!(
    events_are_taken_in_order_within_their_shard,
    events_stay_until_they_are_removed,
    events_are_taken_from_where_one_has_come_to,
    no_more_events_are_taken_than_are_asked_for,
    every_shard_has_its_share,
    what_a_shard_leaves_over_others_have,
);

fn places(taken: &[(Shard, Revision, Message)]) -> Vec<(Shard, Revision)> {
    taken.iter().map(|(shard, position, _)| (*shard, *position)).collect()
}

/// Stores events in one shard, as many as in a busy moment.
pub async fn tell<S: AnyStore>(port: &Port<S>, shard: Shard, count: usize) -> Vec<(Shard, Revision)> {
    let mut commit = Commit::new(shard);
    commit.events = vec![told(&session("ada", 0)); count];
    port.store(commit).await.into_iter().map(|position| (shard, position)).collect()
}

async fn events_are_taken_in_order_within_their_shard<S: AnyStore>(port: &Port<S>) {
    assert_eq!(port.waiting(10).await.len(), 0);
    let mut commit = creating(&session("ada", 0));
    commit.events.push(told(&session("ada", 1)));
    let first = port.store(commit).await;
    let second = port.store(creating(&session("ada", 2))).await;
    let taken = port.waiting(10).await;
    let expected = [first[0], first[1], second[0]].map(|position| (shard("ada"), position));
    assert_eq!(places(&taken), expected);
    let ids: std::collections::BTreeSet<_> = taken.iter().map(|(_, _, message)| message.id.clone()).collect();
    assert_eq!(ids.len(), 3, "each has an id of its own");
}

async fn events_stay_until_they_are_removed<S: AnyStore>(port: &Port<S>) {
    let told = tell(port, Shard(1), 3).await;
    assert_eq!(places(&port.waiting(10).await), told);
    assert_eq!(places(&port.waiting(10).await), told);
    port.store.remove(&told[..2]).await.unwrap();
    assert_eq!(places(&port.waiting(10).await), told[2..]);
    port.store.remove(&[told[0], told[2]]).await.unwrap();
    assert_eq!(port.waiting(10).await, []);
}

async fn events_are_taken_from_where_one_has_come_to<S: AnyStore>(port: &Port<S>) {
    let (low, high) = (tell(port, Shard(0), 3).await, tell(port, Shard(1), 2).await);
    let taken = port.store.take(&[low[1], high[1]], 10, Duration::ZERO).await.unwrap();
    assert_eq!(places(&taken), low[2..]);
    assert_eq!(port.store.take(&[low[2], high[1]], 10, Duration::ZERO).await.unwrap(), []);
}

async fn no_more_events_are_taken_than_are_asked_for<S: AnyStore>(port: &Port<S>) {
    tell(port, shard("ada"), 5).await;
    for limit in 1..5 {
        assert_eq!(port.waiting(limit).await.len(), limit);
    }
}

/// However many events the first shards have: the last one's do not wait for them.
async fn every_shard_has_its_share<S: AnyStore>(port: &Port<S>) {
    let low = tell(port, Shard(0), 40).await;
    let high = tell(port, Shard(1), 1).await;
    let taken = places(&port.waiting(10).await);
    let of = |shard| taken.iter().copied().filter(move |place| place.0 == shard).collect::<Vec<_>>();
    assert_eq!((of(Shard(0)), of(Shard(1))), (low[..9].to_vec(), high));
    tell(port, Shard(1), 40).await;
    let taken = places(&port.waiting(10).await);
    assert_eq!(taken.iter().filter(|place| place.0 == Shard(1)).count(), 5);
}

async fn what_a_shard_leaves_over_others_have<S: AnyStore>(port: &Port<S>) {
    let high = tell(port, Shard(1), 40).await;
    assert_eq!(places(&port.waiting(30).await), high[..30]);
    assert_eq!(places(&port.waiting(50).await), high);
}
