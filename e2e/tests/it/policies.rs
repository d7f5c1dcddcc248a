//! Session policies: auth-svc keeps them and session-svc enforces them, so both must accept the same ones.

use proto::{
    auth::v1::{Application, Tenant, UpdateApplicationRequest, UpdateTenantRequest},
    session::v1::{GetPolicyRequest, IdleSchedule, IdleWindow, Policy, PutPolicyRequest, SessionLimits},
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{DEFAULT_TENANT, Stack};

const DAY: i64 = 24 * 3600;

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn mask() -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: vec!["session_policy".to_owned()] })
}

/// Sets the policy of the tenant, or of an application of the seed.
async fn set(stack: &Stack, application: &str, policy: Policy) -> Result<(), Status> {
    let session_policy = Some(policy);
    if application.is_empty() {
        let tenant = Some(Tenant { id: DEFAULT_TENANT.to_owned(), session_policy, ..Tenant::default() });
        let request = UpdateTenantRequest { tenant, update_mask: mask() };
        return stack.tenants().update_tenant(request).await.map(drop);
    }
    let application = Some(Application { id: application.to_owned(), session_policy, ..Application::default() });
    let request = UpdateApplicationRequest { application, update_mask: mask() };
    stack.applications().update_application(request).await.map(drop)
}

async fn put(stack: &Stack, application: &str, policy: Policy) -> Result<(), Status> {
    let (tenant_id, application_id) = (DEFAULT_TENANT.to_owned(), application.to_owned());
    let policy = Some(Policy { tenant_id, application_id, ..policy });
    stack.policies().put_policy(PutPolicyRequest { policy, ..PutPolicyRequest::default() }).await.map(drop)
}

async fn in_force(stack: &Stack, application: &str) -> Option<Policy> {
    let (tenant_id, application_id) = (DEFAULT_TENANT.to_owned(), application.to_owned());
    let request = GetPolicyRequest { tenant_id, application_id };
    stack.policies().get_policy(request).await.ok()?.into_inner().policy
}

/// The field that a refusal names, as it stands in the policy.
fn field(answer: Result<(), Status>) -> Option<String> {
    let refused = answer.err()?;
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let info = refused.get_details_error_info().unwrap();
    let path = &info.metadata["field"];
    let (_, inner) = path.split_once("policy.").unwrap_or_else(|| panic!("{path}"));
    Some(inner.to_owned())
}

fn limits(limits: SessionLimits) -> Policy {
    Policy { application: Some(limits), ..Policy::default() }
}

fn idle(idle_timeout: Option<prost_types::Duration>) -> Policy {
    limits(SessionLimits { idle_timeout, ..SessionLimits::default() })
}

fn schedule(time_zone: &str, windows: Vec<IdleWindow>) -> Policy {
    let idle_schedule = Some(IdleSchedule { time_zone: time_zone.to_owned(), windows });
    limits(SessionLimits { idle_schedule, ..SessionLimits::default() })
}

fn window(days: &[i32], from: &str, until: &str, timeout: i64) -> IdleWindow {
    let (from, until) = (from.to_owned(), until.to_owned());
    IdleWindow { days: days.to_vec(), from, until, idle_timeout: seconds(timeout) }
}

/// Policies on both sides of every bound.
fn policies() -> Vec<Policy> {
    let whole = || window(&[1], "", "", 60);
    let zoned = |windows: Vec<IdleWindow>| schedule("Europe/Berlin", windows);
    let nanos = |nanos| Some(prost_types::Duration { seconds: 1, nanos });
    let mut policies: Vec<Policy> = [0, 1, 400 * DAY, 400 * DAY + 1, -1, i64::MIN].map(|it| idle(seconds(it))).into();
    policies.extend([nanos(1_000_000), nanos(1), nanos(-1)].map(idle));
    policies.extend(
        [0, 1, 400 * DAY, 400 * DAY + 1]
            .map(|it| limits(SessionLimits { absolute_lifetime: seconds(it), ..SessionLimits::default() })),
    );
    policies.extend([0, 60, 61, -1].map(|it| Policy { rotation_grace: seconds(it), ..Policy::default() }));
    policies.extend([0, 300, 301].map(|it| Policy { loss_recovery: seconds(it), ..Policy::default() }));
    policies.extend([0, 1, 1_000, 1_001].map(|it| Policy { max_sessions: Some(it), ..Policy::default() }));
    policies.extend([0, 1, 2, 3].map(|on_limit| Policy { on_limit, ..Policy::default() }));
    policies.extend(
        ["Europe/Berlin", "europe/berlin", "UTC", "", "Atlantis/Capital", "Etc/Unknown", "+02:00"]
            .map(|zone| schedule(zone, vec![whole()])),
    );
    policies.extend([0, 1, 16, 17].map(|count| zoned(vec![whole(); count])));
    let windows = [
        window(&[], "", "", 60),
        window(&[0], "", "", 60),
        window(&[8], "", "", 60),
        window(&[7, 1, 1], "00:00", "24:00", 60),
        window(&[1], "08:00", "08:00", 60),
        window(&[1], "22:00", "06:00", 60),
        window(&[1], "8:00", "9:00", 60),
        window(&[1], "", "09:00", 60),
        window(&[1], "00:00", "24:01", 60),
        window(&[1], "00:60", "23:00", 60),
        window(&[1], "", "", 0),
        window(&[1], "", "", 7 * DAY),
        window(&[1], "", "", 7 * DAY + 1),
        IdleWindow { idle_timeout: None, ..whole() },
    ];
    policies.extend(windows.map(|window| zoned(vec![whole(), window])));
    let sso = || idle(seconds(60)).application;
    policies.push(Policy { sso: sso(), ..Policy::default() });
    policies.push(Policy { sso_kept_signed_in: sso(), ..Policy::default() });
    policies.push(Policy { sso: Some(SessionLimits::default()), ..Policy::default() });
    policies
}

#[tokio::test(flavor = "multi_thread")]
async fn what_auth_svc_accepts_session_svc_accepts_and_nothing_else() {
    let stack = Stack::in_memory().await;
    let (mut accepted, mut refused) = (0, 0);
    for application in ["", "demo-spa"] {
        for policy in policies() {
            let there = field(put(&stack, application, policy.clone()).await);
            let stored = in_force(&stack, application).await;
            let here = field(set(&stack, application, policy.clone()).await);
            assert_eq!(here, there, "{application:?} {policy:?}");
            if here.is_none() {
                // auth-svc writes it in the same form: nothing was stored a second time.
                assert_eq!(in_force(&stack, application).await, stored, "{policy:?}");
                accepted += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(accepted > 30 && refused > 30, "{accepted} accepted, {refused} refused");
}

mod heavy {
    use super::*;
    use crate::support::{Service, eventually, with_real};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_policy_that_changes_while_session_svc_is_away_is_in_force_when_it_is_back() {
        with_real(async |real| {
            set(&real.stack, "", idle(seconds(600))).await.unwrap();
            assert_eq!(in_force(&real.stack, "").await.unwrap().application, idle(seconds(600)).application);
            real.kill(Service::Session).await;
            set(&real.stack, "", idle(seconds(300))).await.unwrap();
            set(&real.stack, "demo-spa", idle(seconds(200))).await.unwrap();
            // The orders outlive the process as well.
            real.kill(Service::Auth).await;
            real.start(Service::Session).await;
            assert_eq!(in_force(&real.stack, "").await.unwrap().application, idle(seconds(600)).application);
            real.start(Service::Auth).await;
            let stack = &real.stack;
            eventually("both are in force", || async {
                let (tenant, application) = (in_force(stack, "").await?, in_force(stack, "demo-spa").await?);
                let is_so = tenant.application == idle(seconds(300)).application
                    && application.application == idle(seconds(200)).application;
                is_so.then_some(())
            })
            .await;
            // What somebody stored directly goes when auth-svc compares, which it does at its start.
            put(stack, "", idle(seconds(5))).await.unwrap();
            put(stack, "demo-web", idle(seconds(7))).await.unwrap();
            real.kill(Service::Auth).await;
            real.start(Service::Auth).await;
            let stack = &real.stack;
            eventually("ours is in force again", || async {
                (in_force(stack, "").await?.application == idle(seconds(300)).application).then_some(())
            })
            .await;
            // Where auth-svc has no policy, it stays.
            assert_eq!(in_force(stack, "demo-web").await.unwrap().application, idle(seconds(7)).application);
        })
        .await;
    }
}
