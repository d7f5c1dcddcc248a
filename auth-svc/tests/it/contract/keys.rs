//! Signing keys.

use std::{sync::Arc, time::Duration};

use auth_svc::{
    domain::{
        audit::AuditFilter,
        event::{Event, What},
        keys::{KeyState, SigningAlgorithm},
    },
    ports::{Store, StoredKey},
};
use svc_kit::clock::Timestamp;

use super::on_both_stores;
use crate::support::at_once;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const RACERS: usize = 16;

on_both_stores!(
    one_key_of_an_algorithm_is_active_whoever_is_first,
    the_next_key_takes_over_once,
    only_what_retires_is_removed,
    a_revoked_key_is_gone_and_its_successor_signs_at_the_same_time,
    a_revocation_counts_only_for_the_keys_as_they_were_read,
);

fn event(at: Timestamp) -> Event {
    let (tenant, what) = ("default".to_owned(), What::KeyCreated("key".to_owned()));
    Event { at, tenant, actor: "test".to_owned(), from: String::new(), what }
}

/// How many entries are on record.
async fn on_record<S: Store>(store: &S) -> usize {
    let filter = AuditFilter {
        tenant: "default".to_owned(),
        action: "key".to_owned(),
        before: Timestamp::from_ms(i64::MAX),
        ..AuditFilter::default()
    };
    store.audit_entries(&filter, i64::MAX, 100).await.unwrap().len()
}

fn key(id: &str, algorithm: SigningAlgorithm, state: KeyState) -> StoredKey {
    StoredKey { id: id.to_owned(), algorithm, state, since: NOW, sealed: vec![0, 1, 255], created_at: NOW }
}

async fn one_key_of_an_algorithm_is_active_whoever_is_first<S: Store>(store: Arc<S>) {
    for state in [KeyState::Active, KeyState::Pending] {
        let work = (0..RACERS).map(|number| {
            let store = store.clone();
            let key = key(&format!("{} {number}", state.name()), SigningAlgorithm::Rs256, state);
            async move { store.add_key(&key, &event(NOW)).await.unwrap() }
        });
        assert_eq!(at_once(work).await.into_iter().filter(|is_first| *is_first).count(), 1);
    }
    let other = key("other", SigningAlgorithm::EdDsa, KeyState::Active);
    assert!(store.add_key(&other, &event(NOW)).await.unwrap());
    let kept = store.keys().await.unwrap();
    assert_eq!((kept.len(), kept.iter().find(|key| key.id == "other")), (3, Some(&other)));
}

async fn the_next_key_takes_over_once<S: Store>(store: Arc<S>) {
    let algorithm = SigningAlgorithm::Es256;
    assert!(store.add_key(&key("old", algorithm, KeyState::Active), &event(NOW)).await.unwrap());
    assert!(store.add_key(&key("new", algorithm, KeyState::Pending), &event(NOW)).await.unwrap());
    assert!(store.add_key(&key("other", SigningAlgorithm::Rs256, KeyState::Active), &event(NOW)).await.unwrap());
    let then = NOW.saturating_add(Duration::from_secs(900));
    let work = (0..RACERS).map(|_| {
        let store = store.clone();
        async move { store.activate_key("new", &event(then)).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|is_first| *is_first).count(), 1);
    let expected = [
        StoredKey { since: then, ..key("new", algorithm, KeyState::Active) },
        StoredKey { since: then, ..key("old", algorithm, KeyState::Retiring) },
        key("other", SigningAlgorithm::Rs256, KeyState::Active),
    ];
    assert_eq!(store.keys().await.unwrap(), expected);
    assert!(!store.activate_key("old", &event(then)).await.unwrap(), "what retires does not come back");
    assert!(!store.activate_key("nothing", &event(then)).await.unwrap());
    // What was done is on record, and nothing else.
    assert_eq!(on_record(&*store).await, 4);
}

async fn only_what_retires_is_removed<S: Store>(store: Arc<S>) {
    for state in [KeyState::Active, KeyState::Pending, KeyState::Retiring] {
        assert!(store.add_key(&key(state.name(), SigningAlgorithm::Rs256, state), &event(NOW)).await.unwrap());
    }
    for (id, is_removed) in [("active", false), ("pending", false), ("retiring", true), ("retiring", false)] {
        assert_eq!(store.remove_key(id, &event(NOW)).await.unwrap(), is_removed, "{id}");
    }
    assert_eq!(store.keys().await.unwrap().len(), 2);
    assert_eq!(on_record(&*store).await, 4);
}

async fn a_revoked_key_is_gone_and_its_successor_signs_at_the_same_time<S: Store>(store: Arc<S>) {
    let algorithm = SigningAlgorithm::Es256;
    let [active, waiting, retiring] = [
        key("active", algorithm, KeyState::Active),
        key("waiting", algorithm, KeyState::Pending),
        key("retiring", algorithm, KeyState::Retiring),
    ];
    for key in [&active, &waiting, &retiring] {
        assert!(store.add_key(key, &event(NOW)).await.unwrap());
    }
    // What does not sign needs nobody in its place.
    assert!(store.revoke_key(&retiring, None, &event(NOW)).await.unwrap());
    assert!(!store.revoke_key(&retiring, None, &event(NOW)).await.unwrap(), "it is gone already");
    // What waits takes over.
    let then = NOW.saturating_add(Duration::from_secs(60));
    let next = StoredKey { state: KeyState::Active, since: then, ..waiting.clone() };
    assert!(store.revoke_key(&active, Some(&next), &event(then)).await.unwrap());
    assert_eq!(store.keys().await.unwrap(), std::slice::from_ref(&next));
    // Where nothing waits, it is one that was not there before.
    let new = StoredKey { id: "new".to_owned(), ..next.clone() };
    assert!(store.revoke_key(&next, Some(&new), &event(then)).await.unwrap());
    assert_eq!(store.keys().await.unwrap(), [new]);
    assert_eq!(on_record(&*store).await, 6);
}

async fn a_revocation_counts_only_for_the_keys_as_they_were_read<S: Store>(store: Arc<S>) {
    let algorithm = SigningAlgorithm::Es256;
    let (old, waiting) = (key("old", algorithm, KeyState::Active), key("waiting", algorithm, KeyState::Pending));
    for key in [&old, &waiting] {
        assert!(store.add_key(key, &event(NOW)).await.unwrap());
    }
    assert!(store.activate_key("waiting", &event(NOW)).await.unwrap());
    // It retires meanwhile, and another one signs.
    let new = key("new", algorithm, KeyState::Active);
    assert!(!store.revoke_key(&old, Some(&new), &event(NOW)).await.unwrap());
    let retiring = StoredKey { state: KeyState::Retiring, ..old };
    assert!(!store.revoke_key(&retiring, Some(&new), &event(NOW)).await.unwrap(), "one signs already");
    assert_eq!(store.keys().await.unwrap().len(), 2);
    assert_eq!(on_record(&*store).await, 3);
    // Of many at once, one does it.
    let signing = StoredKey { state: KeyState::Active, ..waiting };
    let work = (0..RACERS).map(|number| {
        let (store, signing) = (store.clone(), signing.clone());
        let next = key(&format!("next {number}"), algorithm, KeyState::Active);
        async move { store.revoke_key(&signing, Some(&next), &event(NOW)).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|is_first| *is_first).count(), 1);
    assert_eq!(store.keys().await.unwrap().len(), 2);
}
