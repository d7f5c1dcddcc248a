//! API keys.

use std::{sync::Arc, time::Duration};

use auth_svc::{
    domain::{
        api_key::{ApiKey, ApiKeyId},
        application::{OldSecret, SecretHash},
        event::{Event, What},
    },
    ports::Store,
};
use svc_kit::{clock::Timestamp, entropy::OsEntropy};

use super::on_both_stores;
use crate::support::at_once;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const RACERS: usize = 8;

on_both_stores!(
    a_key_comes_back_as_it_was_put,
    keys_are_listed_by_id_in_their_tenant,
    of_many_that_replace_one_revision_one_does,
    a_deleted_key_is_gone,
    the_latest_use_is_remembered,
);

fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn event(key: &ApiKey) -> Event {
    let what = What::ApiKeyCreated(key.id.to_string());
    Event { at: NOW, tenant: key.tenant.clone(), actor: "test".to_owned(), from: String::new(), what }
}

async fn put<S: Store>(store: &S, tenant: &str) -> ApiKey {
    store.ensure_tenant(tenant, tenant).await.unwrap();
    let key = ApiKey {
        id: ApiKeyId::generate(&OsEntropy),
        tenant: tenant.to_owned(),
        name: "Importer".to_owned(),
        scopes: vec!["directory.write".to_owned(), "sessions.read".to_owned()],
        hash: SecretHash::of("first"),
        old_secret: None,
        created_at: NOW,
        created_by: "operator:dev".to_owned(),
        expires_at: later(60),
        last_used_at: None,
        revision: 0,
    };
    store.add_api_key(&key, &event(&key)).await.unwrap();
    key
}

fn rotated(key: &ApiKey, secret: &str) -> ApiKey {
    let old_secret = Some(OldSecret { hash: key.hash.clone(), until: later(10) });
    ApiKey { hash: SecretHash::of(secret), old_secret, ..key.clone() }
}

async fn a_key_comes_back_as_it_was_put<S: Store>(store: Arc<S>) {
    let key = put(&*store, "one").await;
    assert_eq!(store.api_key(&key.id).await.unwrap(), Some(key.clone()));
    assert_eq!(store.api_key(&ApiKeyId::generate(&OsEntropy)).await.unwrap(), None);
    let second = rotated(&key, "second");
    assert!(store.replace_api_key(&second, &event(&key)).await.unwrap());
    assert!(!store.replace_api_key(&second, &event(&key)).await.unwrap());
    assert_eq!(store.api_key(&key.id).await.unwrap(), Some(ApiKey { revision: 1, ..second }));
}

async fn keys_are_listed_by_id_in_their_tenant<S: Store>(store: Arc<S>) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(put(&*store, "one").await.id);
    }
    put(&*store, "two").await;
    ids.sort();
    let first = store.api_keys("one", "", 2).await.unwrap();
    let rest = store.api_keys("one", first[1].id.as_str(), 2).await.unwrap();
    assert_eq!(first.into_iter().chain(rest).map(|key| key.id).collect::<Vec<_>>(), ids);
}

async fn of_many_that_replace_one_revision_one_does<S: Store>(store: Arc<S>) {
    let key = put(&*store, "one").await;
    let work = (0..RACERS).map(|number| {
        let (store, changed) = (store.clone(), rotated(&key, &number.to_string()));
        async move { store.replace_api_key(&changed, &event(&changed)).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|did| *did).count(), 1);
    assert_eq!(store.api_key(&key.id).await.unwrap().unwrap().revision, 1);
}

async fn a_deleted_key_is_gone<S: Store>(store: Arc<S>) {
    let key = put(&*store, "one").await;
    assert!(store.delete_api_key(&key.id, &event(&key)).await.unwrap());
    assert!(!store.delete_api_key(&key.id, &event(&key)).await.unwrap());
    assert_eq!(store.api_key(&key.id).await.unwrap(), None);
    assert!(!store.replace_api_key(&key, &event(&key)).await.unwrap());
}

async fn the_latest_use_is_remembered<S: Store>(store: Arc<S>) {
    let key = put(&*store, "one").await;
    for seconds in [5, 9, 2] {
        store.api_key_used(&key.id, later(seconds)).await.unwrap();
    }
    // A rotation that read the key before does not forget it.
    assert!(store.replace_api_key(&rotated(&key, "second"), &event(&key)).await.unwrap());
    assert_eq!(store.api_key(&key.id).await.unwrap().unwrap().last_used_at, Some(later(9)));
}
