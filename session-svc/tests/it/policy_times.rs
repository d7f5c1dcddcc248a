//! What policies do to sessions that live.

use proto::session::v1::{self as pb, Session, SessionKind};

use crate::support::*;

on_each_store!(
    a_shorter_idle_timeout_holds_at_once_to_the_millisecond,
    a_shorter_lifetime_holds_at_once_to_the_millisecond,
    a_longer_limit_is_there_from_the_next_use,
    an_application_overrides_its_tenant_field_by_field,
    kinds_have_limits_of_their_own,
    no_use_grants_more_than_was_asked_for,
    a_shortened_session_is_told_as_expired,
    a_new_sign_in_starts_the_limits_anew,
    the_rotation_grace_is_the_policys,
    children_end_with_a_parent_that_a_policy_ends,
);

/// Whether the session lives just before, at, and just after `limit` from now; leaves the clock there.
async fn around(service: &Service, session: &Session, limit: std::time::Duration) -> [bool; 3] {
    let mut client = service.operator();
    service.clock.advance(limit - MS);
    let mut lives = [false; 3];
    for live in &mut lives {
        *live = is_active(&mut client, &session.id).await;
        service.clock.advance(MS);
    }
    lives
}

async fn a_shorter_idle_timeout_holds_at_once_to_the_millisecond(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    put(&mut service.policies(), pb::Policy { sso: idle(2), ..tenant_policy() }).await.unwrap();
    let read = get(&mut client, &session.id).await.unwrap();
    assert_eq!(read.idle_expires_at.unwrap().seconds, session.created_at.unwrap().seconds + 2 * 3600);
    assert_eq!(around(service, &session, 2 * HOUR).await, [true, false, false]);
    assert_eq!(get(&mut client, &session.id).await.unwrap().end_reason(), pb::EndReason::Idle);
}

async fn a_shorter_lifetime_holds_at_once_to_the_millisecond(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    put(&mut service.policies(), pb::Policy { application: life(1), ..application_policy(APPLICATION) }).await.unwrap();
    assert_eq!(around(service, &session, HOUR).await, [true, false, false]);
    assert_eq!(get(&mut client, &session.id).await.unwrap().end_reason(), pb::EndReason::Absolute);
}

async fn a_longer_limit_is_there_from_the_next_use(service: &Service) {
    let (mut client, mut policies) = (service.operator(), service.policies());
    put(&mut policies, pb::Policy { sso: idle(1), ..tenant_policy() }).await.unwrap();
    let (unused, _) = created(&mut client, sso(USER)).await;
    let (used, token) = created(&mut client, sso(USER)).await;
    put(&mut policies, pb::Policy { sso: idle(3), ..tenant_policy() }).await.unwrap();
    let read = get(&mut client, &used.id).await.unwrap();
    assert_eq!(read.idle_expires_at, used.idle_expires_at, "reading grants nothing");
    refresh(&mut client, &token).await.unwrap();
    assert_eq!(around(service, &unused, HOUR).await, [true, false, false]);
    service.clock.advance(HOUR - 2 * MS);
    assert_eq!(around(service, &used, HOUR).await, [true, false, false]);
}

async fn an_application_overrides_its_tenant_field_by_field(service: &Service) {
    let (mut client, mut policies) = (service.operator(), service.policies());
    let both = Some(pb::SessionLimits { idle_timeout: hours(2), absolute_lifetime: hours(10), ..Default::default() });
    put(&mut policies, pb::Policy { application: both, ..tenant_policy() }).await.unwrap();
    put(&mut policies, pb::Policy { application: idle(1), ..application_policy("strict") }).await.unwrap();
    let limits = |session: &Session| {
        let since = session.created_at.unwrap().seconds;
        [session.idle_expires_at, session.expires_at].map(|at| (at.unwrap().seconds - since) / 3600)
    };
    let (strict, _) = created(&mut client, in_application(USER, "strict")).await;
    let (other, _) = created(&mut client, in_application(USER, "other")).await;
    assert_eq!((limits(&strict), limits(&other)), ([1, 10], [2, 10]));
    // Nothing said any more: the tenant's again, from the next use.
    put(&mut policies, application_policy("strict")).await.unwrap();
    service.clock.advance(HOUR / 2);
    let request = pb::ValidateSessionRequest { activity: pb::Activity::Interactive.into(), ..by_id(&strict.id) };
    let touched = validate(&mut client, request).await.session.unwrap();
    assert_eq!(touched.idle_expires_at.unwrap().seconds - touched.last_active_at.unwrap().seconds, 2 * 3600);
}

async fn kinds_have_limits_of_their_own(service: &Service) {
    let mut client = service.operator();
    let policy = pb::Policy { application: idle(1), sso: idle(2), sso_kept_signed_in: idle(3), ..tenant_policy() };
    put(&mut service.policies(), policy).await.unwrap();
    let (sso_session, _) = created(&mut client, sso(USER)).await;
    let (kept, _) = created(&mut client, pb::CreateSessionRequest { keep_signed_in: true, ..sso(USER) }).await;
    let (application, _) = created(&mut client, under(&sso_session, SessionKind::Application)).await;
    let (participant, _) = created(&mut client, under(&sso_session, SessionKind::Participant)).await;
    let idle =
        |session: &Session| (session.idle_expires_at.unwrap().seconds - session.created_at.unwrap().seconds) / 3600;
    assert_eq!([&application, &participant, &sso_session, &kept].map(idle), [1, 1, 2, 3]);
}

async fn no_use_grants_more_than_was_asked_for(service: &Service) {
    let mut client = service.operator();
    let times = Some(pb::SessionTimes { idle_timeout: hours(1), absolute_lifetime: None });
    let (session, token) = created(&mut client, pb::CreateSessionRequest { times, ..sso(USER) }).await;
    put(&mut service.policies(), pb::Policy { sso: idle(5), ..tenant_policy() }).await.unwrap();
    refresh(&mut client, &token).await.unwrap();
    assert_eq!(around(service, &session, HOUR).await, [true, false, false]);
}

async fn a_shortened_session_is_told_as_expired(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let (other, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    put(&mut service.policies(), pb::Policy { sso: idle(1), ..tenant_policy() }).await.unwrap();
    service.clock.advance(HOUR);
    service.events.are(&session.id, &["session.created", "session.expired"]).await;
    let ended = get(&mut client, &session.id).await.unwrap();
    assert_eq!(ended.ended_at.unwrap().seconds, session.created_at.unwrap().seconds + 3600);
    assert!(is_active(&mut client, &other.id).await);
}

async fn a_new_sign_in_starts_the_limits_anew(service: &Service) {
    let mut client = service.operator();
    put(&mut service.policies(), pb::Policy { sso: life(2), ..tenant_policy() }).await.unwrap();
    let (session, token) = created(&mut client, sso(USER)).await;
    service.clock.advance(HOUR);
    let request = pb::ReauthenticateSessionRequest { token, user_id: USER.to_owned(), ..Default::default() };
    client.reauthenticate_session(request).await.unwrap();
    assert_eq!(around(service, &session, 2 * HOUR).await, [true, false, false]);
}

async fn the_rotation_grace_is_the_policys(service: &Service) {
    let mut client = service.operator();
    let (_, token) = created(&mut client, in_application(USER, APPLICATION)).await;
    let policy = pb::Policy { rotation_grace: seconds(2), ..application_policy(APPLICATION) };
    put(&mut service.policies(), policy).await.unwrap();
    refresh(&mut client, &token).await.unwrap();
    service.clock.advance(2000 * MS - MS);
    assert!(refresh(&mut client, &token).await.unwrap().replayed);
    service.clock.advance(MS);
    assert!(refresh(&mut client, &token).await.is_err(), "a spent token after the grace");
}

async fn children_end_with_a_parent_that_a_policy_ends(service: &Service) {
    let mut client = service.operator();
    let (parent, _) = created(&mut client, sso(USER)).await;
    let (child, _) = created(&mut client, under(&parent, SessionKind::Application)).await;
    let (participant, _) = created(&mut client, under(&parent, SessionKind::Participant)).await;
    put(&mut service.policies(), pb::Policy { sso: idle(1), ..tenant_policy() }).await.unwrap();
    service.clock.advance(HOUR);
    for session in [&child, &participant] {
        service.events.are(&session.id, &["session.created", "session.revoked"]).await;
        let ended = get(&mut client, &session.id).await.unwrap();
        assert_eq!(ended.end_reason(), pb::EndReason::ParentEnded);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_holds_at_every_replica_once_it_is_acknowledged() {
    let one = Service::start(Store::Redis).await;
    let two = one.replica().await;
    let (mut here, mut there) = (one.policies(), two.operator());
    for round in 0..20 {
        let user = format!("user-{round}");
        put(&mut here, pb::Policy { sso: idle(8), ..tenant_policy() }).await.unwrap();
        let (session, _) = created(&mut there, sso(&user)).await;
        one.clock.advance(HOUR);
        assert!(is_active(&mut there, &session.id).await, "round {round}");
        put(&mut here, pb::Policy { sso: idle(1), ..tenant_policy() }).await.unwrap();
        assert!(!is_active(&mut there, &session.id).await, "round {round}");
        put(&mut here, pb::Policy { sso: idle(8), ..tenant_policy() }).await.unwrap();
    }
}
