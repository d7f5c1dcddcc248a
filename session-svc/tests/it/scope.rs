//! `CloseScope`, `OpenScope` and `GetScope`.

use proto::session::v1::{self as pb, EndReason, SessionKind};
use tonic::{Code, Status};

use crate::support::*;

on_each_store!(
    a_closed_user_is_signed_out_and_stays_out,
    every_kind_of_scope_covers_what_is_in_it,
    no_sign_in_in_flight_slips_past_a_closing,
    a_revocation_does_not_open_what_is_closed,
    closing_and_opening_are_told_of_once,
    a_late_retry_closes_nothing_again,
    every_field_is_checked,
    another_tenant_is_out_of_reach,
);

fn scope(user: &str, application: &str) -> pb::SessionScope {
    pb::SessionScope { tenant_id: TENANT.to_owned(), user_id: user.to_owned(), application_id: application.to_owned() }
}

async fn close(client: &mut Client, scope: pb::SessionScope) -> Result<pb::CloseScopeResponse, Status> {
    let request = pb::CloseScopeRequest { scope: Some(scope), ..Default::default() };
    client.close_scope(request).await.map(tonic::Response::into_inner)
}

async fn open(client: &mut Client, scope: pb::SessionScope) -> bool {
    let request = pb::OpenScopeRequest { scope: Some(scope), ..Default::default() };
    client.open_scope(request).await.unwrap().into_inner().was_closed
}

async fn state(client: &mut Client, scope: pb::SessionScope) -> pb::GetScopeResponse {
    client.get_scope(pb::GetScopeRequest { scope: Some(scope) }).await.unwrap().into_inner()
}

async fn a_closed_user_is_signed_out_and_stays_out(service: &Service) {
    let mut client = service.operator();
    let (session, token) = created(&mut client, sso(USER)).await;
    let request = pb::CloseScopeRequest {
        scope: Some(scope(USER, "")),
        reason: EndReason::AccountDisabled.into(),
        comment: "left".to_owned(),
        ..Default::default()
    };
    let closed = client.close_scope(request).await.unwrap().into_inner();
    assert!(!closed.already_closed && !closed.cutoff_revision.is_empty());
    assert!(!is_active(&mut client, &session.id).await);
    assert_refused(refresh(&mut client, &token).await, Code::Unauthenticated, "TOKEN_REFUSED");
    for request in [sso(USER), in_application(USER, APPLICATION), under(&session, SessionKind::Application)] {
        assert_refused(client.create_session(request).await, Code::FailedPrecondition, "SCOPE_CLOSED");
    }
    assert_eq!(get(&mut client, &session.id).await.unwrap().end_reason(), EndReason::AccountDisabled);
    let now = state(&mut client, scope(USER, "")).await;
    assert_eq!((now.closed, now.reason(), now.comment.as_str()), (true, EndReason::AccountDisabled, "left"));
    assert_eq!(now.closed_by, "operator:dev");
    assert!(open(&mut client, scope(USER, "")).await && !open(&mut client, scope(USER, "")).await);
    assert!(!state(&mut client, scope(USER, "")).await.closed);
    let (later, _) = created(&mut client, sso(USER)).await;
    assert!(is_active(&mut client, &later.id).await && !is_active(&mut client, &session.id).await);
}

async fn every_kind_of_scope_covers_what_is_in_it(service: &Service) {
    let mut client = service.operator();
    let requests =
        [sso("ada"), in_application("ada", "web"), in_application("ada", "tv"), in_application("bob", "web")];
    for (user, application, refused) in [
        ("", "", [true, true, true, true]),
        ("ada", "", [true, true, true, false]),
        ("", "web", [false, true, false, true]),
        ("ada", "web", [false, true, false, false]),
    ] {
        let mut before = Vec::new();
        for request in &requests {
            before.push(created(&mut client, request.clone()).await.0.id);
        }
        close(&mut client, scope(user, application)).await.unwrap();
        for ((request, is_refused), id) in requests.iter().zip(refused).zip(&before) {
            assert_eq!(is_active(&mut client, id).await, !is_refused, "{user} {application}");
            assert_eq!(client.create_session(request.clone()).await.is_err(), is_refused, "{user} {application}");
        }
        let foreign = pb::CreateSessionRequest { tenant_id: "other".to_owned(), ..requests[1].clone() };
        created(&mut client, foreign).await;
        assert!(open(&mut client, scope(user, application)).await);
        for request in &requests {
            created(&mut client, request.clone()).await;
        }
    }
}

async fn no_sign_in_in_flight_slips_past_a_closing(service: &Service) {
    let mut client = service.operator();
    for round in 0..40 {
        let what = if round % 2 == 0 { scope(USER, "") } else { scope("", "") };
        let sign_ins = (0..6).map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.create_session(sso(USER)).await })
        });
        let sign_ins: Vec<_> = sign_ins.collect();
        close(&mut client, what.clone()).await.unwrap();
        for sign_in in sign_ins {
            match sign_in.await.unwrap() {
                Ok(answer) => assert!(!is_active(&mut client, &answer.into_inner().session.unwrap().id).await),
                refused => assert_refused(refused, Code::FailedPrecondition, "SCOPE_CLOSED"),
            }
        }
        assert_eq!(listed(&mut client, of_user(USER), 500).await, vec![]);
        open(&mut client, what).await;
    }
}

async fn a_revocation_does_not_open_what_is_closed(service: &Service) {
    let mut client = service.operator();
    for what in [scope(USER, ""), scope("", "")] {
        close(&mut client, what.clone()).await.unwrap();
        revoke_all(&mut client, of_user(USER)).await.unwrap();
        revoke_all(&mut client, of_tenant()).await.unwrap();
        assert_refused(client.create_session(sso(USER)).await, Code::FailedPrecondition, "SCOPE_CLOSED");
        assert!(close(&mut client, what.clone()).await.unwrap().already_closed);
        assert!(open(&mut client, what).await);
        created(&mut client, sso(USER)).await;
    }
}

async fn closing_and_opening_are_told_of_once(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    close(&mut client, scope("", "")).await.unwrap();
    service.events.are(&session.id, &["session.created", "session.revoked"]).await;
    open(&mut client, scope("", "")).await;
    // Opening ends nothing a second time.
    let (later, _) = created(&mut client, sso(USER)).await;
    revoke(&mut client, &later.id).await.unwrap();
    service.events.are(&later.id, &["session.created", "session.revoked"]).await;
    let cutoffs = service.events.all().into_iter().filter(|event| event.r#type == "sessions.cutoff").count();
    assert_eq!((cutoffs, service.events.of(&session.id).len()), (1, 2));
}

async fn a_late_retry_closes_nothing_again(service: &Service) {
    let mut client = service.operator();
    let idempotency_key = "k".to_owned();
    let request = pb::CloseScopeRequest { scope: Some(scope(USER, "")), idempotency_key, ..Default::default() };
    let first = client.close_scope(request.clone()).await.unwrap().into_inner();
    open(&mut client, scope(USER, "")).await;
    let (session, _) = created(&mut client, sso(USER)).await;
    assert_eq!(client.close_scope(request).await.unwrap().into_inner(), first);
    assert!(is_active(&mut client, &session.id).await);
    let idempotency_key = "k".to_owned();
    let other = pb::OpenScopeRequest { scope: Some(scope(USER, "")), idempotency_key };
    assert_refused(client.open_scope(other).await, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.operator();
    let good = pb::CloseScopeRequest { scope: Some(scope(USER, "")), ..Default::default() };
    let scoped = |scope: pb::SessionScope| pb::CloseScopeRequest { scope: Some(scope), ..good.clone() };
    let nowhere = pb::SessionScope { tenant_id: String::new(), ..scope(USER, "") };
    let cases = [
        ("scope", pb::CloseScopeRequest { scope: None, ..good.clone() }),
        ("scope.tenant_id", scoped(nowhere)),
        ("scope.user_id", scoped(scope("a b", ""))),
        ("scope.application_id", scoped(scope(USER, "a b"))),
        ("reason", pb::CloseScopeRequest { reason: EndReason::Idle.into(), ..good.clone() }),
        ("comment", pb::CloseScopeRequest { comment: "x".repeat(257), ..good.clone() }),
        ("idempotency_key", pb::CloseScopeRequest { idempotency_key: "x".repeat(129), ..good.clone() }),
    ];
    for (field, request) in cases {
        assert_field(client.close_scope(request).await, field);
    }
    assert_field(client.open_scope(pb::OpenScopeRequest::default()).await, "scope");
    assert_field(client.get_scope(pb::GetScopeRequest::default()).await, "scope");
    created(&mut client, sso(USER)).await;
}

async fn another_tenant_is_out_of_reach(service: &Service) {
    let mut theirs = service.caller_of("other");
    assert_refused(close(&mut theirs, scope(USER, "")).await, Code::PermissionDenied, "TENANT_MISMATCH");
    let request = pb::OpenScopeRequest { scope: Some(scope(USER, "")), ..Default::default() };
    assert_refused(theirs.open_scope(request).await, Code::PermissionDenied, "TENANT_MISMATCH");
}
