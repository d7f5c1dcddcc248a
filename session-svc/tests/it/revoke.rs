//! `RevokeSession`.

use std::time::Duration;

use proto::session::v1::{self as pb, EndReason, OnParentEnd, SessionKind, SessionState};
use tonic::Code;

use crate::support::*;

on_each_store!(
    the_first_end_stands,
    any_genuine_token_will_do,
    children_end_with_their_parent_unless_kept,
    a_child_never_survives_a_race_with_the_end_of_its_parent,
    a_session_whose_time_is_over_is_recorded_as_that,
    an_idempotency_key_has_one_answer,
    every_field_is_checked,
    another_tenants_session_does_not_exist,
    revoking_wins_against_refresh_and_validate,
);

async fn the_first_end_stands(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let first = pb::RevokeSessionRequest { reason: EndReason::Logout.into(), ..end_of(&session.id) };
    let answer = client.revoke_session(first).await.unwrap().into_inner();
    assert!(!answer.already_ended);
    let ended = answer.session.unwrap();
    assert_eq!((ended.state, ended.end_reason), (SessionState::Revoked.into(), EndReason::Logout.into()));
    let again = revoke(&mut client, &session.id).await.unwrap();
    assert_eq!((again.already_ended, again.session), (true, Some(ended)));
    service.events.are(&session.id, &["session.created", "session.revoked"]).await;
}

async fn any_genuine_token_will_do(service: &Service) {
    let mut client = service.operator();
    let (session, first) = created(&mut client, sso(USER)).await;
    refresh(&mut client, &first).await.unwrap();
    let by = |token: &str| pb::RevokeSessionRequest {
        session: Some(pb::revoke_session_request::Session::Token(token.to_owned())),
        ..Default::default()
    };
    let forged = format!("lkr_{}", "A".repeat(64));
    for token in ["nonsense", &forged] {
        assert_refused(client.revoke_session(by(token)).await, Code::NotFound, "SESSION_NOT_FOUND");
    }
    assert!(is_active(&mut client, &session.id).await);
    client.revoke_session(by(&first)).await.unwrap();
    assert!(!is_active(&mut client, &session.id).await);
}

async fn children_end_with_their_parent_unless_kept(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    let (child, _) = created(&mut client, under(&parent, SessionKind::Application)).await;
    let (participant, _) = created(&mut client, under(&parent, SessionKind::Participant)).await;
    let kept = pb::CreateSessionRequest {
        on_parent_end: OnParentEnd::Keep.into(),
        ..under(&parent, SessionKind::Application)
    };
    let (kept, _) = created(&mut client, kept).await;
    let (stranger, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    let why = pb::RevokeSessionRequest { comment: "bye".to_owned(), ..end_of(&parent.id) };
    client.revoke_session(why).await.unwrap();
    for id in [&child.id, &participant.id] {
        let ended = get(&mut client, id).await.unwrap();
        assert_eq!((ended.end_reason, ended.end_comment.as_str()), (EndReason::ParentEnded.into(), "bye"));
        service.events.are(id, &["session.created", "session.revoked"]).await;
    }
    for id in [&kept.id, &stranger.id] {
        assert!(is_active(&mut client, id).await);
    }
}

async fn a_child_never_survives_a_race_with_the_end_of_its_parent(service: &Service) {
    let mut client = service.operator();
    for _ in 0..50 {
        let (parent, _) = created(&mut client, sso(USER)).await;
        let births = (0..4).map(|_| {
            let (mut client, request) = (service.operator(), under(&parent, SessionKind::Application));
            tokio::spawn(async move { client.create_session(request).await })
        });
        let births: Vec<_> = births.collect();
        let (mut reaper, id) = (service.operator(), parent.id.clone());
        let end = tokio::spawn(async move { revoke(&mut reaper, &id).await.unwrap() });
        let births = futures::future::try_join_all(births).await.unwrap();
        end.await.unwrap();
        for birth in births {
            match birth {
                Ok(answer) => assert!(!is_active(&mut client, &answer.into_inner().session.unwrap().id).await),
                refused => assert_refused(refused, Code::FailedPrecondition, "PARENT_ENDED"),
            }
        }
    }
}

async fn a_session_whose_time_is_over_is_recorded_as_that(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    service.clock.advance(Duration::from_secs(9 * 3600));
    let answer = revoke(&mut client, &session.id).await.unwrap();
    let ended = answer.session.unwrap();
    assert!(answer.already_ended);
    assert_eq!((ended.state, ended.end_reason), (SessionState::Expired.into(), EndReason::Idle.into()));
    assert_eq!(ended.ended_at, session.idle_expires_at);
    service.events.are(&session.id, &["session.created", "session.expired"]).await;
}

async fn an_idempotency_key_has_one_answer(service: &Service) {
    let mut client = service.operator();
    let (one, _) = created(&mut client, sso(USER)).await;
    let (two, _) = created(&mut client, sso("grace")).await;
    let keyed = |id: &str| pb::RevokeSessionRequest { idempotency_key: "logout 7".to_owned(), ..end_of(id) };
    for _ in 0..3 {
        let answer = client.revoke_session(keyed(&one.id)).await.unwrap().into_inner();
        assert!(!answer.already_ended, "the first answer again");
    }
    assert!(revoke(&mut client, &one.id).await.unwrap().already_ended);
    let other = pb::RevokeSessionRequest { comment: "another".to_owned(), ..keyed(&one.id) };
    assert_refused(client.revoke_session(other).await, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    assert!(is_active(&mut client, &two.id).await);
    let answer = client.revoke_session(keyed(&two.id)).await.unwrap().into_inner();
    assert!(!answer.already_ended, "a key belongs to its session");
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let good = end_of(&session.id);
    let token = |text: &str| pb::RevokeSessionRequest {
        session: Some(pb::revoke_session_request::Session::Token(text.to_owned())),
        ..Default::default()
    };
    let with_reason = |reason: i32| pb::RevokeSessionRequest { reason, ..good.clone() };
    let cases = [
        ("session", pb::RevokeSessionRequest { session: None, ..good.clone() }),
        ("session_id", end_of("")),
        ("session_id", end_of("sess_ÄÄ")),
        ("token", token("")),
        ("token", token(&"x".repeat(513))),
        ("reason", with_reason(EndReason::Idle.into())),
        ("reason", with_reason(EndReason::Limit.into())),
        ("reason", with_reason(EndReason::Cutoff.into())),
        ("reason", with_reason(99)),
        ("comment", pb::RevokeSessionRequest { comment: "x".repeat(257), ..good.clone() }),
        ("comment", pb::RevokeSessionRequest { comment: "a\u{7}".to_owned(), ..good.clone() }),
        ("idempotency_key", pb::RevokeSessionRequest { idempotency_key: "k".repeat(129), ..good.clone() }),
    ];
    for (field, request) in cases {
        assert_field(client.revoke_session(request).await, field);
    }
    assert!(is_active(&mut client, &session.id).await);
    client.revoke_session(good).await.unwrap();
}

async fn another_tenants_session_does_not_exist(service: &Service) {
    let (mut ours, mut theirs) = (service.caller_of(TENANT), service.caller_of("other"));
    let (session, token) = created(&mut ours, sso(USER)).await;
    let by_token = pb::RevokeSessionRequest {
        session: Some(pb::revoke_session_request::Session::Token(token)),
        ..Default::default()
    };
    for request in [end_of(&session.id), by_token] {
        assert_refused(theirs.revoke_session(request).await, Code::NotFound, "SESSION_NOT_FOUND");
    }
    assert!(is_active(&mut ours, &session.id).await);
}

/// A loop of 1,000: whatever refresh and validate do at the same moment, after the acknowledgement nothing lives.
async fn revoking_wins_against_refresh_and_validate(service: &Service) {
    const ROUNDS: usize = 1_000;
    let (mut client, mut refresher, mut reader) = (service.operator(), service.operator(), service.operator());
    for round in 0..ROUNDS {
        let (session, token) = created(&mut client, in_application(USER, APPLICATION)).await;
        service.clock.advance(Duration::from_secs(60));
        let interactive =
            pb::ValidateSessionRequest { activity: pb::Activity::Interactive.into(), ..by_id(&session.id) };
        let (revoked, refreshed, _) = tokio::join!(
            revoke(&mut client, &session.id),
            refresh(&mut refresher, &token),
            reader.validate_session(interactive)
        );
        revoked.unwrap();
        assert!(!is_active(&mut client, &session.id).await, "round {round}");
        let newest = refreshed.map_or(token, |answer| answer.token);
        assert!(!validate(&mut client, by_token(&newest)).await.active, "round {round}");
        assert_refused(refresh(&mut client, &newest).await, Code::Unauthenticated, "TOKEN_REFUSED");
    }
    assert_eq!(listed(&mut client, of_user(USER), 500).await, vec![]);
}
