//! [`PolicyStore`](session_svc::ports::PolicyStore).

use session_svc::{
    domain::policy::{Policy, PolicyScope, StoredPolicy},
    ports::Put,
};

use super::*;

for_each_store!(
    a_policy_is_stored_if_the_one_before_is_the_expected_one,
    versions_grow_over_all_policies,
    an_announced_policy_is_in_force_in_the_shard,
    a_policy_is_unannounced_until_it_is_said_to_be,
    a_policy_is_unsettled_where_it_was_announced_until_it_is_said_to_be,
);

fn of(application: Option<&str>) -> PolicyScope {
    let application = application.map(|name| ApplicationId::parse(name).unwrap());
    PolicyScope { tenant: owner("ada").tenant, application }
}

fn policy(scope: PolicyScope, max_sessions: u32) -> StoredPolicy {
    let policy = Policy { max_sessions: Some(max_sessions), ..Policy::default() };
    StoredPolicy { scope, policy, version: 0, updated_at: at(0), updated_by: "test".to_owned() }
}

impl<S: AnyStore> Port<S> {
    async fn put(&self, policy: &StoredPolicy, before: u64) -> u64 {
        match self.store.put_policy(policy, before).await.unwrap() {
            Put::Stored(version) => version,
            refused => panic!("{refused:?}"),
        }
    }
}

async fn a_policy_is_stored_if_the_one_before_is_the_expected_one<S: AnyStore>(port: &Port<S>) {
    let (first, second) = (policy(of(None), 1), policy(of(None), 2));
    let version = port.put(&first, 0).await;
    for expected in [0, version + 1] {
        assert_eq!(port.store.put_policy(&second, expected).await.unwrap(), Put::Conflict);
    }
    let stored = port.store.policies().await.unwrap();
    assert_eq!(**stored.get(&of(None)).unwrap(), StoredPolicy { version, ..first });
    let version = port.put(&second, version).await;
    let stored = port.store.policies().await.unwrap();
    assert_eq!(**stored.get(&of(None)).unwrap(), StoredPolicy { version, ..second });
}

async fn versions_grow_over_all_policies<S: AnyStore>(port: &Port<S>) {
    let mut before = 0;
    for name in ["web", "mobile", "tv"] {
        let version = port.put(&policy(of(Some(name)), 1), 0).await;
        assert!(version > before);
        before = version;
    }
    assert_eq!(port.store.policies().await.unwrap().len(), 3);
}

async fn an_announced_policy_is_in_force_in_the_shard<S: AnyStore>(port: &Port<S>) {
    let before = port.version("ada").await;
    let version = port.put(&policy(of(None), 1), 0).await;
    port.store.announce(shard("ada"), &of(None), version).await.unwrap();
    let decided = Commit { cutoffs: Some(before), ..creating(&session("ada", 0)) };
    assert!(port.is_conflict(decided).await, "it was decided without the policy");
    let id = port.create("ada", 0).await.stored.session.id;
    for cutoffs in [port.store.cutoffs(shard("ada")).await.unwrap(), port.store.load(id).await.unwrap().cutoffs] {
        assert_eq!(cutoffs.policies.get(&of(None)).map(|stored| stored.version), Some(version));
    }
}

async fn a_policy_is_unannounced_until_it_is_said_to_be<S: AnyStore>(port: &Port<S>) {
    let first = port.put(&policy(of(None), 1), 0).await;
    assert_eq!(port.store.unannounced().await.unwrap(), [(of(None), first)]);
    let second = port.put(&policy(of(None), 2), first).await;
    port.store.announced(&of(None), first).await.unwrap();
    assert_eq!(port.store.unannounced().await.unwrap(), [(of(None), second)], "a newer one");
    port.store.announced(&of(None), second).await.unwrap();
    assert_eq!(port.store.unannounced().await.unwrap(), []);
}

async fn a_policy_is_unsettled_where_it_was_announced_until_it_is_said_to_be<S: AnyStore>(port: &Port<S>) {
    let (here, there) = (shard("ada"), Shard(1 - shard("ada").0));
    let first = port.put(&policy(of(None), 1), 0).await;
    port.store.announce(here, &of(None), first).await.unwrap();
    assert_eq!(port.store.unsettled(there).await.unwrap(), []);
    let second = port.put(&policy(of(None), 2), first).await;
    port.store.announce(here, &of(None), second).await.unwrap();
    port.store.settled(here, &of(None), first).await.unwrap();
    assert_eq!(port.store.unsettled(here).await.unwrap(), [(of(None), second)], "a newer one");
    port.store.settled(here, &of(None), second).await.unwrap();
    assert_eq!(port.store.unsettled(here).await.unwrap(), []);
}
