//! What a failover can lose, and what must hold all the same.

use std::{sync::Arc, time::Duration};

use session_svc::{
    app::{
        policies::PutPolicy,
        revoke_many::RevokeSessions,
        validate::{Presented, ValidateSession, Verdict},
    },
    domain::{
        end::EndReason,
        filter::Filter,
        id::{Owner, SessionId},
        policy::{Limits, Policy, PolicyScope},
    },
    store::redis::RedisStore,
};
use svc_kit::clock::ManualClock;

use crate::{
    model::everything,
    support::{
        commands,
        service::{START, forget, random_name, redis_url},
        use_cases::{Sessions, caller, use_cases},
    },
};

fn replica(prefix: &str) -> Sessions<RedisStore> {
    let store = RedisStore::new(&redis_url(), prefix, "test", 1, 1).unwrap();
    use_cases(Arc::new(store), Arc::new(ManualClock::new(START)), &[])
}

async fn cut(sessions: &Sessions<RedisStore>, owner: Owner) {
    let command = RevokeSessions {
        filter: Filter { user: Some(owner.user), ..everything(&owner.tenant) },
        is_dry_run: false,
        reason: EndReason::Admin,
        comment: String::new(),
        idempotency: None,
    };
    assert_eq!(sessions.revoke_many(&caller(None), &command).await.unwrap().count, 1);
}

async fn is_active(sessions: &Sessions<RedisStore>, id: SessionId) -> bool {
    let command = ValidateSession { presented: Presented::Id(id), is_interactive: false, ip_address: String::new() };
    matches!(sessions.validate(&caller(None), &command).await.unwrap(), Verdict::Active(..))
}

/// A replica remembers cutoffs under their version. If the store loses some and gets others, the version must not come again.
#[tokio::test]
async fn a_cutoff_after_a_failover_is_not_taken_for_one_that_was_lost() {
    let prefix = format!("{}:", random_name());
    let (one, two) = (replica(&prefix), replica(&prefix));
    let created = one.create(&caller(None), commands::create("acme", "ada")).await.unwrap();
    let survivor = one.create(&caller(None), commands::create("acme", "grace")).await.unwrap().stored.session.id;
    cut(&one, commands::owner("acme", "ada")).await;
    assert!(!is_active(&one, created.stored.session.id).await && is_active(&one, survivor).await);
    // The promoted server never got the cutoff.
    let mut connection = redis::Client::open(redis_url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let lost = ["v1:{0000}", "e1:{0000}", "d1:{0000}"].map(|key| format!("{prefix}{key}"));
    redis::cmd("DEL").arg(&lost).exec_async(&mut connection).await.unwrap();
    cut(&two, commands::owner("acme", "grace")).await;
    assert!(!is_active(&two, survivor).await);
    assert!(!is_active(&one, survivor).await, "the first replica has to see the new cutoff");
    forget(&prefix);
}

async fn allow_pauses_of(sessions: &Sessions<RedisStore>, seconds: u64) {
    let idle_timeout = Some(Duration::from_secs(seconds));
    let policy = Policy { application: Limits { idle_timeout, ..Limits::default() }, ..Policy::default() };
    let scope = PolicyScope { tenant: commands::owner("acme", "ada").tenant, application: None };
    sessions.put_policy(&caller(None), PutPolicy { scope, policy, expected: None }).await.unwrap();
}

/// The same for the policies that a replica knows.
#[tokio::test]
async fn a_policy_after_a_failover_is_not_taken_for_one_that_was_lost() {
    let prefix = format!("{}:", random_name());
    let (one, two) = (replica(&prefix), replica(&prefix));
    allow_pauses_of(&one, 3600).await;
    let session = one.create(&caller(None), commands::create("acme", "ada")).await.unwrap().stored.session;
    assert!(is_active(&one, session.id).await);
    let mut connection = redis::Client::open(redis_url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let lost = ["v1:{0000}", "p1:{policies}", "q1:{policies}"].map(|key| format!("{prefix}{key}"));
    redis::cmd("DEL").arg(&lost).exec_async(&mut connection).await.unwrap();
    allow_pauses_of(&two, 60).await;
    let explained = one.explain(&caller(None), session.id).await.unwrap();
    let in_force = explained.idle.ends_at.duration_since(session.last_active_at);
    assert_eq!(in_force, Duration::from_secs(60), "the first replica has to see the new policy");
    forget(&prefix);
}
