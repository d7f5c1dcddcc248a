//! `CreateSession`.

use std::{collections::HashMap, time::Duration};

use proto::session::v1::{self as pb, OnParentEnd, SessionKind, SessionState};
use svc_kit::clock::Timestamp;
use tonic::Code;

use crate::support::*;

on_each_store!(
    everything_that_is_given_is_kept,
    a_session_is_told_of_once,
    a_participant_has_no_token,
    a_child_needs_a_living_parent_of_the_same_user,
    wishes_for_times_only_shorten,
    an_idempotency_key_has_one_effect,
    every_field_is_checked,
    another_tenant_is_out_of_reach,
);

async fn everything_that_is_given_is_kept(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    let request = pb::CreateSessionRequest {
        device: Some(pb::Device {
            name: "Ada's laptop".to_owned(),
            r#type: pb::DeviceType::Browser.into(),
            description: "Firefox on Linux".to_owned(),
            user_agent: "Mozilla/5.0".to_owned(),
            ip_address: "::ffff:10.0.0.1".to_owned(),
            last_ip_address: String::new(),
        }),
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        acr: "urn:example:2".to_owned(),
        authenticated_at: Some(Timestamp::from_ms(1_767_614_000_123).to_proto()),
        scopes: vec!["openid".to_owned(), "offline_access".to_owned()],
        attributes: HashMap::from([("plan".to_owned(), "gold".to_owned()), ("empty".to_owned(), String::new())]),
        refresh_mode: pb::RefreshMode::Reusable.into(),
        on_parent_end: OnParentEnd::Keep.into(),
        ..under(&parent, SessionKind::Application)
    };
    let (session, token) = created(&mut client, request.clone()).await;
    assert_eq!(get(&mut client, &session.id).await.unwrap(), session, "what is stored is what was answered");
    assert!(session.id.starts_with("sess_") && token.starts_with("lkr_"));
    let device =
        pb::Device { ip_address: "10.0.0.1".into(), last_ip_address: "10.0.0.1".into(), ..request.device.unwrap() };
    assert_eq!(session.device, Some(device));
    assert_eq!((session.amr, session.acr, session.scopes), (request.amr, request.acr, request.scopes));
    assert_eq!((session.attributes, session.parent_id), (request.attributes, parent.id));
    assert_eq!(session.authenticated_at, request.authenticated_at);
    assert_eq!((session.refresh_mode, session.on_parent_end), (request.refresh_mode, request.on_parent_end));
    assert_eq!((session.state, session.generation), (SessionState::Active.into(), 1));
    assert_eq!(session.created_at, Some(crate::support::service::START.to_proto()));
}

async fn a_session_is_told_of_once(service: &Service) {
    let mut client = service.operator();
    let (session, token) = created(&mut client, in_application(USER, APPLICATION)).await;
    service.events.are(&session.id, &["session.created"]).await;
    let event = service.events.all().remove(0);
    assert_eq!(
        (event.tenant_id.as_str(), event.user_id.as_str(), event.application_id.as_str()),
        (TENANT, USER, APPLICATION)
    );
    assert_eq!(event.actor, "operator:dev");
    assert!(!format!("{event:?}").contains(&token), "no event holds a token");
}

async fn a_participant_has_no_token(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    let (participant, token) = created(&mut client, under(&parent, SessionKind::Participant)).await;
    assert_eq!((token.as_str(), participant.kind), ("", SessionKind::Participant.into()));
    assert!(!is_active(&mut client, &participant.id).await, "a record of another's session cannot be validated");
    assert_eq!(listed(&mut client, of_user(USER), 50).await.len(), 2, "and is listed");
}

async fn a_child_needs_a_living_parent_of_the_same_user(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    let (not_sso, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    let child = under(&parent, SessionKind::Application);
    let of_grace = pb::CreateSessionRequest { user_id: "grace".to_owned(), ..child.clone() };
    assert_refused(client.create_session(of_grace).await, Code::NotFound, "PARENT_NOT_FOUND");
    let elsewhere = pb::CreateSessionRequest { tenant_id: "other".to_owned(), ..child.clone() };
    assert_refused(client.create_session(elsewhere).await, Code::NotFound, "PARENT_NOT_FOUND");
    let of_no_sso = under(&not_sso, SessionKind::Application);
    assert_refused(client.create_session(of_no_sso).await, Code::NotFound, "PARENT_NOT_FOUND");
    let unknown = pb::CreateSessionRequest { parent_id: "sess_aaaaaaaaaaaaaaaa".to_owned(), ..child.clone() };
    assert_refused(client.create_session(unknown).await, Code::NotFound, "PARENT_NOT_FOUND");
    client.create_session(child.clone()).await.unwrap();
    revoke(&mut client, &parent.id).await.unwrap();
    assert_refused(client.create_session(child).await, Code::FailedPrecondition, "PARENT_ENDED");
    let (lapsing, _) = created(&mut client, sso(USER)).await;
    service.clock.advance(Duration::from_secs(8 * 3600));
    let late = client.create_session(under(&lapsing, SessionKind::Application)).await;
    assert_refused(late, Code::FailedPrecondition, "PARENT_ENDED");
}

async fn wishes_for_times_only_shorten(service: &Service) {
    let mut client = service.operator();
    let limits = |idle: i64, absolute: i64| {
        let duration = |seconds| (seconds > 0).then_some(prost_types::Duration { seconds, nanos: 0 });
        Some(pb::SessionTimes { idle_timeout: duration(idle), absolute_lifetime: duration(absolute) })
    };
    let hour = 3600;
    for (wish, idle, absolute) in [
        (None, 8 * hour, 24 * hour),
        (limits(hour, 0), hour, 24 * hour),
        (limits(0, 2 * hour), 2 * hour, 2 * hour),
        (limits(100 * hour, 100 * hour), 8 * hour, 24 * hour),
    ] {
        let (session, _) = created(&mut client, pb::CreateSessionRequest { times: wish, ..sso(USER) }).await;
        let start = session.created_at.unwrap().seconds;
        let lasts = (session.idle_expires_at.unwrap().seconds - start, session.expires_at.unwrap().seconds - start);
        assert_eq!(lasts, (idle, absolute), "{wish:?}");
    }
}

async fn an_idempotency_key_has_one_effect(service: &Service) {
    let mut client = service.operator();
    let request = pb::CreateSessionRequest { idempotency_key: "sign-in 1".to_owned(), ..sso(USER) };
    let calls = (0..20).map(|_| {
        let (mut client, request) = (service.operator(), request.clone());
        async move { created(&mut client, request).await }
    });
    let answers = futures::future::join_all(calls).await;
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!(listed(&mut client, of_user(USER), 50).await.len(), 1);
    let other = pb::CreateSessionRequest { acr: "2".to_owned(), ..request.clone() };
    assert_refused(client.create_session(other).await, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    let other_user = pb::CreateSessionRequest { user_id: "grace".to_owned(), ..request.clone() };
    let (hers, _) = created(&mut client, other_user).await;
    assert_eq!(hers.user_id, "grace", "a key belongs to its user");
    refresh(&mut client, &answers[0].1).await.unwrap();
    let (session, token) = created(&mut client, request).await;
    assert_eq!((session.id, token), (answers[0].0.id.clone(), answers[0].1.clone()), "the first answer, for a day");
}

fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn device(change: fn(&mut pb::Device)) -> Option<pb::Device> {
    let mut device = pb::Device::default();
    change(&mut device);
    Some(device)
}

fn seconds(seconds: i64, nanos: i32) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos })
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    let good = under(&parent, SessionKind::Application);
    type Spoil = fn(&mut pb::CreateSessionRequest);
    let cases: Vec<(&str, Spoil)> = vec![
        ("tenant_id", |r| r.tenant_id.clear()),
        ("tenant_id", |r| r.tenant_id = "a.b".to_owned()),
        ("tenant_id", |r| r.tenant_id = long(64)),
        ("user_id", |r| r.user_id.clear()),
        ("user_id", |r| r.user_id = "ada lovelace".to_owned()),
        ("user_id", |r| r.user_id = long(129)),
        ("kind", |r| r.kind = 0),
        ("kind", |r| r.kind = 99),
        ("application_id", |r| r.application_id.clear()),
        ("application_id", |r| r.application_id = "a/b".to_owned()),
        ("application_id", |r| r.kind = SessionKind::Sso.into()),
        ("parent_id", |r| r.parent_id = "sess_".to_owned()),
        ("parent_id", |r| {
            r.kind = SessionKind::Participant.into();
            r.parent_id.clear();
        }),
        ("parent_id", |r| {
            r.kind = SessionKind::Sso.into();
            r.application_id.clear();
        }),
        ("keep_signed_in", |r| r.keep_signed_in = true),
        ("device.name", |r| r.device = device(|d| d.name = long(129))),
        ("device.name", |r| r.device = device(|d| d.name = "a\u{0}b".to_owned())),
        ("device.type", |r| r.device = device(|d| d.r#type = 77)),
        ("device.description", |r| r.device = device(|d| d.description = long(257))),
        ("device.user_agent", |r| r.device = device(|d| d.user_agent = long(513))),
        ("device.ip_address", |r| r.device = device(|d| d.ip_address = "10.0.0.256".to_owned())),
        ("device.last_ip_address", |r| r.device = device(|d| d.last_ip_address = "10.0.0.1".to_owned())),
        ("amr", |r| r.amr = vec!["pwd".to_owned(); 9]),
        ("amr", |r| r.amr = vec![long(33)]),
        ("amr", |r| r.amr = vec![String::new()]),
        ("acr", |r| r.acr = long(129)),
        ("authenticated_at", |r| r.authenticated_at = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 })),
        ("authenticated_at", |r| r.authenticated_at = Some(prost_types::Timestamp { seconds: 0, nanos: -1 })),
        ("authenticated_at", |r| {
            let future = crate::support::service::START.saturating_add(Duration::from_secs(61));
            r.authenticated_at = Some(future.to_proto());
        }),
        ("scopes", |r| r.scopes = vec!["s".to_owned(); 65]),
        ("scopes", |r| r.scopes = vec![long(129)]),
        ("attributes", |r| r.attributes = (0..33).map(|n| (n.to_string(), String::new())).collect()),
        ("attributes", |r| r.attributes = HashMap::from([(long(65), String::new())])),
        ("attributes", |r| r.attributes = HashMap::from([(String::new(), String::new())])),
        ("attributes", |r| r.attributes = HashMap::from([("a".to_owned(), long(4096))])),
        ("idempotency_key", |r| r.idempotency_key = long(129)),
        ("idempotency_key", |r| r.idempotency_key = "a\nb".to_owned()),
        ("refresh_mode", |r| r.refresh_mode = 9),
        ("on_parent_end", |r| r.on_parent_end = -1),
        ("times.idle_timeout", |r| {
            r.times = Some(pb::SessionTimes { idle_timeout: seconds(-5, 0), absolute_lifetime: None });
        }),
        ("times.idle_timeout", |r| {
            r.times = Some(pb::SessionTimes { idle_timeout: seconds(0, 999_999_999), absolute_lifetime: None });
        }),
        ("times.absolute_lifetime", |r| {
            r.times = Some(pb::SessionTimes { idle_timeout: None, absolute_lifetime: seconds(i64::MIN, i32::MIN) });
        }),
    ];
    for (field, spoil) in cases {
        let mut request = good.clone();
        spoil(&mut request);
        assert_field(client.create_session(request).await, field);
    }
    client.create_session(good).await.unwrap();
}

async fn another_tenant_is_out_of_reach(service: &Service) {
    let (mut ours, mut theirs) = (service.caller_of(TENANT), service.caller_of("other"));
    assert_refused(theirs.create_session(sso(USER)).await, Code::PermissionDenied, "TENANT_MISMATCH");
    let (parent, _) = created(&mut ours, sso(USER)).await;
    let child = pb::CreateSessionRequest { tenant_id: "other".to_owned(), ..under(&parent, SessionKind::Application) };
    assert_refused(theirs.create_session(child).await, Code::NotFound, "PARENT_NOT_FOUND");
    // A key of one caller is none of another's.
    let keyed = |tenant: &str| pb::CreateSessionRequest {
        tenant_id: tenant.to_owned(),
        idempotency_key: "same".to_owned(),
        ..sso(USER)
    };
    let (one, _) = created(&mut ours, keyed(TENANT)).await;
    let (two, _) = created(&mut theirs, keyed("other")).await;
    assert_eq!((one.tenant_id.as_str(), two.tenant_id.as_str()), (TENANT, "other"));
}
