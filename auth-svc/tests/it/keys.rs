//! Signing keys come and go while tokens are signed, in several processes over one store.

use std::{sync::Arc, time::Duration};

use auth_svc::{
    app::keys::KeyCare,
    crypto::KeyRing,
    domain::keys::{PUBLISHED_FOR, RETIRED_FOR, SigningAlgorithm},
    error::AuthError,
    ports::{KeyStore as _, Tokens as _},
    store::memory::MemoryStore,
};
use serde_json::json;
use svc_kit::{clock::Timestamp, entropy::OsEntropy, seal::SealKeys};

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const SIGNS_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

/// A process that signs.
struct Process {
    store: Arc<MemoryStore>,
    ring: Arc<KeyRing>,
}

impl Process {
    fn new(store: &Arc<MemoryStore>) -> Self {
        let seal = SealKeys::parse(&[format!("1:{}", "a".repeat(64)).into()]).unwrap();
        Self { store: store.clone(), ring: Arc::new(KeyRing::new(Arc::new(seal), Arc::new(OsEntropy))) }
    }

    fn care(&self) -> KeyCare<'_, MemoryStore, Arc<KeyRing>> {
        KeyCare { store: &*self.store, tokens: &self.ring, signs_for: SIGNS_FOR, tenant: "default" }
    }

    fn signs(&self) -> String {
        self.ring.sign("at+jwt", ES256, &json!({ "iss": "me" })).unwrap()
    }

    fn knows(&self, token: &str) -> bool {
        self.ring.verify("at+jwt", token).is_some()
    }

    fn published(&self) -> usize {
        self.ring.jwks()["keys"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn key_is_published_before_it_signs_and_long_after() {
    let store = Arc::new(MemoryStore::default());
    let (one, other) = (Process::new(&store), Process::new(&store));
    one.care().look(NOW).await.unwrap();
    other.care().look(NOW).await.unwrap();
    let old = one.signs();
    assert!(other.knows(&old), "there is one key, whoever made it");
    assert!(one.care().rotate("test", ES256, NOW).await.unwrap());
    assert!(!other.care().rotate("test", ES256, NOW).await.unwrap(), "one waits already");
    assert_eq!((one.published(), other.published()), (4, 4));
    let later = NOW.saturating_add(PUBLISHED_FOR);
    one.care().look(later).await.unwrap();
    let new = one.signs();
    // The other one has not looked yet, and signs by the key before.
    assert!(other.knows(&new) && one.knows(&other.signs()) && one.knows(&old));
    other.care().look(later).await.unwrap();
    assert!(other.knows(&old), "what was signed before is good");
    let end = later.saturating_add(RETIRED_FOR);
    one.care().look(end.saturating_sub(Duration::from_secs(1))).await.unwrap();
    assert!(one.knows(&old));
    one.care().look(end).await.unwrap();
    assert_eq!((one.knows(&old), one.knows(&new), one.published()), (false, true, 3));
}

#[tokio::test]
async fn old_keys_are_followed_by_new_ones() {
    let store = Arc::new(MemoryStore::default());
    let process = Process::new(&store);
    process.care().look(NOW).await.unwrap();
    process.care().look(NOW.saturating_add(SIGNS_FOR - Duration::from_secs(1))).await.unwrap();
    assert_eq!(store.keys().await.unwrap().len(), 3);
    for _ in 0..2 {
        process.care().look(NOW.saturating_add(SIGNS_FOR)).await.unwrap();
        assert_eq!(store.keys().await.unwrap().len(), 6, "one of each algorithm, once");
    }
    let old = process.signs();
    process.care().look(NOW.saturating_add(SIGNS_FOR + PUBLISHED_FOR)).await.unwrap();
    assert!(process.knows(&old) && process.knows(&process.signs()));
    assert_ne!(old.split('.').next(), process.signs().split('.').next(), "another key signs");
}

#[tokio::test]
async fn a_key_that_leaked_is_believed_until_the_other_processes_look() {
    let store = Arc::new(MemoryStore::default());
    let (one, other) = (Process::new(&store), Process::new(&store));
    one.care().look(NOW).await.unwrap();
    other.care().look(NOW).await.unwrap();
    let leaked = store.keys().await.unwrap().into_iter().find(|key| key.algorithm == ES256).unwrap().id;
    let old = one.signs();
    let next = one.care().revoke("test", &leaked, NOW).await.unwrap();
    assert!(next.id != leaked && !one.knows(&old) && one.knows(&one.signs()), "here at once");
    other.care().look(NOW).await.unwrap();
    assert!(!other.knows(&old) && other.knows(&one.signs()) && one.knows(&other.signs()));
    assert_eq!((one.published(), other.published()), (3, 3));
    let again = one.care().revoke("test", &leaked, NOW).await.unwrap_err();
    assert!(matches!(again, AuthError::SigningKeyNotFound), "{again:?}");
}

#[tokio::test]
async fn many_who_revoke_at_once_leave_one_key_that_signs() {
    let store = Arc::new(MemoryStore::default());
    let processes: Vec<Process> = (0..8).map(|_| Process::new(&store)).collect();
    for process in &processes {
        process.care().look(NOW).await.unwrap();
    }
    let leaked = store.keys().await.unwrap().into_iter().find(|key| key.algorithm == ES256).unwrap().id;
    let work = processes.iter().map(|process| async { process.care().revoke("test", &leaked, NOW).await.is_ok() });
    let done = futures::future::join_all(work).await;
    assert_eq!(done.into_iter().filter(|is_done| *is_done).count(), 1);
    assert_eq!(store.keys().await.unwrap().len(), 3);
}
