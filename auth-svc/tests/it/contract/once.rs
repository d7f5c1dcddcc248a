//! What is good once: identifiers of proofs, and pushed requests.

use std::{sync::Arc, time::Duration};

use auth_svc::{
    domain::{
        application::{Application, Client},
        authorize::{AuthorizationRequest, Parameters},
        pushed::{PUSHED_LIFETIME, Pushed},
    },
    ports::Store,
};
use svc_kit::{clock::Timestamp, secret::sha256};

use super::on_both_stores;
use crate::support::at_once;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const RACERS: usize = 16;

on_both_stores!(
    what_was_presented_is_known_until_it_ends,
    of_many_that_present_the_same_at_once_one_is_first,
    of_many_that_present_what_is_over_at_once_one_is_first,
    only_what_is_over_is_forgotten,
    a_pushed_request_is_kept_as_it_is,
    of_many_that_spend_a_pushed_request_one_does,
);

async fn what_was_presented_is_known_until_it_ends<S: Store>(store: Arc<S>) {
    let (one, other) = (sha256(b"one"), sha256(b"other"));
    let end = NOW.saturating_add(Duration::from_secs(60));
    assert!(store.is_first(one, NOW, end).await.unwrap());
    assert!(!store.is_first(one, NOW, end).await.unwrap());
    assert!(store.is_first(other, NOW, end).await.unwrap());
    let just_before = end.saturating_sub(Duration::from_millis(1));
    assert!(!store.is_first(one, just_before, end).await.unwrap());
    assert!(store.is_first(one, end, end.saturating_add(Duration::from_secs(1))).await.unwrap());
}

async fn of_many_that_present_the_same_at_once_one_is_first<S: Store>(store: Arc<S>) {
    let work = (0..RACERS).map(|_| {
        let store = store.clone();
        async move { store.is_first(sha256(b"one"), NOW, NOW.saturating_add(Duration::from_secs(60))).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|is_first| *is_first).count(), 1);
}

async fn of_many_that_present_what_is_over_at_once_one_is_first<S: Store>(store: Arc<S>) {
    let end = NOW.saturating_add(Duration::from_secs(60));
    assert!(store.is_first(sha256(b"one"), NOW, end).await.unwrap());
    let work = (0..RACERS).map(|_| {
        let store = store.clone();
        async move { store.is_first(sha256(b"one"), end, end.saturating_add(Duration::from_secs(60))).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|is_first| *is_first).count(), 1);
}

async fn only_what_is_over_is_forgotten<S: Store>(store: Arc<S>) {
    let end = NOW.saturating_add(Duration::from_secs(60));
    assert!(store.is_first(sha256(b"one"), NOW, end).await.unwrap());
    assert!(store.is_first(sha256(b"other"), NOW, end.saturating_add(Duration::from_millis(1))).await.unwrap());
    assert_eq!(store.forget_presented(end.saturating_sub(Duration::from_millis(1))).await.unwrap(), 0);
    assert_eq!(store.forget_presented(end).await.unwrap(), 1);
    assert!(!store.is_first(sha256(b"other"), end, end).await.unwrap());
}

fn request() -> AuthorizationRequest {
    let redirect_uri = "https://web.example/cb?x=1";
    let application = Application {
        redirect_uris: vec![redirect_uri.to_owned()],
        ..Application::new("web", "one", Client::PrivateKey)
    };
    let pairs = [("redirect_uri", redirect_uri), ("response_type", "code"), ("scope", "openid"), ("state", "ü \"")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    AuthorizationRequest::parse(&Parameters::collect(pairs).unwrap(), &application).unwrap()
}

async fn added<S: Store>(store: &S, name: &[u8]) -> Pushed {
    let pushed = Pushed { request: request(), expires_at: NOW.saturating_add(PUSHED_LIFETIME), is_spent: false };
    store.add_pushed(sha256(name), &pushed, NOW).await.unwrap();
    pushed
}

async fn a_pushed_request_is_kept_as_it_is<S: Store>(store: Arc<S>) {
    let pushed = added(&*store, b"one").await;
    assert_eq!(store.pushed(sha256(b"other")).await.unwrap(), None);
    assert_eq!(store.pushed(sha256(b"one")).await.unwrap(), Some(pushed.clone()));
    assert!(!store.spend_pushed(sha256(b"other")).await.unwrap());
    assert!(store.spend_pushed(sha256(b"one")).await.unwrap());
    let spent = Pushed { is_spent: true, ..pushed };
    assert_eq!(store.pushed(sha256(b"one")).await.unwrap(), Some(spent));
}

async fn of_many_that_spend_a_pushed_request_one_does<S: Store>(store: Arc<S>) {
    added(&*store, b"one").await;
    let work = (0..RACERS).map(|_| {
        let store = store.clone();
        async move { store.spend_pushed(sha256(b"one")).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|is_spent| *is_spent).count(), 1);
}
