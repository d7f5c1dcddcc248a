//! `ReauthenticateSession`.

use std::time::Duration;

use proto::session::v1::{self as pb, SessionKind};
use tonic::{Code, Status};

use crate::support::{service::START, *};

on_each_store!(
    the_session_stays_and_the_token_changes,
    the_limits_of_an_sso_session_start_anew,
    only_its_own_user_and_current_token_count,
    of_two_at_once_one_counts,
);

fn again(token: &str) -> pb::ReauthenticateSessionRequest {
    pb::ReauthenticateSessionRequest {
        token: token.to_owned(),
        user_id: USER.to_owned(),
        amr: vec!["pwd".to_owned()],
        ..Default::default()
    }
}

async fn reauthenticate(
    client: &mut Client,
    request: pb::ReauthenticateSessionRequest,
) -> Result<pb::ReauthenticateSessionResponse, Status> {
    client.reauthenticate_session(request).await.map(tonic::Response::into_inner)
}

async fn the_session_stays_and_the_token_changes(service: &Service) {
    let mut client = service.operator();
    let (session, first) = created(&mut client, sso(USER)).await;
    let (child, _) = created(&mut client, under(&session, SessionKind::Application)).await;
    service.clock.advance(Duration::from_secs(100));
    let answer = reauthenticate(&mut client, again(&first)).await.unwrap();
    let renewed = answer.session.unwrap();
    assert_eq!((renewed.id.as_str(), renewed.generation), (session.id.as_str(), 2));
    assert_eq!(renewed.authenticated_at.unwrap().seconds, START.as_secs() + 100);
    assert_eq!(renewed.amr, ["pwd"]);
    assert_ne!(renewed.revision, session.revision);
    assert!(validate(&mut client, by_token(&answer.token)).await.active);
    assert!(!validate(&mut client, by_token(&first)).await.active, "dead at once");
    // The old value is nobody's any more: presenting it is refused and ends nothing.
    assert_refused(refresh(&mut client, &first).await, Code::Unauthenticated, "TOKEN_REFUSED");
    assert_refused(reauthenticate(&mut client, again(&first)).await, Code::Unauthenticated, "TOKEN_REFUSED");
    assert!(is_active(&mut client, &session.id).await && is_active(&mut client, &child.id).await);
    assert_eq!(get(&mut client, &session.id).await.unwrap().generation, 2);
    service.events.are(&session.id, &["session.created", "session.refreshed"]).await;
}

async fn the_limits_of_an_sso_session_start_anew(service: &Service) {
    let mut client = service.operator();
    let (session, first) = created(&mut client, sso(USER)).await;
    let lifetime = session.expires_at.unwrap().seconds - session.created_at.unwrap().seconds;
    service.clock.advance(Duration::from_secs(1_000));
    let answer = reauthenticate(&mut client, again(&first)).await.unwrap();
    assert_eq!(answer.session.unwrap().expires_at.unwrap().seconds, START.as_secs() + 1_000 + lifetime);
    let kept = pb::ReauthenticateSessionRequest { keep_signed_in: true, ..again(&answer.token) };
    let kept = reauthenticate(&mut client, kept).await.unwrap().session.unwrap();
    assert!(kept.keep_signed_in && kept.expires_at.unwrap().seconds > START.as_secs() + 1_000 + lifetime);
    // A session of an application keeps its end.
    let (child, token) = created(&mut client, in_application(USER, APPLICATION)).await;
    service.clock.advance(Duration::from_secs(1_000));
    let after = reauthenticate(&mut client, again(&token)).await.unwrap().session.unwrap();
    assert_eq!(after.expires_at, child.expires_at);
}

async fn only_its_own_user_and_current_token_count(service: &Service) {
    let mut client = service.operator();
    let (session, token) = created(&mut client, sso(USER)).await;
    let other_user = pb::ReauthenticateSessionRequest { user_id: "grace".to_owned(), ..again(&token) };
    assert_refused(reauthenticate(&mut client, other_user).await, Code::Unauthenticated, "TOKEN_REFUSED");
    let mut foreign = service.caller_of("other");
    assert_refused(reauthenticate(&mut foreign, again(&token)).await, Code::Unauthenticated, "TOKEN_REFUSED");
    for bad in ["lkr_", "nonsense", &format!("{token}A")] {
        assert_refused(reauthenticate(&mut client, again(bad)).await, Code::Unauthenticated, "TOKEN_REFUSED");
    }
    assert_eq!(get(&mut client, &session.id).await.unwrap().generation, 1);
    let revoke = pb::RevokeSessionRequest {
        session: Some(pb::revoke_session_request::Session::SessionId(session.id.clone())),
        ..Default::default()
    };
    client.revoke_session(revoke).await.unwrap();
    assert_refused(reauthenticate(&mut client, again(&token)).await, Code::Unauthenticated, "TOKEN_REFUSED");
}

async fn of_two_at_once_one_counts(service: &Service) {
    let mut client = service.operator();
    let (session, token) = created(&mut client, sso(USER)).await;
    let calls = (0..20).map(|_| {
        let (mut client, token) = (service.operator(), token.clone());
        tokio::spawn(async move { reauthenticate(&mut client, again(&token)).await.ok() })
    });
    let answers = futures::future::try_join_all(calls).await.unwrap();
    let won: Vec<_> = answers.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    assert!(validate(&mut client, by_token(&won[0].token)).await.active);
    assert_eq!(get(&mut client, &session.id).await.unwrap().generation, 2);
}
