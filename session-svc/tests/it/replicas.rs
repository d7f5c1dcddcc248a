//! Two replicas on one Redis: what one has acknowledged holds at the other.

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_ends_is_over_at_the_other() {
    let one = Service::start(Store::Redis).await;
    let two = one.replica().await;
    let (mut here, mut there) = (one.operator(), two.operator());
    for round in 0..20 {
        let (session, token) = created(&mut here, in_application(USER, APPLICATION)).await;
        assert!(validate(&mut there, by_token(&token)).await.active, "round {round}");
        if round % 2 == 0 {
            revoke(&mut here, &session.id).await.unwrap();
        } else {
            revoke_all(&mut here, of_user(USER)).await.unwrap();
        }
        assert!(!validate(&mut there, by_token(&token)).await.active, "round {round}");
        assert!(refresh(&mut there, &token).await.is_err(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshes_at_both_replicas_are_one_step() {
    let one = Service::start(Store::Redis).await;
    let two = one.replica().await;
    let (_, token) = created(&mut one.operator(), in_application(USER, APPLICATION)).await;
    let calls = (0..50).map(|number| {
        let mut client = if number % 2 == 0 { one.operator() } else { two.operator() };
        let token = token.clone();
        async move { refresh(&mut client, &token).await.unwrap() }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.token == answers[0].token));
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
}
