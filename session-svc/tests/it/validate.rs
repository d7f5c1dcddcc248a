//! `ValidateSession`.

use std::time::Duration;

use proto::session::v1::{self as pb, Activity, EndReason, InactiveReason, SessionKind};
use svc_kit::clock::Timestamp;

use crate::support::{service::START, *};

on_each_store!(
    a_session_is_alive_until_it_is_ended,
    what_is_unknown_forged_or_foreign_is_an_answer,
    a_spent_token_is_not_the_session,
    limits_are_exact_to_the_millisecond,
    only_interactive_use_keeps_a_session_alive,
    use_is_recorded_once_a_grain,
    every_field_is_checked,
);

async fn a_session_is_alive_until_it_is_ended(service: &Service) {
    let mut client = service.operator();
    let (session, token) = created(&mut client, in_application(USER, APPLICATION)).await;
    for request in [by_token(&token), by_id(&session.id)] {
        let answer = validate(&mut client, request).await;
        assert_eq!((answer.active, answer.inactive_reason), (true, 0));
        assert_eq!(answer.session.unwrap().id, session.id);
    }
    revoke(&mut client, &session.id).await.unwrap();
    for request in [by_token(&token), by_id(&session.id)] {
        let answer = validate(&mut client, request).await;
        assert_eq!((answer.active, answer.inactive_reason), (false, InactiveReason::Revoked.into()));
        assert_eq!(answer.session.unwrap().end_reason(), EndReason::Admin);
    }
}

async fn what_is_unknown_forged_or_foreign_is_an_answer(service: &Service) {
    let (mut ours, mut theirs) = (service.caller_of(TENANT), service.caller_of("other"));
    let (session, token) = created(&mut ours, in_application(USER, APPLICATION)).await;
    let not_found =
        pb::ValidateSessionResponse { inactive_reason: InactiveReason::NotFound.into(), ..Default::default() };
    let flipped = if token.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{flipped}", &token[..token.len() - 1]);
    for request in [
        by_token("nonsense"),
        by_token(&forged),
        by_token(&format!("lkr_{}", "A".repeat(64))),
        by_token("lkr_ÄÄÄÄ"),
        by_id("sess_aaaaaaaaaaaaaaaa"),
        by_id("sess_7777777777777777"),
    ] {
        assert_eq!(validate(&mut ours, request.clone()).await, not_found, "{request:?}");
    }
    for request in [by_token(&token), by_id(&session.id)] {
        assert_eq!(validate(&mut theirs, request).await, not_found, "another tenant's");
    }
    assert!(is_active(&mut ours, &session.id).await);
}

async fn a_spent_token_is_not_the_session(service: &Service) {
    let mut client = service.operator();
    let (session, first) = created(&mut client, in_application(USER, APPLICATION)).await;
    let second = refresh(&mut client, &first).await.unwrap().token;
    let answer = validate(&mut client, by_token(&first)).await;
    assert_eq!((answer.active, answer.inactive_reason), (false, InactiveReason::TokenSpent.into()));
    assert_eq!(answer.session.unwrap().id, session.id, "the token is genuine, so its session is named");
    assert!(validate(&mut client, by_token(&second)).await.active);
    assert!(is_active(&mut client, &session.id).await, "validating a spent token ends nothing");
}

async fn limits_are_exact_to_the_millisecond(service: &Service) {
    let mut client = service.operator();
    let hour = Duration::from_secs(3600);
    let limits = |idle, absolute| {
        let duration = |length: Duration| prost_types::Duration::try_from(length).unwrap();
        Some(pb::SessionTimes { idle_timeout: Some(duration(idle)), absolute_lifetime: Some(duration(absolute)) })
    };
    for (times, reason) in
        [(limits(hour, 2 * hour), InactiveReason::Idle), (limits(2 * hour, hour), InactiveReason::Absolute)]
    {
        service.clock.set(START);
        let (session, _) = created(&mut client, pb::CreateSessionRequest { times, ..sso(USER) }).await;
        for (early, is_alive) in [(1, true), (0, false)] {
            service.clock.set(START.saturating_add(hour - Duration::from_millis(early)));
            let answer = validate(&mut client, by_id(&session.id)).await;
            assert_eq!(answer.active, is_alive, "{early} ms before {reason:?}");
        }
        service.clock.advance(Duration::from_millis(1));
        let answer = validate(&mut client, by_id(&session.id)).await;
        assert_eq!((answer.active, answer.inactive_reason), (false, reason.into()));
    }
}

fn interactive(id: &str) -> pb::ValidateSessionRequest {
    let ip_address = "10.9.8.7".to_owned();
    pb::ValidateSessionRequest { activity: Activity::Interactive.into(), ip_address, ..by_id(id) }
}

async fn only_interactive_use_keeps_a_session_alive(service: &Service) {
    let mut client = service.operator();
    let (used, _) = created(&mut client, sso(USER)).await;
    let (watched, _) = created(&mut client, sso(USER)).await;
    for _ in 0..3 {
        service.clock.advance(Duration::from_secs(7 * 3600));
        assert!(validate(&mut client, interactive(&used.id)).await.active);
        get(&mut client, &watched.id).await.unwrap();
        validate(&mut client, by_id(&watched.id)).await;
        listed(&mut client, of_user(USER), 50).await;
    }
    assert!(!is_active(&mut client, &watched.id).await);
    // 21 hours of use; the absolute limit comes all the same.
    service.clock.advance(Duration::from_secs(3 * 3600));
    let answer = validate(&mut client, interactive(&used.id)).await;
    assert_eq!((answer.active, answer.inactive_reason), (false, InactiveReason::Absolute.into()));
}

async fn use_is_recorded_once_a_grain(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let seen_at = |answer: pb::ValidateSessionResponse| {
        Timestamp::from_proto(&answer.session.unwrap().last_active_at.unwrap()).unwrap()
    };
    service.clock.advance(Duration::from_millis(59_999));
    assert_eq!(seen_at(validate(&mut client, interactive(&session.id)).await), START);
    service.clock.advance(Duration::from_millis(1));
    let answer = validate(&mut client, interactive(&session.id)).await;
    assert_eq!(answer.session.clone().unwrap().device.unwrap().last_ip_address, "10.9.8.7");
    assert_eq!(seen_at(answer), START.saturating_add(Duration::from_secs(60)));
    let stored = get(&mut client, &session.id).await.unwrap();
    assert_eq!(stored.idle_expires_at.unwrap().seconds, START.as_secs() + 60 + 8 * 3600);
    // A clock that steps back changes nothing.
    service.clock.set(START);
    assert!(validate(&mut client, interactive(&session.id)).await.active);
    assert_eq!(get(&mut client, &session.id).await.unwrap(), stored);
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    let (session, _) = created(&mut client, under(&parent, SessionKind::Application)).await;
    let good = by_id(&session.id);
    let cases = [
        ("session", pb::ValidateSessionRequest { session: None, ..good.clone() }),
        ("token", by_token("")),
        ("token", by_token(&"x".repeat(513))),
        ("session_id", by_id("")),
        ("session_id", by_id("sess_x")),
        ("activity", pb::ValidateSessionRequest { activity: 7, ..good.clone() }),
        ("ip_address", pb::ValidateSessionRequest { ip_address: "localhost".to_owned(), ..good.clone() }),
    ];
    for (field, request) in cases {
        assert_field(client.validate_session(request).await, field);
    }
    assert!(validate(&mut client, good).await.active);
}
