//! Session policies in `TenantService` and `ApplicationService`, and that session-svc gets them.

use proto::{
    auth::v1::{
        Application, ClientType, CreateApplicationRequest, DeleteApplicationRequest, GetApplicationRequest,
        GetTenantRequest, Tenant, UpdateApplicationRequest, UpdateTenantRequest,
    },
    session::v1::{IdleSchedule, IdleWindow, OnSessionLimit, Policy, SessionLimits},
};
use tonic::{Code, Status};

use super::on_both;
use crate::support::{
    database::with_database,
    eventually,
    service::{OPERATOR_KEY, Service, field_of},
};

on_both!(
    a_tenants_policy_is_kept_and_put_in_force,
    an_applications_policy_comes_changes_and_goes_with_it,
    what_cannot_be_is_refused_by_field,
    of_changes_while_session_svc_is_away_the_last_one_is_in_force,
    a_policy_that_session_svc_refuses_holds_up_no_other,
);

fn idle(seconds: i64) -> Policy {
    let idle_timeout = Some(prost_types::Duration { seconds, nanos: 0 });
    Policy { application: Some(SessionLimits { idle_timeout, ..SessionLimits::default() }), ..Policy::default() }
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

async fn set_tenant(service: &Service, session_policy: Option<Policy>) -> Result<Tenant, Status> {
    let tenant = Some(Tenant { id: "default".to_owned(), session_policy, ..Tenant::default() });
    let request = UpdateTenantRequest { tenant, update_mask: mask(&["session_policy"]) };
    Ok(service.tenants(OPERATOR_KEY).update_tenant(request).await?.into_inner().tenant.unwrap())
}

async fn set_application(service: &Service, session_policy: Option<Policy>) -> Result<Application, Status> {
    let application = Some(Application { id: "shop".to_owned(), session_policy, ..Application::default() });
    let request = UpdateApplicationRequest { application, update_mask: mask(&["session_policy"]) };
    Ok(service.applications(OPERATOR_KEY).update_application(request).await?.into_inner().application.unwrap())
}

async fn create(service: &Service, session_policy: Option<Policy>) -> Result<Application, Status> {
    let application = Some(Application {
        id: "shop".to_owned(),
        tenant_id: "default".to_owned(),
        client_type: ClientType::Public.into(),
        session_policy,
        ..Application::default()
    });
    let request = CreateApplicationRequest { application };
    Ok(service.applications(OPERATOR_KEY).create_application(request).await?.into_inner().application.unwrap())
}

async fn a_tenants_policy_is_kept_and_put_in_force(service: &Service) {
    let idle_timeout = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let window = IdleWindow { days: vec![7, 6, 7], idle_timeout, ..IdleWindow::default() };
    let schedule = IdleSchedule { time_zone: "europe/berlin".to_owned(), windows: vec![window] };
    let sso = SessionLimits { idle_schedule: Some(schedule), ..SessionLimits::default() };
    // What names the scope or is set by session-svc counts for nothing here.
    let given = Policy {
        sso: Some(sso),
        tenant_id: "other".to_owned(),
        application_id: "backend".to_owned(),
        version: 7,
        max_sessions: Some(2),
        on_limit: OnSessionLimit::EndOldest.into(),
        ..idle(3600)
    };
    let mut expected = Policy { tenant_id: String::new(), application_id: String::new(), version: 0, ..given.clone() };
    let schedule = expected.sso.as_mut().unwrap().idle_schedule.as_mut().unwrap();
    "Europe/Berlin".clone_into(&mut schedule.time_zone);
    schedule.windows[0].days = vec![6, 7];
    "00:00".clone_into(&mut schedule.windows[0].from);
    "24:00".clone_into(&mut schedule.windows[0].until);
    let changed = set_tenant(service, Some(given)).await.unwrap();
    assert_eq!(changed.session_policy, Some(expected.clone()));
    let request = GetTenantRequest { tenant_id: "default".to_owned() };
    let read = service.tenants(OPERATOR_KEY).get_tenant(request).await.unwrap().into_inner().tenant.unwrap();
    assert_eq!(read.session_policy, Some(expected.clone()));
    // It was in force when the call answered.
    let in_force = Policy { tenant_id: "default".to_owned(), ..expected };
    assert_eq!(service.sessions.policy("default", ""), Some(in_force));
    service.event("tenant.updated", "default").await;
    // Taken away.
    assert_eq!(set_tenant(service, None).await.unwrap().session_policy, None);
    let empty = Policy { tenant_id: "default".to_owned(), ..Policy::default() };
    assert_eq!(service.sessions.policy("default", ""), Some(empty));
}

async fn an_applications_policy_comes_changes_and_goes_with_it(service: &Service) {
    let of_shop =
        |policy: Policy| Some(Policy { tenant_id: "default".to_owned(), application_id: "shop".to_owned(), ..policy });
    assert_eq!(create(service, Some(idle(60))).await.unwrap().session_policy, Some(idle(60)));
    assert_eq!(service.sessions.policy("default", "shop"), of_shop(idle(60)));
    assert_eq!(set_application(service, Some(idle(90))).await.unwrap().session_policy, Some(idle(90)));
    assert_eq!(service.sessions.policy("default", "shop"), of_shop(idle(90)));
    // Another change leaves it as it is.
    let application = Some(Application { id: "shop".to_owned(), name: "Shop".to_owned(), ..Application::default() });
    let request = UpdateApplicationRequest { application, update_mask: mask(&["name"]) };
    let mut client = service.applications(OPERATOR_KEY);
    client.update_application(request).await.unwrap();
    let request = GetApplicationRequest { application_id: "shop".to_owned() };
    let read = client.get_application(request).await.unwrap().into_inner().application.unwrap();
    assert_eq!(read.session_policy, Some(idle(90)));
    let request = DeleteApplicationRequest { application_id: "shop".to_owned() };
    client.delete_application(request).await.unwrap();
    assert_eq!(service.sessions.policy("default", "shop"), of_shop(Policy::default()));
    // One that never had a policy leaves none behind.
    create(service, None).await.unwrap();
    let request = DeleteApplicationRequest { application_id: "shop".to_owned() };
    service.sessions.forget_policies();
    client.delete_application(request).await.unwrap();
    assert_eq!(service.sessions.policy("default", "shop"), None);
}

async fn what_cannot_be_is_refused_by_field(service: &Service) {
    let refused = set_tenant(service, Some(idle(401 * 24 * 3600))).await.unwrap_err();
    let expected = (Code::InvalidArgument, "tenant.session_policy.application.idle_timeout".to_owned());
    assert_eq!((refused.code(), field_of(&refused)), expected);
    let sso = Policy { sso: idle(60).application, ..Policy::default() };
    let refused = create(service, Some(sso)).await.unwrap_err();
    assert_eq!(field_of(&refused), "application.session_policy.sso");
    create(service, None).await.unwrap();
    let refused = set_application(service, Some(idle(0))).await.unwrap_err();
    assert_eq!(field_of(&refused), "application.session_policy.application.idle_timeout");
    assert_eq!(service.sessions.policy("default", ""), None);
}

async fn of_changes_while_session_svc_is_away_the_last_one_is_in_force(service: &Service) {
    service.sessions.be_away(true);
    for seconds in [60, 90, 120] {
        set_tenant(service, Some(idle(seconds))).await.unwrap();
    }
    create(service, Some(idle(30))).await.unwrap();
    assert_eq!(service.sessions.policy("default", ""), None);
    service.sessions.be_away(false);
    let idle_of = |application: &str| {
        let policy = service.sessions.policy("default", application)?;
        Some(policy.application?.idle_timeout?.seconds)
    };
    eventually("both are in force", async || ((idle_of(""), idle_of("shop")) == (Some(120), Some(30))).then_some(()))
        .await;
}

async fn a_policy_that_session_svc_refuses_holds_up_no_other(service: &Service) {
    service.sessions.refuse_policy_of("shop");
    create(service, Some(idle(30))).await.unwrap();
    set_tenant(service, Some(idle(60))).await.unwrap();
    assert_eq!(service.sessions.policy("default", ""), Some(Policy { tenant_id: "default".to_owned(), ..idle(60) }));
    assert_eq!(service.sessions.policy("default", "shop"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_start_session_svc_gets_what_it_does_not_have_and_keeps_what_is_not_ours() {
    with_database(|url| async move {
        let first = Service::start(Some(&url), &[]).await;
        create(&first, Some(idle(30))).await.unwrap();
        set_tenant(&first, Some(idle(60))).await.unwrap();
        first.stop().await;
        // Another session-svc, which knows nothing.
        let second = Service::start(Some(&url), &[]).await;
        let in_force = |application: &str| second.sessions.policy("default", application).and_then(|it| it.application);
        eventually("both are in force", async || {
            ((in_force(""), in_force("shop")) == (idle(60).application, idle(30).application)).then_some(())
        })
        .await;
        let puts = second.sessions.policy_puts();
        // Somebody stores something there: where we have a policy it goes, where we have none it stays.
        let foreign = Policy { tenant_id: "default".to_owned(), ..idle(5) };
        second.sessions.put_policy(foreign.clone());
        second.sessions.put_policy(Policy { application_id: "backend".to_owned(), ..foreign.clone() });
        assert_eq!(puts, 2);
        let sessions = second.sessions.clone();
        second.stop().await;
        let third = Service::start_with(sessions.clone(), Some(&url), &[]).await;
        eventually("ours is in force again", async || {
            (sessions.policy("default", "")?.application == idle(60).application).then_some(())
        })
        .await;
        let kept = sessions.policy("default", "backend").unwrap();
        assert_eq!(kept.application, idle(5).application);
        // What was there already was not stored again.
        assert_eq!(sessions.policy_puts(), puts + 1);
        third.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_session_svc_is_made_good_when_it_is_there() {
    with_database(|url| async move {
        let first = Service::start(Some(&url), &[]).await;
        set_tenant(&first, Some(idle(60))).await.unwrap();
        first.stop().await;
        let second = Service::start_without_sessions(&url).await;
        eventually("it tried", async || (second.sessions.calls_while_away() > 0).then_some(())).await;
        second.sessions.be_away(false);
        eventually("it is in force", async || second.sessions.policy("default", "").map(drop)).await;
        second.stop().await;
    })
    .await;
}
