//! `ExplainSession`.

use proto::session::v1::{self as pb, ValueSource};
use tonic::Code;

use crate::support::*;

on_each_store!(
    each_limit_says_where_it_is_from,
    an_ended_session_is_explained_by_its_end,
    what_is_unknown_is_not_found,
);

fn told(limit: Option<pb::ExplainedLimit>) -> (i64, ValueSource, i64, ValueSource) {
    let limit = limit.unwrap();
    let hours = |value: Option<prost_types::Duration>| value.unwrap().seconds / 3600;
    (hours(limit.in_force), limit.source(), hours(limit.at_next_use), limit.at_next_use_source())
}

async fn each_limit_says_where_it_is_from(service: &Service) {
    use ValueSource::{ApplicationPolicy, Deployment, LastUse, Session, TenantPolicy};
    let (mut client, mut policies) = (service.operator(), service.policies());
    let times = Some(pb::SessionTimes { idle_timeout: None, absolute_lifetime: hours(100) });
    let request = pb::CreateSessionRequest { times, ..in_application(USER, APPLICATION) };
    let (session, _) = created(&mut client, request).await;
    let told_now = async |policies: &mut Policies| {
        let explained = explain(policies, &session.id).await.unwrap();
        (told(explained.idle), told(explained.absolute))
    };
    let wish = (100, Session, 100, Session);
    assert_eq!(told_now(&mut policies).await, ((720, Deployment, 720, Deployment), wish));
    put(&mut policies, pb::Policy { application: idle(50), ..tenant_policy() }).await.unwrap();
    assert_eq!(told_now(&mut policies).await, ((50, TenantPolicy, 50, TenantPolicy), wish));
    let both = Some(pb::SessionLimits { idle_timeout: hours(20), absolute_lifetime: hours(30), ..Default::default() });
    put(&mut policies, pb::Policy { application: both, ..application_policy(APPLICATION) }).await.unwrap();
    let by_application = |hours| (hours, ApplicationPolicy, hours, ApplicationPolicy);
    assert_eq!(told_now(&mut policies).await, (by_application(20), by_application(30)));
    let explained = explain(&mut policies, &session.id).await.unwrap();
    assert_eq!(explained.ends_by(), pb::EndReason::Idle);
    assert_eq!(explained.ends_at, explained.session.unwrap().idle_expires_at);
    // Much longer: the session keeps what its last use got.
    let longer =
        Some(pb::SessionLimits { idle_timeout: hours(1000), absolute_lifetime: hours(2000), ..Default::default() });
    put(&mut policies, pb::Policy { application: longer, ..application_policy(APPLICATION) }).await.unwrap();
    assert_eq!(told_now(&mut policies).await, ((720, LastUse, 1000, ApplicationPolicy), wish));
    let grace = pb::Policy { rotation_grace: seconds(3), ..tenant_policy() };
    put(&mut policies, grace).await.unwrap();
    let explained = explain(&mut policies, &session.id).await.unwrap();
    let value = |value: Option<pb::ExplainedDuration>| value.map(|it| (it.value.unwrap().seconds, it.source()));
    assert_eq!(value(explained.rotation_grace), Some((3, TenantPolicy)));
    assert_eq!(value(explained.loss_recovery), Some((0, Deployment)));
}

async fn an_ended_session_is_explained_by_its_end(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    revoke(&mut client, &session.id).await.unwrap();
    let explained = explain(&mut service.policies(), &session.id).await.unwrap();
    assert_eq!((explained.ends_at, explained.ends_by()), (None, pb::EndReason::Unspecified));
    assert_eq!(explained.session.unwrap().end_reason(), pb::EndReason::Admin);
}

async fn what_is_unknown_is_not_found(service: &Service) {
    let mut policies = service.policies();
    assert_refused(explain(&mut policies, "sess_aaaaaaaaaaaaaaaa").await, Code::NotFound, "SESSION_NOT_FOUND");
    assert_field(explain(&mut policies, "x").await, "session_id");
}
