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
