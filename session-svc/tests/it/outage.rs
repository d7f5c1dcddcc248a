//! Redis goes away, hangs, and comes back: calls are refused in time, and nobody has to restart us.

use std::time::{Duration, Instant};

use proto::session::v1 as pb;
use tonic::{Code, Status};

use crate::support::{redis_server::RedisServer, *};

/// The server's deadline for a call, and a little.
const IN_TIME: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_redis_is_unavailable_in_time_and_comes_back() {
    let mut redis = RedisServer::start().await;
    let service = Service::start_with(Store::Redis, &[("LATCHKEY_STORE__URL", redis.url())]).await;
    let (session, token) = created(&mut service.operator(), in_application(USER, APPLICATION)).await;
    for _ in 0..2 {
        redis.kill().await;
        every_call_is_unavailable(&service, &session.id, &token).await;
        redis.restart().await;
        comes_back(&service, &session.id).await;
    }
    let refreshed = refresh(&mut service.operator(), &token).await.unwrap();
    assert_eq!(refreshed.session.unwrap().generation, 2);
    service.events.are(&session.id, &["session.created", "session.refreshed"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_redis_is_unavailable_in_time_and_comes_back() {
    let redis = RedisServer::start().await;
    let service = Service::start_with(Store::Redis, &[("LATCHKEY_STORE__URL", redis.url())]).await;
    let (session, token) = created(&mut service.operator(), in_application(USER, APPLICATION)).await;
    redis.freeze(true).await;
    every_call_is_unavailable(&service, &session.id, &token).await;
    redis.freeze(false).await;
    comes_back(&service, &session.id).await;
}

async fn every_call_is_unavailable(service: &Service, id: &str, token: &str) {
    let mut client = service.operator();
    let list = pb::ListSessionsRequest { filter: Some(of_user(USER)), ..Default::default() };
    let cut = pb::RevokeSessionsRequest { filter: Some(of_user("grace")), ..Default::default() };
    let refresh = pb::RefreshSessionRequest { token: token.to_owned(), ..Default::default() };
    let get = pb::GetSessionRequest { session_id: id.to_owned() };
    away("create", client.clone().create_session(sso("grace"))).await;
    away("validate", client.clone().validate_session(by_id(id))).await;
    away("get", client.clone().get_session(get)).await;
    away("list", client.clone().list_sessions(list)).await;
    away("revoke many", client.clone().revoke_sessions(cut)).await;
    away("refresh", client.refresh_session(refresh)).await;
}

async fn away<T: std::fmt::Debug>(what: &str, call: impl Future<Output = Result<T, Status>>) {
    let started = Instant::now();
    let status = call.await.expect_err(what);
    assert!(started.elapsed() < IN_TIME, "{what} took {:?}", started.elapsed());
    assert_eq!(status.code(), Code::Unavailable, "{what}: {status:?}");
    assert!(!status.message().contains("127.0.0.1"), "{what} tells where the store is");
}

async fn comes_back(service: &Service, id: &str) {
    let look = || async { service.operator().validate_session(by_id(id)).await.ok() };
    assert!(eventually("the service is back", look).await.into_inner().active);
}
