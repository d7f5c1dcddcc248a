//! `TouchSession`.

use std::time::Duration;

use proto::session::v1::{self as pb, SessionKind};
use tonic::{Code, Status};

use crate::support::*;

on_each_store!(
    a_use_slides_the_idle_deadline_to_the_grain,
    a_participant_lives_on_by_its_uses,
    a_use_never_revives,
    a_use_is_recorded_whoever_else_writes,
    what_is_unknown_spent_or_foreign_is_not_found,
    every_field_is_checked,
);

fn id(id: &str) -> pb::TouchSessionRequest {
    let session = Some(pb::touch_session_request::Session::SessionId(id.to_owned()));
    pb::TouchSessionRequest { session, ..Default::default() }
}

fn token(token: &str) -> pb::TouchSessionRequest {
    let session = Some(pb::touch_session_request::Session::Token(token.to_owned()));
    pb::TouchSessionRequest { session, ..Default::default() }
}

async fn touch(client: &mut Client, request: pb::TouchSessionRequest) -> Result<pb::Session, Status> {
    client.touch_session(request).await.map(|answer| answer.into_inner().session.unwrap())
}

async fn a_use_slides_the_idle_deadline_to_the_grain(service: &Service) {
    let mut client = service.operator();
    let (session, secret) = created(&mut client, sso(USER)).await;
    service.clock.advance(Duration::from_secs(60) - Duration::from_millis(1));
    let same = touch(&mut client, id(&session.id)).await.unwrap();
    assert_eq!(same.idle_expires_at, session.idle_expires_at, "within the grain nothing is written");
    service.clock.advance(Duration::from_millis(1));
    let request = pb::TouchSessionRequest { ip_address: "10.0.0.7".to_owned(), ..token(&secret) };
    let moved = touch(&mut client, request).await.unwrap();
    assert_eq!(
        moved.last_active_at,
        Some(crate::support::service::START.saturating_add(Duration::from_secs(60)).to_proto())
    );
    assert_eq!(moved.device.as_ref().unwrap().last_ip_address, "10.0.0.7");
    assert_eq!(get(&mut client, &session.id).await.unwrap(), moved);
    service.clock.advance(Duration::from_secs(8 * 3600) - Duration::from_millis(1));
    assert!(is_active(&mut client, &session.id).await);
    service.clock.advance(Duration::from_millis(1));
    assert!(!is_active(&mut client, &session.id).await);
}

async fn a_participant_lives_on_by_its_uses(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    let (participant, _) = created(&mut client, under(&parent, SessionKind::Participant)).await;
    service.clock.advance(Duration::from_secs(3600));
    let moved = touch(&mut client, id(&participant.id)).await.unwrap();
    assert!(moved.idle_expires_at.unwrap().seconds > participant.idle_expires_at.unwrap().seconds);
}

async fn a_use_never_revives(service: &Service) {
    let mut client = service.operator();
    let (revoked, _) = created(&mut client, sso(USER)).await;
    revoke(&mut client, &revoked.id).await.unwrap();
    let (cut_off, _) = created(&mut client, sso("grace")).await;
    revoke_all(&mut client, of_user("grace")).await.unwrap();
    let (lapsed, _) = created(&mut client, sso(USER)).await;
    service.clock.advance(Duration::from_secs(8 * 3600));
    for session in [revoked, cut_off, lapsed] {
        let refused = touch(&mut client, id(&session.id)).await;
        assert_refused(refused, Code::FailedPrecondition, "SESSION_ENDED");
        assert!(!is_active(&mut client, &session.id).await);
    }
}

async fn a_use_is_recorded_whoever_else_writes(service: &Service) {
    let mut client = service.operator();
    let (session, secret) = created(&mut client, sso(USER)).await;
    service.clock.advance(Duration::from_secs(100));
    let uses = (0..20).map(|_| {
        let (mut client, request) = (client.clone(), id(&session.id));
        tokio::spawn(async move { touch(&mut client, request).await.unwrap() })
    });
    let uses: Vec<_> = uses.collect();
    refresh(&mut client, &secret).await.unwrap();
    for used in uses {
        assert_eq!(used.await.unwrap().last_active_at.unwrap().seconds, session.created_at.unwrap().seconds + 100);
    }
    assert_eq!(get(&mut client, &session.id).await.unwrap().generation, 2, "no use undid the refresh");
}

async fn what_is_unknown_spent_or_foreign_is_not_found(service: &Service) {
    let (mut ours, mut theirs) = (service.caller_of(TENANT), service.caller_of("other"));
    let (session, spent) = created(&mut ours, sso(USER)).await;
    let current = refresh(&mut ours, &spent).await.unwrap().token;
    for request in [token(&spent), token("lkr_x"), id("sess_aaaaaaaaaaaaaaaa")] {
        assert_refused(touch(&mut ours, request).await, Code::NotFound, "SESSION_NOT_FOUND");
    }
    for request in [token(&current), id(&session.id)] {
        assert_refused(touch(&mut theirs, request.clone()).await, Code::NotFound, "SESSION_NOT_FOUND");
        touch(&mut ours, request).await.unwrap();
    }
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.operator();
    let good = "sess_aaaaaaaaaaaaaaaa";
    let cases = [
        ("session", pb::TouchSessionRequest::default()),
        ("session_id", id("x")),
        ("token", token("")),
        ("ip_address", pb::TouchSessionRequest { ip_address: "x".to_owned(), ..id(good) }),
    ];
    for (field, request) in cases {
        assert_field(touch(&mut client, request).await, field);
    }
}
