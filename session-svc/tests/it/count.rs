//! `CountSessions`.

use std::time::Duration;

use proto::session::v1::{self as pb, SessionKind, SessionState};
use tonic::Code;

use crate::support::*;

on_each_store!(a_count_is_that_of_the_list, a_count_needs_a_filter, another_tenant_is_out_of_reach);

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
