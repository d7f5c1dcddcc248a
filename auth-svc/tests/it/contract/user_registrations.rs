//! Registrations of users for applications, and the order that follows when one is deleted.

use std::sync::Arc;

use auth_svc::{
    domain::{
        application::{Application, Client},
        event::{Event, What},
        user::{Login, User, UserChange, UserId},
        user_registration::{Standing, UserRegistration},
    },
    ports::{RevocationReason, Store},
};
use svc_kit::{clock::Timestamp, entropy::OsEntropy};

use super::on_both_stores;
use crate::support::at_once;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const RACERS: usize = 8;

on_both_stores!(
    a_registration_is_there_once_and_stays_as_it_was,
    registrations_are_listed_by_application_and_continued,
    of_many_that_register_at_once_all_get_the_same,
    a_deleted_registration_is_gone_and_orders_the_end_of_its_sessions_once,
    a_registration_goes_with_its_application_and_with_its_user,
    how_a_user_stands_with_an_application_is_read_at_once,
);

fn event() -> Event {
    let what = What::RegistrationCreated { user: "user".to_owned(), application: "a".to_owned() };
    Event { at: NOW, tenant: "one".to_owned(), actor: "test".to_owned(), from: String::new(), what }
}

/// A user, and applications `a`, `B` and `c`.
async fn filled<S: Store>(store: &S) -> User {
    store.ensure_tenant("one", "One").await.unwrap();
    for id in ["a", "B", "c"] {
        let application = Application::new(id, "one", Client::Public);
        assert!(store.add_application(&application, &event()).await.unwrap());
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
        must_change_password: true,
    };
    assert!(store.add_user(&user, &event()).await.unwrap());
    assert_eq!(store.user(&user.id).await.unwrap(), Some(user.clone()));
    user
}

fn registration(user: &User, application: &str) -> UserRegistration {
    UserRegistration { user: user.id.clone(), application: application.to_owned(), created_at: NOW }
}

async fn a_registration_is_there_once_and_stays_as_it_was<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    assert!(!store.is_registered(&user.id, "a").await.unwrap());
    let first = registration(&user, "a");
    assert_eq!(store.register_user(&first, &event()).await.unwrap(), Some(first.clone()));
    assert!(store.is_registered(&user.id, "a").await.unwrap() && !store.is_registered(&user.id, "c").await.unwrap());
    let later = UserRegistration { created_at: NOW.saturating_add(std::time::Duration::from_secs(1)), ..first.clone() };
    assert_eq!(store.register_user(&later, &event()).await.unwrap(), Some(first));
    let nowhere = registration(&user, "none");
    assert_eq!(store.register_user(&nowhere, &event()).await.unwrap(), None);
    let nobody = UserRegistration { user: UserId::generate(&OsEntropy), ..registration(&user, "a") };
    assert_eq!(store.register_user(&nobody, &event()).await.unwrap(), None);
}

async fn registrations_are_listed_by_application_and_continued<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    for application in ["c", "a", "B"] {
        store.register_user(&registration(&user, application), &event()).await.unwrap().unwrap();
    }
    let names = async |after: &str, count: usize| {
        let found = store.user_registrations(&user.id, after, count).await.unwrap();
        found.into_iter().map(|found| found.application).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((names("", 2).await.as_str(), names("a", 2).await.as_str()), ("B a", "c"));
}

async fn of_many_that_register_at_once_all_get_the_same<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    let work = (0..RACERS).map(|number| {
        let (store, registration) = (store.clone(), registration(&user, "a"));
        let at = NOW.saturating_add(std::time::Duration::from_secs(number as u64));
        let registration = UserRegistration { created_at: at, ..registration };
        async move { store.register_user(&registration, &event()).await.unwrap().unwrap() }
    });
    let mut got = at_once(work).await;
    got.dedup();
    assert_eq!(got.len(), 1);
    assert_eq!(store.user_registrations(&user.id, "", 9).await.unwrap(), got);
}

async fn a_deleted_registration_is_gone_and_orders_the_end_of_its_sessions_once<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    store.register_user(&registration(&user, "a"), &event()).await.unwrap().unwrap();
    assert!(store.deregister_user(&user, "a", &event()).await.unwrap());
    assert!(!store.deregister_user(&user, "a", &event()).await.unwrap());
    assert!(!store.is_registered(&user.id, "a").await.unwrap());
    let orders = store.revocations(NOW).await.unwrap();
    assert_eq!(orders.len(), 1);
    let order = &orders[0];
    assert_eq!((order.user.as_str(), order.application.as_str()), (user.id.as_str(), "a"));
    assert_eq!(order.reason, RevocationReason::RegistrationDeleted);
}

async fn a_registration_goes_with_its_application_and_with_its_user<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    for application in ["a", "c"] {
        store.register_user(&registration(&user, application), &event()).await.unwrap().unwrap();
    }
    let application = store.application("a").await.unwrap().unwrap();
    assert!(store.delete_application(&application, &event()).await.unwrap());
    assert_eq!(store.user_registrations(&user.id, "", 9).await.unwrap(), [registration(&user, "c")]);
    assert!(store.delete_user(&user, &event()).await.unwrap());
    assert!(!store.is_registered(&user.id, "c").await.unwrap());
}

async fn how_a_user_stands_with_an_application_is_read_at_once<S: Store>(store: Arc<S>) {
    let user = filled(&*store).await;
    let standing = async |application: &str| store.standing(&user.id, application).await.unwrap();
    let is_registered = |is_registered| Some(Standing { epoch: 0, is_disabled: false, is_registered });
    assert_eq!(standing("a").await, is_registered(false));
    store.register_user(&registration(&user, "a"), &event()).await.unwrap().unwrap();
    assert_eq!((standing("a").await, standing("c").await), (is_registered(true), is_registered(false)));
    assert_eq!(standing("").await, is_registered(false));
    let why = Some(RevocationReason::AccountDisabled);
    store.change_user(&user.id, &UserChange::Disable, &event(), why).await.unwrap().unwrap();
    assert_eq!(standing("a").await, Some(Standing { epoch: 1, is_disabled: true, is_registered: true }));
    assert!(store.delete_user(&user, &event()).await.unwrap());
    assert_eq!(standing("a").await, None);
}
