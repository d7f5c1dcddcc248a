//! `PutPolicy`, `GetPolicy`, `ListPolicies`.

use proto::session::v1 as pb;
use tonic::{Code, Status};

use crate::support::*;

on_each_store!(
    a_policy_is_stored_as_a_whole,
    a_stale_version_is_refused,
    a_repetition_changes_nothing,
    one_of_many_changes_at_a_time_wins,
    a_tenant_lists_its_policies_page_by_page,
    every_field_is_checked,
);

async fn put_at(client: &mut Policies, policy: pb::Policy, expected: i64) -> Result<pb::PutPolicyResponse, Status> {
    let request = pb::PutPolicyRequest { policy: Some(policy), expected_version: Some(expected) };
    client.put_policy(request).await.map(tonic::Response::into_inner)
}

async fn get_policy(client: &mut Policies, tenant: &str, application: &str) -> Result<pb::Policy, Status> {
    let request = pb::GetPolicyRequest { tenant_id: tenant.to_owned(), application_id: application.to_owned() };
    client.get_policy(request).await.map(|answer| answer.into_inner().policy.unwrap())
}

async fn a_policy_is_stored_as_a_whole(service: &Service) {
    let mut client = service.policies();
    assert_refused(get_policy(&mut client, TENANT, "").await, Code::NotFound, "POLICY_NOT_FOUND");
    let full = pb::Policy {
        application: idle(4),
        sso: life(12),
        sso_kept_signed_in: idle(100),
        rotation_grace: seconds(0),
        loss_recovery: seconds(300),
        max_sessions: Some(1),
        on_limit: pb::OnSessionLimit::EndOldest.into(),
        ..tenant_policy()
    };
    let stored = put(&mut client, full.clone()).await.unwrap();
    let policy = stored.policy.unwrap();
    assert!(!stored.unchanged && policy.version > 0 && policy.updated_by == "operator:dev", "{policy:?}");
    let says =
        |policy: &pb::Policy| pb::Policy { version: 0, updated_at: None, updated_by: String::new(), ..policy.clone() };
    assert_eq!(says(&policy), full);
    assert_eq!(get_policy(&mut client, TENANT, "").await.unwrap(), policy);
    let smaller = put(&mut client, pb::Policy { sso: life(6), ..tenant_policy() }).await.unwrap().policy.unwrap();
    assert!(smaller.version > policy.version && smaller.application.is_none(), "{smaller:?}");
    assert_eq!(get_policy(&mut client, TENANT, "").await.unwrap(), smaller);
}

async fn a_stale_version_is_refused(service: &Service) {
    let mut client = service.policies();
    let policy = |limit| pb::Policy { application: idle(limit), ..application_policy("web") };
    assert_refused(put_at(&mut client, policy(1), 7).await, Code::Aborted, "POLICY_VERSION_MISMATCH");
    let first = put_at(&mut client, policy(1), 0).await.unwrap().policy.unwrap();
    assert_refused(put_at(&mut client, policy(2), 0).await, Code::Aborted, "POLICY_VERSION_MISMATCH");
    let second = put_at(&mut client, policy(2), first.version).await.unwrap().policy.unwrap();
    assert_refused(put_at(&mut client, policy(3), first.version).await, Code::Aborted, "POLICY_VERSION_MISMATCH");
    assert_eq!(get_policy(&mut client, TENANT, "web").await.unwrap(), second);
}

async fn a_repetition_changes_nothing(service: &Service) {
    let mut client = service.policies();
    let policy = pb::Policy { sso: idle(1), ..tenant_policy() };
    let first = put_at(&mut client, policy.clone(), 0).await.unwrap();
    for _ in 0..2 {
        let again = put_at(&mut client, policy.clone(), 0).await.unwrap();
        assert!(again.unchanged && again.policy == first.policy, "{again:?}");
    }
}

async fn one_of_many_changes_at_a_time_wins(service: &Service) {
    let client = service.policies();
    let puts = (1..=20).map(|limit| {
        let mut client = client.clone();
        tokio::spawn(async move { put_at(&mut client, pb::Policy { sso: idle(limit), ..tenant_policy() }, 0).await })
    });
    let mut won = Vec::new();
    for put in puts.collect::<Vec<_>>() {
        match put.await.unwrap() {
            Ok(stored) => won.push(stored.policy.unwrap()),
            refused => assert_refused(refused, Code::Aborted, "POLICY_VERSION_MISMATCH"),
        }
    }
    assert_eq!(won, [get_policy(&mut service.policies(), TENANT, "").await.unwrap()]);
}

async fn a_tenant_lists_its_policies_page_by_page(service: &Service) {
    let mut client = service.policies();
    for number in [3, 1, 4, 0, 2] {
        put(&mut client, application_policy(&format!("app-{number}"))).await.unwrap();
    }
    put(&mut client, tenant_policy()).await.unwrap();
    put(&mut client, pb::Policy { tenant_id: "other".to_owned(), ..tenant_policy() }).await.unwrap();
    for page_size in [1, 2, 6, 50] {
        let mut request = pb::ListPoliciesRequest { tenant_id: TENANT.to_owned(), page_size, ..Default::default() };
        let mut names = Vec::new();
        loop {
            let page = client.list_policies(request.clone()).await.unwrap().into_inner();
            assert!(page.policies.len() <= usize::try_from(page_size).unwrap());
            names.extend(page.policies.into_iter().map(|policy| policy.application_id));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(names, ["", "app-0", "app-1", "app-2", "app-3", "app-4"], "pages of {page_size}");
    }
    let stranger =
        pb::ListPoliciesRequest { page_token: "AAAA".to_owned(), tenant_id: TENANT.to_owned(), page_size: 1 };
    assert_refused(client.list_policies(stranger).await, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.policies();
    let limits = |idle_timeout, absolute_lifetime| {
        Some(pb::SessionLimits { idle_timeout, absolute_lifetime, ..Default::default() })
    };
    let part = Some(prost_types::Duration { seconds: 1, nanos: 1 });
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let days = |days: u64| seconds(days * 24 * 3600 + u64::from(days == 400));
    let cases = [
        ("policy.tenant_id", pb::Policy { tenant_id: "a.b".to_owned(), ..tenant_policy() }),
        ("policy.application_id", application_policy("a/b")),
        ("policy.application.idle_timeout", pb::Policy { application: limits(seconds(0), None), ..tenant_policy() }),
        (
            "policy.application.absolute_lifetime",
            pb::Policy { application: limits(None, days(400)), ..tenant_policy() },
        ),
        ("policy.sso.idle_timeout", pb::Policy { sso: limits(part, None), ..tenant_policy() }),
        (
            "policy.sso_kept_signed_in.idle_timeout",
            pb::Policy { sso_kept_signed_in: limits(negative, None), ..tenant_policy() },
        ),
        ("policy.sso", pb::Policy { sso: idle(1), ..application_policy("web") }),
        ("policy.sso_kept_signed_in", pb::Policy { sso_kept_signed_in: idle(1), ..application_policy("web") }),
        ("policy.rotation_grace", pb::Policy { rotation_grace: seconds(61), ..tenant_policy() }),
        ("policy.max_sessions", pb::Policy { max_sessions: Some(0), ..tenant_policy() }),
        ("policy.max_sessions", pb::Policy { max_sessions: Some(1001), ..tenant_policy() }),
        ("policy.on_limit", pb::Policy { on_limit: 3, ..tenant_policy() }),
        ("policy.loss_recovery", pb::Policy { loss_recovery: seconds(301), ..tenant_policy() }),
    ];
    for (field, policy) in cases {
        assert_field(put(&mut client, policy).await, field);
    }
    assert_field(put_at(&mut client, tenant_policy(), -1).await, "expected_version");
    assert_field(client.put_policy(pb::PutPolicyRequest::default()).await, "policy");
}
