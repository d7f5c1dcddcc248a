//! `ListSessions`.

use std::time::Duration;

use proto::session::v1::{self as pb, DeviceType, SessionKind, SessionOrder, SessionState};
use svc_kit::clock::Timestamp;
use tonic::Code;

use crate::support::{service::START, *};

on_each_store!(
    pages_hold_every_session_once_in_order,
    pages_are_stable_under_writes,
    every_filter_chooses,
    a_tenants_pages_hold_every_session_once_in_order,
    a_tenants_pages_are_stable_under_writes,
    every_filter_chooses_within_a_tenant,
    states_are_those_of_the_moment,
    a_page_token_belongs_to_its_list,
    every_field_is_checked,
    another_tenant_is_out_of_reach,
);

async fn pages_hold_every_session_once_in_order(service: &Service) {
    let mut client = service.operator();
    let mut ids = Vec::new();
    for number in 0..25 {
        // Several are created in the same millisecond.
        service.clock.advance(Duration::from_millis(number % 3));
        ids.push(created(&mut client, in_application(USER, APPLICATION)).await.0.id);
    }
    created(&mut client, in_application("grace", APPLICATION)).await;
    for page_size in [1, 7, 25, 500] {
        let mut listed: Vec<String> =
            listed(&mut client, of_user(USER), page_size).await.into_iter().map(|s| s.id).collect();
        let times = listed.len();
        listed.sort();
        listed.dedup();
        assert_eq!((times, listed.len()), (25, 25), "pages of {page_size}");
    }
    let request = |order: SessionOrder| pb::ListSessionsRequest {
        filter: Some(of_user(USER)),
        order: order.into(),
        ..Default::default()
    };
    let newest = client.list_sessions(request(SessionOrder::NewestFirst)).await.unwrap().into_inner().sessions;
    let mut oldest = client.list_sessions(request(SessionOrder::OldestFirst)).await.unwrap().into_inner().sessions;
    let at = |session: &pb::Session| Timestamp::from_proto(&session.created_at.unwrap()).unwrap();
    assert!(newest.is_sorted_by(|one, two| at(one) >= at(two)));
    oldest.reverse();
    assert_eq!(oldest, newest);
}

async fn pages_are_stable_under_writes(service: &Service) {
    let mut client = service.operator();
    let mut ids = Vec::new();
    for _ in 0..12 {
        service.clock.advance(Duration::from_millis(1));
        ids.push(created(&mut client, in_application(USER, APPLICATION)).await.0.id);
    }
    let mut request = pb::ListSessionsRequest { filter: Some(of_user(USER)), page_size: 4, ..Default::default() };
    let mut seen = Vec::new();
    for round in 0.. {
        let page = client.list_sessions(request.clone()).await.unwrap().into_inner();
        seen.extend(page.sessions.into_iter().map(|session| session.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
        // What comes, and what has been seen and goes, moves nothing.
        created(&mut client, in_application(USER, APPLICATION)).await;
        revoke(&mut client, &seen[round]).await.unwrap();
    }
    ids.reverse();
    assert_eq!(seen, ids);
}

async fn every_filter_chooses(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    service.clock.advance(Duration::from_secs(100));
    let device =
        Some(pb::Device { r#type: DeviceType::Mobile.into(), ip_address: "10.0.0.1".to_owned(), ..Default::default() });
    let (child, token) =
        created(&mut client, pb::CreateSessionRequest { device, ..under(&parent, SessionKind::Application) }).await;
    let (other, _) = created(&mut client, in_application(USER, "mobile")).await;
    service.clock.advance(Duration::from_secs(100));
    let request = pb::RefreshSessionRequest { token, ip_address: "10.0.0.2".to_owned(), ..Default::default() };
    client.refresh_session(request).await.unwrap();
    let at = |seconds| Some(START.saturating_add(Duration::from_secs(seconds)).to_proto());
    let user = of_user(USER);
    let cases: Vec<(pb::SessionFilter, Vec<&str>)> = vec![
        (user.clone(), vec![&parent.id, &child.id, &other.id]),
        (of_application(USER, APPLICATION), vec![&child.id]),
        (
            pb::SessionFilter { application_ids: vec!["mobile".into(), APPLICATION.into()], ..user.clone() },
            vec![&child.id, &other.id],
        ),
        (of_application(USER, "none"), vec![]),
        (pb::SessionFilter { kinds: vec![SessionKind::Sso.into()], ..user.clone() }, vec![&parent.id]),
        (pb::SessionFilter { parent_id: parent.id.clone(), ..user.clone() }, vec![&child.id]),
        (pb::SessionFilter { device_type: DeviceType::Mobile.into(), ..user.clone() }, vec![&child.id]),
        (pb::SessionFilter { ip_address: "10.0.0.1".into(), ..user.clone() }, vec![&child.id]),
        (pb::SessionFilter { ip_address: "::ffff:10.0.0.2".into(), ..user.clone() }, vec![&child.id]),
        (pb::SessionFilter { created_after: at(100), ..user.clone() }, vec![&child.id, &other.id]),
        (pb::SessionFilter { created_before: at(100), ..user.clone() }, vec![&parent.id]),
        (pb::SessionFilter { last_active_after: at(200), ..user.clone() }, vec![&child.id]),
        (pb::SessionFilter { last_active_before: at(200), ..user.clone() }, vec![&parent.id, &other.id]),
        (pb::SessionFilter { except_session_id: child.id.clone(), ..user.clone() }, vec![&parent.id, &other.id]),
    ];
    for (filter, mut expected) in cases {
        let mut found: Vec<String> = listed(&mut client, filter.clone(), 50).await.into_iter().map(|s| s.id).collect();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{filter:?}");
    }
}

/// Sessions of several users, in all shards, some of the same millisecond; their ids by creation and id.
async fn of_many_users(service: &Service, count: u64) -> Vec<String> {
    let (mut client, mut sessions) = (service.operator(), Vec::new());
    for number in 0..count {
        service.clock.advance(Duration::from_millis(number % 3));
        sessions.push(created(&mut client, in_application(&format!("user{}", number % 7), APPLICATION)).await.0);
    }
    let other = pb::CreateSessionRequest { tenant_id: "other".to_owned(), ..sso("user1") };
    created(&mut client, other).await;
    sessions.sort_by_key(|session| {
        let at = session.created_at.unwrap();
        (at.seconds, at.nanos, session_svc::domain::id::SessionId::parse(&session.id).unwrap())
    });
    sessions.into_iter().map(|session| session.id).collect()
}

async fn a_tenants_pages_hold_every_session_once_in_order(service: &Service) {
    let mut client = service.operator();
    let mut ids = of_many_users(service, 60).await;
    let request = pb::ListSessionsRequest {
        filter: Some(of_tenant()),
        order: SessionOrder::OldestFirst.into(),
        page_size: 500,
        ..Default::default()
    };
    let oldest = client.list_sessions(request).await.unwrap().into_inner().sessions;
    assert_eq!(oldest.into_iter().map(|session| session.id).collect::<Vec<_>>(), ids);
    ids.reverse();
    for page_size in [1, 7, 60, 500] {
        let newest = listed(&mut client, of_tenant(), page_size).await;
        assert_eq!(newest.into_iter().map(|session| session.id).collect::<Vec<_>>(), ids, "pages of {page_size}");
    }
}

async fn a_tenants_pages_are_stable_under_writes(service: &Service) {
    let mut client = service.operator();
    let mut ids = of_many_users(service, 30).await;
    let mut request = pb::ListSessionsRequest { filter: Some(of_tenant()), page_size: 4, ..Default::default() };
    let mut seen = Vec::new();
    for round in 0.. {
        let page = client.list_sessions(request.clone()).await.unwrap().into_inner();
        seen.extend(page.sessions.into_iter().map(|session| session.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
        // What comes, and what has been seen and goes, moves nothing.
        service.clock.advance(Duration::from_millis(1));
        created(&mut client, in_application(&format!("late{round}"), APPLICATION)).await;
        revoke(&mut client, &seen[round]).await.unwrap();
    }
    ids.reverse();
    assert_eq!(seen, ids);
}

async fn every_filter_chooses_within_a_tenant(service: &Service) {
    let mut client = service.operator();
    let (ada, _) = created(&mut client, in_application("ada", APPLICATION)).await;
    let (grace, _) = created(&mut client, in_application("grace", "mobile")).await;
    let (parent, _) = created(&mut client, sso("alan")).await;
    let (child, _) = created(&mut client, under(&parent, SessionKind::Participant)).await;
    revoke(&mut client, &grace.id).await.unwrap();
    let cases: Vec<(pb::SessionFilter, Vec<&str>)> = vec![
        (of_tenant(), vec![&ada.id, &parent.id, &child.id]),
        (pb::SessionFilter { states: vec![SessionState::Revoked.into()], ..of_tenant() }, vec![&grace.id]),
        (pb::SessionFilter { application_ids: vec![APPLICATION.into()], ..of_tenant() }, vec![&ada.id, &child.id]),
        (pb::SessionFilter { parent_id: parent.id.clone(), ..of_tenant() }, vec![&child.id]),
        (pb::SessionFilter { kinds: vec![SessionKind::Sso.into()], ..of_tenant() }, vec![&parent.id]),
    ];
    for (filter, mut expected) in cases {
        let mut found: Vec<String> = listed(&mut client, filter.clone(), 2).await.into_iter().map(|s| s.id).collect();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{filter:?}");
    }
}

async fn states_are_those_of_the_moment(service: &Service) {
    let mut client = service.operator();
    let (lapsed, _) = created(&mut client, sso(USER)).await;
    service.clock.advance(Duration::from_secs(8 * 3600));
    let (revoked, _) = created(&mut client, sso(USER)).await;
    revoke(&mut client, &revoked.id).await.unwrap();
    let (alive, _) = created(&mut client, sso(USER)).await;
    for (states, expected) in [
        (vec![], vec![&alive.id]),
        (vec![SessionState::Active], vec![&alive.id]),
        (vec![SessionState::Revoked], vec![&revoked.id]),
        (vec![SessionState::Expired], vec![&lapsed.id]),
    ] {
        let states = states.into_iter().map(i32::from).collect();
        let found = listed(&mut client, pb::SessionFilter { states, ..of_user(USER) }, 50).await;
        assert_eq!(found.iter().map(|session| &session.id).collect::<Vec<_>>(), expected);
    }
}

async fn a_page_token_belongs_to_its_list(service: &Service) {
    let mut client = service.operator();
    for _ in 0..3 {
        created(&mut client, sso(USER)).await;
    }
    let request = pb::ListSessionsRequest { filter: Some(of_user(USER)), page_size: 1, ..Default::default() };
    let page_token = client.list_sessions(request.clone()).await.unwrap().into_inner().next_page_token;
    let mut wrong = vec![
        pb::ListSessionsRequest { filter: Some(of_user("grace")), page_token: page_token.clone(), ..request.clone() },
        pb::ListSessionsRequest {
            order: SessionOrder::OldestFirst.into(),
            page_token: page_token.clone(),
            ..request.clone()
        },
    ];
    for token in ["x", "AAAA", &page_token[1..], &"A".repeat(100_000)] {
        wrong.push(pb::ListSessionsRequest { page_token: token.to_owned(), ..request.clone() });
    }
    for request in wrong {
        assert_refused(client.list_sessions(request).await, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    }
    // The size may change on the way.
    let rest = pb::ListSessionsRequest { page_token, page_size: 500, ..request };
    assert_eq!(client.list_sessions(rest).await.unwrap().into_inner().sessions.len(), 2);
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.operator();
    let ask = |filter: pb::SessionFilter| pb::ListSessionsRequest { filter: Some(filter), ..Default::default() };
    let out_of_range = Some(prost_types::Timestamp { seconds: -1, nanos: 0 });
    let user = of_user(USER);
    let cases = [
        ("filter", pb::ListSessionsRequest::default()),
        ("filter.tenant_id", ask(pb::SessionFilter { tenant_id: String::new(), ..user.clone() })),
        ("filter.user_id", ask(pb::SessionFilter { user_id: "a b".into(), ..user.clone() })),
        ("filter.application_ids", ask(pb::SessionFilter { application_ids: vec!["a".into(); 65], ..user.clone() })),
        ("filter.application_ids", ask(pb::SessionFilter { application_ids: vec![String::new()], ..user.clone() })),
        ("filter.kinds", ask(pb::SessionFilter { kinds: vec![0], ..user.clone() })),
        ("filter.states", ask(pb::SessionFilter { states: vec![9], ..user.clone() })),
        ("filter.parent_id", ask(pb::SessionFilter { parent_id: "x".into(), ..user.clone() })),
        ("filter.device_type", ask(pb::SessionFilter { device_type: 42, ..user.clone() })),
        ("filter.ip_address", ask(pb::SessionFilter { ip_address: "x".into(), ..user.clone() })),
        ("filter.created_after", ask(pb::SessionFilter { created_after: out_of_range, ..user.clone() })),
        ("filter.created_before", ask(pb::SessionFilter { created_before: out_of_range, ..user.clone() })),
        ("filter.last_active_after", ask(pb::SessionFilter { last_active_after: out_of_range, ..user.clone() })),
        ("filter.last_active_before", ask(pb::SessionFilter { last_active_before: out_of_range, ..user.clone() })),
        ("filter.except_session_id", ask(pb::SessionFilter { except_session_id: "x".into(), ..user.clone() })),
        ("page_size", pb::ListSessionsRequest { page_size: -1, ..ask(user.clone()) }),
        ("order", pb::ListSessionsRequest { order: 5, ..ask(user.clone()) }),
    ];
    for (field, request) in cases {
        assert_field(client.list_sessions(request).await, field);
    }
    client.list_sessions(pb::ListSessionsRequest { page_size: i32::MAX, ..ask(user) }).await.unwrap();
}

async fn another_tenant_is_out_of_reach(service: &Service) {
    let (mut ours, mut theirs) = (service.caller_of(TENANT), service.caller_of("other"));
    created(&mut ours, sso(USER)).await;
    let request = pb::ListSessionsRequest { filter: Some(of_user(USER)), ..Default::default() };
    assert_refused(theirs.list_sessions(request).await, Code::PermissionDenied, "TENANT_MISMATCH");
    let own = pb::SessionFilter { tenant_id: "other".to_owned(), ..of_user(USER) };
    assert_eq!(listed(&mut theirs, own, 50).await, vec![]);
}
