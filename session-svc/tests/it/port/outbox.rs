//! [`Outbox`](session_svc::ports::Outbox).

use super::*;

for_each_store!(
    events_are_taken_in_order_within_their_shard,
    events_stay_until_they_are_removed,
    no_more_events_are_taken_than_are_asked_for,
);

fn both() -> [Shard; 2] {
    [shard("ada"), Shard(1 - shard("ada").0)]
}

async fn events_are_taken_in_order_within_their_shard<S: AnyStore>(port: &Port<S>) {
    assert_eq!(port.store.take(&both(), 10).await.unwrap().len(), 0);
    let mut commit = creating(&session("ada", 0));
    commit.events.push(told(&session("ada", 1)));
    let first = port.store(commit).await;
    let second = port.store(creating(&session("ada", 2))).await;
    let taken = port.store.take(&both(), 10).await.unwrap();
    let positions: Vec<_> = taken.iter().map(|(shard, position, _)| (*shard, *position)).collect();
    let expected = [first[0], first[1], second[0]].map(|position| (shard("ada"), position));
    assert_eq!(positions, expected);
    let ids: std::collections::BTreeSet<_> = taken.iter().map(|(_, _, message)| message.id.clone()).collect();
    assert_eq!(ids.len(), 3, "each has an id of its own");
}

async fn events_stay_until_they_are_removed<S: AnyStore>(port: &Port<S>) {
    for ms in 0..3 {
        port.create("ada", ms).await;
    }
    let taken = port.store.take(&both(), 10).await.unwrap();
    let again = port.store.take(&both(), 10).await.unwrap();
    assert_eq!(
        again.iter().map(|event| event.1).collect::<Vec<_>>(),
        taken.iter().map(|event| event.1).collect::<Vec<_>>()
    );
    port.store.remove(shard("ada"), taken[1].1).await.unwrap();
    let left = port.store.take(&both(), 10).await.unwrap();
    assert_eq!(left.iter().map(|event| event.1).collect::<Vec<_>>(), [taken[2].1]);
}

async fn no_more_events_are_taken_than_are_asked_for<S: AnyStore>(port: &Port<S>) {
    for ms in 0..5 {
        port.create("ada", ms).await;
    }
    assert_eq!(port.store.take(&both(), 3).await.unwrap().len(), 3);
}
