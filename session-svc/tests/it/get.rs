//! `GetSession`.

use std::time::Duration;

use proto::session::v1::{self as pb, EndReason, SessionState};
use tonic::Code;

use crate::support::*;

on_each_store!(
    an_ended_session_says_why_for_a_day,
    a_lapsed_session_reads_as_expired_before_anybody_records_it,
    only_good_ids_are_looked_up,
    another_tenants_session_does_not_exist,
);

async fn an_ended_session_says_why_for_a_day(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let comment = "lost laptop".to_owned();
    let request = pb::RevokeSessionRequest { reason: EndReason::User.into(), comment, ..end_of(&session.id) };
    client.revoke_session(request).await.unwrap();
    let ended = get(&mut client, &session.id).await.unwrap();
    assert_eq!((ended.state, ended.end_reason), (SessionState::Revoked.into(), EndReason::User.into()));
    assert_eq!((ended.end_comment.as_str(), ended.ended_by.as_str()), ("lost laptop", "operator:dev"));
    assert_eq!(ended.ended_at, Some(crate::support::service::START.to_proto()));
    service.clock.advance(Duration::from_secs(24 * 3600));
    let look = || async { get(&mut service.operator(), &session.id).await.err() };
    let gone = eventually("the session is forgotten", look).await;
    assert_refused::<()>(Err(gone), Code::NotFound, "SESSION_NOT_FOUND");
    assert_eq!(listed(&mut client, pb::SessionFilter { states: vec![1, 2, 3], ..of_user(USER) }, 50).await, vec![]);
}

async fn a_lapsed_session_reads_as_expired_before_anybody_records_it(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    service.clock.advance(Duration::from_secs(8 * 3600) - Duration::from_millis(1));
    assert_eq!(get(&mut client, &session.id).await.unwrap().state(), SessionState::Active);
    service.clock.advance(Duration::from_millis(1));
    let lapsed = get(&mut client, &session.id).await.unwrap();
    assert_eq!((lapsed.state, lapsed.end_reason), (SessionState::Expired.into(), EndReason::Idle.into()));
    assert_eq!(lapsed.ended_at, session.idle_expires_at);
    service.events.are(&session.id, &["session.created", "session.expired"]).await;
}

async fn only_good_ids_are_looked_up(service: &Service) {
    let mut client = service.operator();
    for id in
        ["", "sess_", "sess_AAAAAAAAAAAAAAAA", "user_aaaaaaaaaaaaaaaa", "sess_aaaaaaaaaaaaaaa!", &"s".repeat(100_000)]
    {
        assert_field(get(&mut client, id).await, "session_id");
    }
    // The last one names a shard that this store does not have.
    for id in ["sess_aaaaaaaaaaaaaaaa", "sess_7777777777777777"] {
        assert_refused(get(&mut client, id).await, Code::NotFound, "SESSION_NOT_FOUND");
    }
}

async fn another_tenants_session_does_not_exist(service: &Service) {
    let (mut ours, mut theirs) = (service.caller_of(TENANT), service.caller_of("other"));
    let (session, _) = created(&mut ours, sso(USER)).await;
    assert_refused(get(&mut theirs, &session.id).await, Code::NotFound, "SESSION_NOT_FOUND");
    get(&mut ours, &session.id).await.unwrap();
}
