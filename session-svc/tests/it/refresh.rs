//! `RefreshSession`.

use std::time::Duration;

use proto::session::v1::{self as pb, EndReason, RefreshMode, SessionKind};
use tonic::Code;

use crate::support::{service::START, *};

on_each_store!(
    a_refresh_rotates_and_slides,
    a_reusable_token_stays,
    fifty_at_once_take_one_step,
    a_repetition_gets_the_same_successor_within_the_grace,
    a_spent_token_ends_the_session_and_tells,
    a_spent_token_of_an_sso_session_ends_its_children,
    whatever_is_wrong_the_refusal_is_the_same,
    every_field_is_checked,
);

async fn a_refresh_rotates_and_slides(service: &Service) {
    let mut client = service.operator();
    let (session, first) = created(&mut client, in_application(USER, APPLICATION)).await;
    service.clock.advance(Duration::from_secs(10));
    let request = pb::RefreshSessionRequest {
        token: first.clone(),
        ip_address: "2001:DB8::1".to_owned(),
        user_agent: "curl/8".to_owned(),
        application_id: APPLICATION.to_owned(),
    };
    let answer = client.refresh_session(request).await.unwrap().into_inner();
    let refreshed = answer.session.unwrap();
    assert_eq!((refreshed.generation, answer.replayed), (2, false));
    assert_ne!(answer.token, first);
    assert_ne!(refreshed.revision, session.revision);
    assert_eq!(refreshed.last_active_at.unwrap().seconds, START.as_secs() + 10);
    assert_eq!(refreshed.authenticated_at, session.authenticated_at);
    let device = refreshed.device.clone().unwrap();
    assert_eq!((device.last_ip_address.as_str(), device.user_agent.as_str()), ("2001:db8::1", "curl/8"));
    assert_eq!(get(&mut client, &session.id).await.unwrap(), refreshed);
    service.events.are(&session.id, &["session.created", "session.refreshed"]).await;
}

async fn a_reusable_token_stays(service: &Service) {
    let mut client = service.operator();
    let reusable =
        pb::CreateSessionRequest { refresh_mode: RefreshMode::Reusable.into(), ..in_application(USER, APPLICATION) };
    let (_, token) = created(&mut client, reusable).await;
    for _ in 0..3 {
        service.clock.advance(Duration::from_secs(3600));
        let answer = refresh(&mut client, &token).await.unwrap();
        assert_eq!((answer.token.as_str(), answer.session.unwrap().generation), (token.as_str(), 1));
    }
}

async fn fifty_at_once_take_one_step(service: &Service) {
    let mut client = service.operator();
    let (session, token) = created(&mut client, in_application(USER, APPLICATION)).await;
    let calls = (0..50).map(|_| {
        let (mut client, token) = (service.operator(), token.clone());
        tokio::spawn(async move { refresh(&mut client, &token).await.unwrap() })
    });
    let answers = futures::future::try_join_all(calls).await.unwrap();
    assert!(answers.iter().all(|answer| answer.token == answers[0].token), "fifty equal tokens");
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "one of them made the step");
    assert_eq!(get(&mut client, &session.id).await.unwrap().generation, 2);
    service.events.are(&session.id, &["session.created", "session.refreshed"]).await;
    refresh(&mut client, &answers[0].token).await.unwrap();
}

async fn a_repetition_gets_the_same_successor_within_the_grace(service: &Service) {
    let mut client = service.operator();
    let (_, first) = created(&mut client, in_application(USER, APPLICATION)).await;
    let answer = refresh(&mut client, &first).await.unwrap();
    service.clock.advance(Duration::from_millis(9_999));
    let again = refresh(&mut client, &first).await.unwrap();
    assert_eq!((&again.token, again.replayed), (&answer.token, true));
    assert_eq!(again.session.unwrap().last_active_at, answer.session.unwrap().last_active_at, "no sliding");
    service.clock.advance(Duration::from_millis(1));
    assert_refused(refresh(&mut client, &first).await, Code::Unauthenticated, "TOKEN_REFUSED");
}

async fn a_spent_token_ends_the_session_and_tells(service: &Service) {
    let mut client = service.operator();
    let (session, first) = created(&mut client, in_application(USER, APPLICATION)).await;
    let second = refresh(&mut client, &first).await.unwrap().token;
    let third = refresh(&mut client, &second).await.unwrap().token;
    assert_refused(refresh(&mut client, &first).await, Code::Unauthenticated, "TOKEN_REFUSED");
    assert_refused(refresh(&mut client, &third).await, Code::Unauthenticated, "TOKEN_REFUSED");
    assert_eq!(get(&mut client, &session.id).await.unwrap().end_reason(), EndReason::TokenReuse);
    let story =
        ["session.created", "session.refreshed", "session.refreshed", "session.reuse_detected", "session.revoked"];
    service.events.are(&session.id, &story).await;
}

async fn a_spent_token_of_an_sso_session_ends_its_children(service: &Service) {
    let mut client = service.operator();
    let (parent, first) = created(&mut client, sso(USER)).await;
    let (child, _) = created(&mut client, under(&parent, SessionKind::Application)).await;
    let second = refresh(&mut client, &first).await.unwrap().token;
    refresh(&mut client, &second).await.unwrap();
    assert_refused(refresh(&mut client, &first).await, Code::Unauthenticated, "TOKEN_REFUSED");
    let ended = get(&mut client, &child.id).await.unwrap();
    assert_eq!(ended.end_reason(), EndReason::ParentEnded);
}

async fn whatever_is_wrong_the_refusal_is_the_same(service: &Service) {
    let (mut ours, mut theirs) = (service.caller_of(TENANT), service.caller_of("other"));
    let (session, token) = created(&mut ours, in_application(USER, APPLICATION)).await;
    let refused = |result| assert_refused::<pb::RefreshSessionResponse>(result, Code::Unauthenticated, "TOKEN_REFUSED");
    refused(refresh(&mut theirs, &token).await);
    let other_application =
        pb::RefreshSessionRequest { token: token.clone(), application_id: "mobile".to_owned(), ..Default::default() };
    refused(ours.refresh_session(other_application).await.map(tonic::Response::into_inner));
    for nonsense in ["x", "lkr_", &session.id, &format!("lkr_{}", "A".repeat(64)), &token[..67], &format!("{token}A")] {
        refused(refresh(&mut ours, nonsense).await);
    }
    let before = get(&mut ours, &session.id).await.unwrap();
    assert_eq!(before, session, "nothing of this changed anything");
    service.clock.advance(Duration::from_secs(30 * 24 * 3600));
    refused(refresh(&mut ours, &token).await);
    let (revoked, token) = created(&mut ours, in_application(USER, APPLICATION)).await;
    revoke(&mut ours, &revoked.id).await.unwrap();
    refused(refresh(&mut ours, &token).await);
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.operator();
    let (_, token) = created(&mut client, in_application(USER, APPLICATION)).await;
    let good = pb::RefreshSessionRequest { token, ..Default::default() };
    let cases = [
        ("token", pb::RefreshSessionRequest { token: String::new(), ..good.clone() }),
        ("token", pb::RefreshSessionRequest { token: "x".repeat(1_000_000), ..good.clone() }),
        ("ip_address", pb::RefreshSessionRequest { ip_address: "1.2.3".to_owned(), ..good.clone() }),
        ("user_agent", pb::RefreshSessionRequest { user_agent: "x".repeat(513), ..good.clone() }),
        ("user_agent", pb::RefreshSessionRequest { user_agent: "a\r\nb".to_owned(), ..good.clone() }),
        ("application_id", pb::RefreshSessionRequest { application_id: "a b".to_owned(), ..good.clone() }),
    ];
    for (field, request) in cases {
        assert_field(client.refresh_session(request).await, field);
    }
    client.refresh_session(good).await.unwrap();
}
