//! `max_sessions` of a policy.

use proto::session::v1::{self as pb, OnSessionLimit};
use tonic::Code;

use crate::support::*;

on_each_store!(
    a_session_too_many_is_refused,
    the_oldest_makes_room,
    what_is_over_does_not_count,
    others_do_not_count,
    of_a_hundred_at_once_just_as_many_as_allowed_live,
    of_a_hundred_at_once_the_last_live,
    the_limit_is_explained,
);

fn at_most(max_sessions: u32, on_limit: OnSessionLimit) -> pb::Policy {
    pb::Policy { max_sessions: Some(max_sessions), on_limit: on_limit.into(), ..application_policy(APPLICATION) }
}

async fn a_session_too_many_is_refused(service: &Service) {
    let mut client = service.operator();
    put(&mut service.policies(), at_most(2, OnSessionLimit::RejectNew)).await.unwrap();
    let (first, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    created(&mut client, in_application(USER, APPLICATION)).await;
    let refused = client.create_session(in_application(USER, APPLICATION)).await;
    assert_refused(refused, Code::FailedPrecondition, "SESSION_LIMIT_REACHED");
    revoke(&mut client, &first.id).await.unwrap();
    created(&mut client, in_application(USER, APPLICATION)).await;
}

async fn the_oldest_makes_room(service: &Service) {
    let mut client = service.operator();
    put(&mut service.policies(), at_most(2, OnSessionLimit::EndOldest)).await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..4 {
        service.clock.advance(MS);
        sessions.push(created(&mut client, in_application(USER, APPLICATION)).await.0);
    }
    for (session, lives) in sessions.iter().zip([false, false, true, true]) {
        assert_eq!(is_active(&mut client, &session.id).await, lives);
    }
    let ended = get(&mut client, &sessions[0].id).await.unwrap();
    assert_eq!((ended.end_reason(), ended.ended_by.as_str()), (pb::EndReason::Limit, ""));
    service.events.are(&sessions[1].id, &["session.created", "session.revoked"]).await;
    // One allowed instead of two: the next creation ends both.
    put(&mut service.policies(), at_most(1, OnSessionLimit::EndOldest)).await.unwrap();
    let (last, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    let living = listed(&mut client, of_user(USER), 50).await;
    assert_eq!(living.iter().map(|session| &session.id).collect::<Vec<_>>(), [&last.id]);
}

async fn what_is_over_does_not_count(service: &Service) {
    let mut client = service.operator();
    put(&mut service.policies(), at_most(1, OnSessionLimit::RejectNew)).await.unwrap();
    created(&mut client, in_application(USER, APPLICATION)).await;
    revoke_all(&mut client, of_user(USER)).await.unwrap();
    let times = Some(pb::SessionTimes { idle_timeout: seconds(1), absolute_lifetime: None });
    created(&mut client, pb::CreateSessionRequest { times, ..in_application(USER, APPLICATION) }).await;
    service.clock.advance(1000 * MS);
    created(&mut client, in_application(USER, APPLICATION)).await;
    let key = pb::CreateSessionRequest { idempotency_key: "again".to_owned(), ..in_application("grace", APPLICATION) };
    let (first, _) = created(&mut client, key.clone()).await;
    assert_eq!(created(&mut client, key).await.0.id, first.id, "a repetition is not one more");
}

async fn others_do_not_count(service: &Service) {
    let mut client = service.operator();
    put(&mut service.policies(), at_most(1, OnSessionLimit::RejectNew)).await.unwrap();
    let (parent, _) = created(&mut client, sso(USER)).await;
    created(&mut client, under(&parent, pb::SessionKind::Participant)).await;
    created(&mut client, in_application(USER, "other")).await;
    created(&mut client, in_application("grace", APPLICATION)).await;
    created(&mut client, under(&parent, pb::SessionKind::Application)).await;
}

/// A hundred creations at once; how many were answered with a session.
async fn a_hundred(service: &Service) -> usize {
    let creations = (0..100).map(|_| {
        let mut client = service.operator();
        tokio::spawn(async move { client.create_session(in_application(USER, APPLICATION)).await })
    });
    let mut count = 0;
    for creation in creations.collect::<Vec<_>>() {
        match creation.await.unwrap() {
            Ok(_) => count += 1,
            refused => assert_refused(refused, Code::FailedPrecondition, "SESSION_LIMIT_REACHED"),
        }
    }
    count
}

async fn of_a_hundred_at_once_just_as_many_as_allowed_live(service: &Service) {
    put(&mut service.policies(), at_most(7, OnSessionLimit::RejectNew)).await.unwrap();
    assert_eq!(a_hundred(service).await, 7);
    assert_eq!(listed(&mut service.operator(), of_user(USER), 500).await.len(), 7);
}

async fn of_a_hundred_at_once_the_last_live(service: &Service) {
    put(&mut service.policies(), at_most(7, OnSessionLimit::EndOldest)).await.unwrap();
    assert_eq!(a_hundred(service).await, 100);
    assert_eq!(listed(&mut service.operator(), of_user(USER), 500).await.len(), 7);
}

async fn the_limit_is_explained(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    assert_eq!(explain(&mut service.policies(), &session.id).await.unwrap().session_limit, None);
    let policy = pb::Policy { max_sessions: Some(9), ..tenant_policy() };
    put(&mut service.policies(), policy).await.unwrap();
    put(
        &mut service.policies(),
        pb::Policy { on_limit: OnSessionLimit::EndOldest.into(), ..application_policy(APPLICATION) },
    )
    .await
    .unwrap();
    let limit = explain(&mut service.policies(), &session.id).await.unwrap().session_limit.unwrap();
    let sources = (limit.source(), limit.on_limit(), limit.on_limit_source());
    assert_eq!(limit.max_sessions, 9);
    assert_eq!(sources, (pb::ValueSource::TenantPolicy, OnSessionLimit::EndOldest, pb::ValueSource::ApplicationPolicy));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_keep_one_limit() {
    let one = Service::start(Store::Redis).await;
    let two = one.replica().await;
    put(&mut one.policies(), at_most(5, OnSessionLimit::RejectNew)).await.unwrap();
    let (here, there) = tokio::join!(a_hundred(&one), a_hundred(&two));
    assert_eq!(here + there, 5);
    assert_eq!(listed(&mut one.operator(), of_user(USER), 500).await.len(), 5);
}
