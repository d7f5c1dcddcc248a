//! `CountSessions`.

use std::time::Duration;

use proto::session::v1::{self as pb, SessionKind, SessionState};
use tonic::Code;

use crate::support::*;

on_each_store!(
    a_count_is_that_of_the_list,
    living_sessions_of_a_tenant_are_counted_as_they_come_and_go,
    a_count_needs_a_filter,
    another_tenant_is_out_of_reach,
);

async fn count(client: &mut Client, filter: pb::SessionFilter) -> (i64, bool) {
    let request = pb::CountSessionsRequest { filter: Some(filter) };
    let answer = client.count_sessions(request).await.unwrap().into_inner();
    (answer.count, answer.truncated)
}

async fn a_count_is_that_of_the_list(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    created(&mut client, under(&parent, SessionKind::Application)).await;
    let (ended, _) = created(&mut client, in_application(USER, "mobile")).await;
    created(&mut client, in_application("grace", APPLICATION)).await;
    revoke(&mut client, &ended.id).await.unwrap();
    let user = of_user(USER);
    assert_eq!(count(&mut client, user.clone()).await, (2, false));
    assert_eq!(count(&mut client, of_application(USER, APPLICATION)).await, (1, false));
    let over = pb::SessionFilter { states: vec![SessionState::Revoked.into()], ..user.clone() };
    assert_eq!(count(&mut client, over).await, (1, false));
    assert_eq!(count(&mut client, of_user("nobody")).await, (0, false));
    // What time ended is not counted, whoever has recorded it.
    service.clock.advance(Duration::from_secs(8 * 3600));
    assert_eq!(count(&mut client, user).await, (1, false));
}

async fn living_sessions_of_a_tenant_are_counted_as_they_come_and_go(service: &Service) {
    let mut client = service.operator();
    let of_web = pb::SessionFilter { application_ids: vec![APPLICATION.to_owned()], ..of_tenant() };
    let of_both = pb::SessionFilter { application_ids: vec![APPLICATION.to_owned(), "tv".to_owned()], ..of_tenant() };
    let mut sessions = Vec::new();
    for number in 0..12 {
        let application = [APPLICATION, "mobile", "tv"][number % 3];
        sessions.push(created(&mut client, in_application(&format!("user{number}"), application)).await.0);
    }
    let (parent, token) = created(&mut client, sso(USER)).await;
    created(&mut client, under(&parent, SessionKind::Participant)).await;
    created(&mut client, pb::CreateSessionRequest { tenant_id: "other".to_owned(), ..sso(USER) }).await;
    assert_eq!(count(&mut client, of_tenant()).await, (14, false));
    assert_eq!(count(&mut client, of_web.clone()).await, (5, false));
    // Refreshing and changing counts nothing twice; an end takes the children with it.
    let current = refresh(&mut client, &token).await.unwrap().token;
    revoke(&mut client, &sessions[0].id).await.unwrap();
    revoke(&mut client, &sessions[0].id).await.unwrap();
    revoke(&mut client, &sessions[1].id).await.unwrap();
    assert_eq!(count(&mut client, of_both.clone()).await, (8, false));
    // The spent token ends the session, and with it its participant.
    service.clock.advance(Duration::from_secs(60));
    refresh(&mut client, &current).await.unwrap();
    assert!(refresh(&mut client, &token).await.is_err());
    assert_eq!(count(&mut client, of_tenant()).await, (10, false));
    assert_eq!(count(&mut client, of_web.clone()).await, (3, false));
    // By a mass revocation and by time, as soon as that is recorded.
    revoke_all(&mut client, of_user("user3")).await.unwrap();
    let look = async |filter: pb::SessionFilter, wanted: i64| {
        let look = || async { (count(&mut service.operator(), filter.clone()).await.0 == wanted).then_some(()) };
        eventually("the count follows", look).await;
    };
    look(of_web.clone(), 2).await;
    service.clock.advance(Duration::from_secs(100 * 24 * 3600));
    look(of_tenant(), 0).await;
    look(of_both, 0).await;
}

async fn a_count_needs_a_filter(service: &Service) {
    let mut client = service.operator();
    assert_field(client.count_sessions(pb::CountSessionsRequest::default()).await, "filter");
    let filter = Some(pb::SessionFilter { ip_address: "x".to_owned(), ..of_user(USER) });
    assert_field(client.count_sessions(pb::CountSessionsRequest { filter }).await, "filter.ip_address");
}

async fn another_tenant_is_out_of_reach(service: &Service) {
    let mut theirs = service.caller_of("other");
    let request = pb::CountSessionsRequest { filter: Some(of_user(USER)) };
    assert_refused(theirs.count_sessions(request).await, Code::PermissionDenied, "TENANT_MISMATCH");
}
