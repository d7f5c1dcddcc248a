//! `RevokeSessions`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proto::session::v1::{self as pb, EndReason, SessionKind};
use session_svc::{
    app::revoke_many::RevokeSessions,
    domain::{end, filter::Filter},
    store::memory::MemoryStore,
};
use svc_kit::clock::ManualClock;
use tonic::Code;

use crate::{
    model::everything,
    support::{
        service::START,
        use_cases::{caller, use_cases},
        *,
    },
};

on_each_store!(
    a_user_is_cut_off_at_once_and_each_session_is_told_of,
    an_application_of_a_user_is_cut_off_alone,
    a_tenant_is_cut_off_at_once_in_every_shard,
    an_application_is_cut_off_for_every_user,
    no_sign_in_in_flight_slips_past_a_tenants_cut,
    every_user_is_meant_only_when_that_is_said,
    any_filter_can_end_sessions_of_a_tenant,
    the_single_ends_of_a_cut_are_told_of_at_once,
    what_comes_after_the_cut_lives,
    a_dry_run_changes_nothing,
    all_but_one_end,
    any_filter_can_end_sessions,
    a_sign_in_in_flight_never_slips_past_the_answer,
    an_idempotency_key_has_one_effect,
    every_field_is_checked,
    another_tenant_is_out_of_reach,
);

async fn a_user_is_cut_off_at_once_and_each_session_is_told_of(service: &Service) {
    let mut client = service.operator();
    let (parent, token) = created(&mut client, sso(USER)).await;
    let (child, _) = created(&mut client, under(&parent, SessionKind::Application)).await;
    let (other, _) = created(&mut client, sso("grace")).await;
    let request = pb::RevokeSessionsRequest {
        filter: Some(of_user(USER)),
        reason: EndReason::AccountDisabled.into(),
        comment: "left the company".to_owned(),
        ..Default::default()
    };
    let answer = client.revoke_sessions(request).await.unwrap().into_inner();
    let mut ids = answer.session_ids.clone();
    ids.sort();
    let mut expected = vec![parent.id.clone(), child.id.clone()];
    expected.sort();
    assert_eq!((ids, answer.revoked_count, answer.truncated), (expected, 2, false));
    assert!(!answer.cutoff_revision.is_empty());
    for id in [&parent.id, &child.id] {
        assert!(!is_active(&mut client, id).await);
        let ended = get(&mut client, id).await.unwrap();
        assert_eq!(
            (ended.end_reason, ended.end_comment.as_str()),
            (EndReason::AccountDisabled.into(), "left the company")
        );
        assert_eq!(ended.ended_by, "operator:dev");
    }
    assert_refused(refresh(&mut client, &token).await, Code::Unauthenticated, "TOKEN_REFUSED");
    assert!(is_active(&mut client, &other.id).await);
    for id in [&parent.id, &child.id] {
        service.events.are(id, &["session.created", "session.revoked"]).await;
    }
    let cutoffs = service.events.all().into_iter().filter(|event| event.r#type == "sessions.cutoff").count();
    assert_eq!(cutoffs, 1);
    assert_eq!(listed(&mut client, of_user(USER), 50).await, vec![]);
}

async fn an_application_of_a_user_is_cut_off_alone(service: &Service) {
    let mut client = service.operator();
    let (web, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    let (mobile, _) = created(&mut client, in_application(USER, "mobile")).await;
    let (tv, _) = created(&mut client, in_application(USER, "tv")).await;
    let both = pb::SessionFilter { application_ids: vec![APPLICATION.into(), "tv".into()], ..of_user(USER) };
    assert_eq!(revoke_all(&mut client, both).await.unwrap().revoked_count, 2);
    for (id, is_alive) in [(&web.id, false), (&tv.id, false), (&mobile.id, true)] {
        assert_eq!(is_active(&mut client, id).await, is_alive);
    }
}

async fn a_tenant_is_cut_off_at_once_in_every_shard(service: &Service) {
    let mut client = service.operator();
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(created(&mut client, sso(&format!("user{number}"))).await.0.id);
    }
    let (child, _) = created(&mut client, in_application("user3", APPLICATION)).await;
    ids.push(child.id);
    let foreign = pb::CreateSessionRequest { tenant_id: "other".to_owned(), ..sso(USER) };
    let (foreign, _) = created(&mut client, foreign).await;
    let answer = revoke_all(&mut client, of_tenant()).await.unwrap();
    let mut named = answer.session_ids;
    named.sort();
    ids.sort();
    assert_eq!((&named, answer.revoked_count, answer.truncated), (&ids, 21, false));
    for id in &ids {
        assert!(!is_active(&mut client, id).await);
    }
    assert_eq!(listed(&mut client, of_tenant(), 50).await, vec![]);
    let (later, _) = created(&mut client, sso("user3")).await;
    assert!(is_active(&mut client, &later.id).await && is_active(&mut client, &foreign.id).await);
    for id in &ids {
        service.events.are(id, &["session.created", "session.revoked"]).await;
    }
    let events = service.events.all();
    let cutoffs: Vec<_> = events.iter().filter(|event| event.r#type == "sessions.cutoff").collect();
    assert_eq!(cutoffs.len(), 1, "told of once, not by every shard");
    assert_eq!((cutoffs[0].tenant_id.as_str(), cutoffs[0].user_id.as_str()), (TENANT, ""));
    assert_eq!(cutoffs[0].aggregate_id, TENANT);
    // Whatever is cleaned up later: nothing has a second end.
    assert!(ids.iter().all(|id| service.events.of(id).len() == 2));
}

async fn an_application_is_cut_off_for_every_user(service: &Service) {
    let mut client = service.operator();
    let (mut dead, mut alive) = (Vec::new(), Vec::new());
    for number in 0..12 {
        let user = format!("user{number}");
        dead.push(created(&mut client, in_application(&user, APPLICATION)).await.0.id);
        alive.push(created(&mut client, in_application(&user, "mobile")).await.0.id);
        alive.push(created(&mut client, sso(&user)).await.0.id);
    }
    let filter = pb::SessionFilter { application_ids: vec![APPLICATION.to_owned()], ..of_tenant() };
    let request = pb::RevokeSessionsRequest {
        filter: Some(filter),
        all_users: true,
        reason: EndReason::ApplicationRemoved.into(),
        ..Default::default()
    };
    assert_eq!(client.revoke_sessions(request).await.unwrap().into_inner().revoked_count, 12);
    for id in &dead {
        let ended = get(&mut client, id).await.unwrap();
        assert_eq!(ended.end_reason(), EndReason::ApplicationRemoved);
    }
    for id in &alive {
        assert!(is_active(&mut client, id).await);
    }
    for id in &dead {
        service.events.are(id, &["session.created", "session.revoked"]).await;
    }
}

async fn no_sign_in_in_flight_slips_past_a_tenants_cut(service: &Service) {
    let mut client = service.operator();
    for round in 0..20 {
        let sign_ins = (0..6).map(|number| {
            let (mut client, user) = (client.clone(), format!("user{round}-{number}"));
            tokio::spawn(async move { created(&mut client, sso(&user)).await.0 })
        });
        let sign_ins: Vec<_> = sign_ins.collect();
        revoke_all(&mut client, of_tenant()).await.unwrap();
        // What the list says now is what came after the cut, for good.
        let alive: Vec<String> = listed(&mut client, of_tenant(), 500).await.into_iter().map(|s| s.id).collect();
        for sign_in in sign_ins {
            let session = sign_in.await.unwrap();
            let is_alive = is_active(&mut client, &session.id).await;
            assert!(is_alive || !alive.contains(&session.id), "alive after the cut, dead later");
        }
        revoke_all(&mut client, of_tenant()).await.unwrap();
        assert_eq!(listed(&mut client, of_tenant(), 500).await, vec![]);
    }
}

async fn every_user_is_meant_only_when_that_is_said(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let request = pb::RevokeSessionsRequest { filter: Some(of_tenant()), ..Default::default() };
    assert_field(client.revoke_sessions(request).await, "all_users");
    assert!(is_active(&mut client, &session.id).await);
}

async fn any_filter_can_end_sessions_of_a_tenant(service: &Service) {
    let mut client = service.operator();
    let device = Some(pb::Device { ip_address: "10.6.6.6".to_owned(), ..Default::default() });
    let (mut bad, mut good) = (Vec::new(), Vec::new());
    for number in 0..8 {
        let request = sso(&format!("user{number}"));
        good.push(created(&mut client, request.clone()).await.0.id);
        bad.push(created(&mut client, pb::CreateSessionRequest { device: device.clone(), ..request }).await.0.id);
    }
    let filter = pb::SessionFilter { ip_address: "10.6.6.6".to_owned(), ..of_tenant() };
    let answer = revoke_all(&mut client, filter).await.unwrap();
    assert_eq!((answer.revoked_count, answer.truncated, answer.incomplete), (8, false, false));
    for (id, is_alive) in bad.iter().map(|id| (id, false)).chain(good.iter().map(|id| (id, true))) {
        assert_eq!(is_active(&mut client, id).await, is_alive);
    }
}

async fn the_single_ends_of_a_cut_are_told_of_at_once(service: &Service) {
    let mut client = service.operator();
    let mut waited = Duration::ZERO;
    for _ in 0..10 {
        let (session, _) = created(&mut client, sso(USER)).await;
        let start = Instant::now();
        revoke_all(&mut client, of_user(USER)).await.unwrap();
        service.events.are(&session.id, &["session.created", "session.revoked"]).await;
        waited += start.elapsed();
    }
    // A sweep a second would take five seconds for these.
    assert!(waited < Duration::from_secs(3), "{waited:?} for ten");
}

async fn what_comes_after_the_cut_lives(service: &Service) {
    let mut client = service.operator();
    created(&mut client, sso(USER)).await;
    revoke_all(&mut client, of_user(USER)).await.unwrap();
    // The clock stands still: only the order decides.
    let (later, token) = created(&mut client, sso(USER)).await;
    assert!(is_active(&mut client, &later.id).await);
    refresh(&mut client, &token).await.unwrap();
}

async fn a_dry_run_changes_nothing(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let request = pb::RevokeSessionsRequest { filter: Some(of_user(USER)), dry_run: true, ..Default::default() };
    let answer = client.revoke_sessions(request).await.unwrap().into_inner();
    assert_eq!((answer.session_ids, answer.revoked_count), (vec![session.id.clone()], 1));
    assert!(answer.cutoff_revision.is_empty());
    assert_eq!(get(&mut client, &session.id).await.unwrap(), session);
}

async fn all_but_one_end(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    let (mine, _) = created(&mut client, under(&parent, SessionKind::Application)).await;
    let (other, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    let others = pb::SessionFilter { except_session_id: mine.id.clone(), ..of_user(USER) };
    assert_eq!(revoke_all(&mut client, others).await.unwrap().revoked_count, 2);
    assert!(is_active(&mut client, &mine.id).await, "not even the end of its parent ends it");
    for id in [&parent.id, &other.id] {
        service.events.are(id, &["session.created", "session.revoked"]).await;
    }
    assert!(is_active(&mut client, &mine.id).await);
}

async fn any_filter_can_end_sessions(service: &Service) {
    let mut client = service.operator();
    let device = Some(pb::Device { r#type: pb::DeviceType::Mobile.into(), ..Default::default() });
    let (phone, _) = created(&mut client, pb::CreateSessionRequest { device, ..sso(USER) }).await;
    let (laptop, _) = created(&mut client, sso(USER)).await;
    let phones = pb::SessionFilter { device_type: pb::DeviceType::Mobile.into(), ..of_user(USER) };
    let answer = revoke_all(&mut client, phones.clone()).await.unwrap();
    assert_eq!((answer.session_ids, answer.revoked_count), (vec![phone.id.clone()], 1));
    assert!(!is_active(&mut client, &phone.id).await && is_active(&mut client, &laptop.id).await);
    assert_eq!(revoke_all(&mut client, phones).await.unwrap().revoked_count, 0);
    service.events.are(&phone.id, &["session.created", "session.revoked"]).await;
}

async fn a_sign_in_in_flight_never_slips_past_the_answer(service: &Service) {
    let mut client = service.operator();
    for _ in 0..50 {
        let sign_ins = (0..4).map(|_| {
            let mut client = service.operator();
            tokio::spawn(async move { created(&mut client, sso(USER)).await.0 })
        });
        let sign_ins: Vec<_> = sign_ins.collect();
        let mut operator = service.operator();
        let cut = tokio::spawn(async move { revoke_all(&mut operator, of_user(USER)).await.unwrap() });
        let sessions = futures::future::try_join_all(sign_ins).await.unwrap();
        let cut = cut.await.unwrap().cutoff_revision;
        for session in sessions {
            // A revision starts with the position at which the session was created.
            let is_later = position(&session.revision) > position(&cut);
            assert_eq!(is_active(&mut client, &session.id).await, is_later, "{} {cut}", session.revision);
        }
    }
}

fn position(revision: &str) -> (u64, u64) {
    let (ms, number) = revision.split('.').next().unwrap().split_once('-').unwrap();
    (ms.parse().unwrap(), number.parse().unwrap())
}

async fn an_idempotency_key_has_one_effect(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let keyed = |filter: pb::SessionFilter| pb::RevokeSessionsRequest {
        filter: Some(filter),
        idempotency_key: "disable ada".to_owned(),
        ..Default::default()
    };
    let first = client.revoke_sessions(keyed(of_user(USER))).await.unwrap().into_inner();
    assert_eq!(first.session_ids, vec![session.id]);
    let (later, _) = created(&mut client, sso(USER)).await;
    let again = client.revoke_sessions(keyed(of_user(USER))).await.unwrap().into_inner();
    assert_eq!(again, first);
    assert!(is_active(&mut client, &later.id).await, "a retry does not cut off what came after");
    let other = client.revoke_sessions(keyed(of_application(USER, APPLICATION))).await;
    assert_refused(other, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    let other_user = client.revoke_sessions(keyed(of_user("grace"))).await.unwrap().into_inner();
    assert_ne!(other_user.cutoff_revision, first.cutoff_revision, "a key belongs to its user");
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let good = pb::RevokeSessionsRequest { filter: Some(of_user(USER)), ..Default::default() };
    let filtered = |filter: pb::SessionFilter| pb::RevokeSessionsRequest { filter: Some(filter), ..good.clone() };
    let cases = [
        ("filter", pb::RevokeSessionsRequest { filter: None, ..good.clone() }),
        ("filter.tenant_id", filtered(pb::SessionFilter { tenant_id: "a.b".into(), ..of_user(USER) })),
        ("filter.user_id", filtered(of_user("a\nb"))),
        ("filter.states", filtered(pb::SessionFilter { states: vec![1], ..of_user(USER) })),
        ("reason", pb::RevokeSessionsRequest { reason: EndReason::TokenReuse.into(), ..good.clone() }),
        ("reason", pb::RevokeSessionsRequest { reason: -3, ..good.clone() }),
        ("comment", pb::RevokeSessionsRequest { comment: "x".repeat(257), ..good.clone() }),
        ("idempotency_key", pb::RevokeSessionsRequest { idempotency_key: "x".repeat(129), ..good.clone() }),
    ];
    for (field, request) in cases {
        assert_field(client.revoke_sessions(request).await, field);
    }
    assert!(is_active(&mut client, &session.id).await);
}

async fn another_tenant_is_out_of_reach(service: &Service) {
    let (mut ours, mut theirs) = (service.caller_of(TENANT), service.caller_of("other"));
    let (session, _) = created(&mut ours, sso(USER)).await;
    assert_refused(revoke_all(&mut theirs, of_user(USER)).await, Code::PermissionDenied, "TENANT_MISMATCH");
    let namesake = pb::SessionFilter { tenant_id: "other".to_owned(), ..of_user(USER) };
    assert_eq!(revoke_all(&mut theirs, namesake).await.unwrap().revoked_count, 0);
    assert!(is_active(&mut ours, &session.id).await);
}

/// A million sessions that have ended before must not keep one that is to end from its end.
#[tokio::test]
async fn a_cutoff_does_not_wait_for_what_ended_before() {
    let clock = Arc::new(ManualClock::new(START));
    let sessions = use_cases(Arc::new(MemoryStore::new("test", 1, clock.clone())), clock, &[]);
    let (caller, owner) = (caller(None), commands::owner("acme", "ada"));
    let command = RevokeSessions {
        filter: Filter { user: Some(owner.user), ..everything(&owner.tenant) },
        is_dry_run: false,
        reason: end::EndReason::Admin,
        comment: String::new(),
        idempotency: None,
    };
    for _ in 0..12_100 {
        sessions.create(&caller, commands::create("acme", "ada")).await.unwrap();
    }
    let first = sessions.revoke_many(&caller, &command).await.unwrap();
    assert_eq!((first.ids.len(), first.is_truncated), (1_000, true));
    let second = sessions.revoke_many(&caller, &command).await.unwrap();
    assert_eq!((second.count, second.is_truncated), (0, true), "nobody has looked at all of them");
    assert!(!second.cutoff.is_empty() && second.cutoff != first.cutoff);
}
