//! What a failover can lose, and what must hold all the same.

use std::sync::Arc;

use session_svc::{
    app::{
        revoke_many::RevokeSessions,
        validate::{Presented, ValidateSession, Verdict},
    },
    domain::{
        end::EndReason,
        filter::Filter,
        id::{Owner, SessionId},
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
