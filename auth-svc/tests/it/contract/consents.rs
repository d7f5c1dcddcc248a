//! Consents, and the order that follows when one is withdrawn.

use std::sync::Arc;

use auth_svc::{
    domain::{
        application::{Application, Client},
        audit::AuditFilter,
        consent::Consent,
        event::{Event, What},
        user::{Login, User, UserId},
    },
    ports::{RevocationReason, Store},
};
use svc_kit::{clock::Timestamp, entropy::OsEntropy};

use super::on_both_stores;
use crate::support::at_once;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

on_both_stores!(
    consents_of_a_user_add_up_for_each_application,
    consents_are_listed_by_application_and_continued,
    consents_given_at_once_lose_nothing,
    a_withdrawn_consent_is_gone_and_orders_the_end_of_its_sessions_once,
    nothing_is_kept_for_an_application_that_is_gone,
    nothing_is_kept_of_a_user_who_is_gone,
);

fn event(what: What) -> Event {
    Event { at: NOW, tenant: "one".to_owned(), actor: "test".to_owned(), from: String::new(), what }
}

fn given() -> Event {
    event(What::ConsentGiven { user: "user".to_owned(), application: "a".to_owned() })
}

/// How many consents are on record.
async fn on_record<S: Store>(store: &S) -> usize {
    let filter = AuditFilter {
        tenant: "one".to_owned(),
        action: "consent.given".to_owned(),
        before: Timestamp::from_ms(i64::MAX),
        ..AuditFilter::default()
    };
    store.audit_entries(&filter, i64::MAX, 100).await.unwrap().len()
}

/// A user, and applications `a`, `B` and `c`.
async fn filled<S: Store>(store: &S) -> User {
    store.ensure_tenant("one", "One").await.unwrap();
    for id in ["a", "B", "c"] {
        let application = Application::new(id, "one", Client::Public);
        assert!(store.add_application(&application, &event(What::created(&application))).await.unwrap());
    }
    let user = User {
        id: UserId::generate(&OsEntropy),
        tenant: "one".to_owned(),
        login: Login::parse("ada@example.com").unwrap(),
        name: String::new(),
        password_hash: String::new(),
        is_disabled: false,
        epoch: 0,
        created_at: NOW,
        claims: [].into(),
        is_email_verified: false,
        updated_at: NOW,
        must_change_password: false,
    };
    assert!(store.add_user(&user, &event(What::UserCreated(user.id.to_string()))).await.unwrap());
    user
}

fn consent(user: &User, application: &str, scopes: &[&str]) -> Consent {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    Consent { user: user.id.clone(), application: application.to_owned(), scopes, given_at: NOW }
}

async fn consents_of_a_user_add_up_for_each_application<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    assert_eq!(store.consent(&user.id, "a").await.unwrap(), None);
    store.give_consent(&consent(&user, "a", &["openid"]), &given()).await.unwrap();
    let later = NOW.saturating_add(std::time::Duration::from_secs(1));
    store
        .give_consent(&Consent { given_at: later, ..consent(&user, "a", &["email", "openid"]) }, &given())
        .await
        .unwrap();
    let both = Consent { given_at: later, ..consent(&user, "a", &["email", "openid"]) };
    assert_eq!(store.consent(&user.id, "a").await.unwrap(), Some(both));
    assert_eq!(store.consent(&user.id, "B").await.unwrap(), None);
    assert_eq!(store.consent(&UserId::generate(&OsEntropy), "a").await.unwrap(), None);
}

async fn consents_are_listed_by_application_and_continued<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    for application in ["c", "a", "B"] {
        store.give_consent(&consent(&user, application, &["openid"]), &given()).await.unwrap();
    }
    let names = |found: Vec<Consent>| found.into_iter().map(|consent| consent.application).collect::<Vec<_>>();
    assert_eq!(names(store.consents(&user.id, "", 2).await.unwrap()), ["B", "a"]);
    assert_eq!(names(store.consents(&user.id, "a", 2).await.unwrap()), ["c"]);
    assert_eq!(store.consents(&UserId::generate(&OsEntropy), "", 9).await.unwrap(), []);
}

async fn consents_given_at_once_lose_nothing<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    let work = ["email", "offline_access", "openid", "profile"].map(|scope| {
        let (store, consent) = (store.clone(), consent(&user, "a", &[scope]));
        async move { store.give_consent(&consent, &given()).await.unwrap() }
    });
    at_once(work).await;
    let all = store.consent(&user.id, "a").await.unwrap().unwrap();
    assert_eq!(all.scopes, ["email", "offline_access", "openid", "profile"]);
}

fn withdrawn(user: &User) -> Event {
    event(What::ConsentWithdrawn { user: user.id.to_string(), application: "a".to_owned() })
}

async fn a_withdrawn_consent_is_gone_and_orders_the_end_of_its_sessions_once<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    store.give_consent(&consent(&user, "a", &["openid"]), &given()).await.unwrap();
    store.give_consent(&consent(&user, "c", &["openid"]), &given()).await.unwrap();
    let work = (0..8).map(|_| {
        let (store, user) = (store.clone(), user.clone());
        async move { store.withdraw_consent(&user, "a", &withdrawn(&user)).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|is_withdrawn| *is_withdrawn).count(), 1);
    assert_eq!(store.consent(&user.id, "a").await.unwrap(), None);
    assert!(store.consent(&user.id, "c").await.unwrap().is_some());
    let orders = store.revocations(NOW).await.unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].user.as_str(), orders[0].application.as_str()), (user.id.as_str(), "a"));
    assert_eq!(orders[0].reason, RevocationReason::ConsentWithdrawn);
}

async fn nothing_is_kept_for_an_application_that_is_gone<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    store.give_consent(&consent(&user, "a", &["openid"]), &given()).await.unwrap();
    let application = store.application("a").await.unwrap().unwrap();
    let gone = event(What::ApplicationDeleted("a".to_owned()));
    assert!(store.delete_application(&application, &gone).await.unwrap());
    assert_eq!(store.consent(&user.id, "a").await.unwrap(), None);
    store.give_consent(&consent(&user, "a", &["openid"]), &given()).await.unwrap();
    assert_eq!(store.consents(&user.id, "", 9).await.unwrap(), []);
    assert_eq!(on_record(&*store).await, 1);
}

async fn nothing_is_kept_of_a_user_who_is_gone<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    store.give_consent(&consent(&user, "a", &["openid"]), &given()).await.unwrap();
    assert!(store.delete_user(&user, &event(What::UserDeleted(user.id.to_string()))).await.unwrap());
    assert_eq!(store.consent(&user.id, "a").await.unwrap(), None);
    store.give_consent(&consent(&user, "a", &["openid"]), &given()).await.unwrap();
    assert_eq!(store.consents(&user.id, "", 9).await.unwrap(), []);
    assert_eq!(on_record(&*store).await, 1);
}
