//! Users, what changes them, and the orders that follow.

use std::sync::Arc;

use auth_svc::{
    domain::{
        event::{Event, What},
        user::{Description, Login, User, UserChange, UserId},
    },
    ports::{Described, RevocationReason, Store},
};
use svc_kit::{clock::Timestamp, entropy::OsEntropy};

use super::on_both_stores;
use crate::support::at_once;

/// Rounds of a race, and how many race in each.
const ROUNDS: usize = 40;
const RACERS: usize = 8;
/// When every order is due that was not put off.
const LATER: Timestamp = Timestamp::from_ms(1_700_000_000_000);

on_both_stores!(
    a_user_is_found_by_id_and_login_in_its_tenant_only,
    users_are_listed_by_id_and_continued,
    a_change_touches_what_it_names_and_raises_the_epoch_when_sessions_must_end,
    a_change_that_changes_nothing_orders_nothing,
    disabling_and_setting_a_password_at_once_lose_neither,
    of_many_that_disable_at_once_one_does,
    of_many_that_take_a_login_at_once_one_gets_it,
    an_order_stays_until_it_is_done,
    a_refused_order_is_put_off_and_holds_up_no_other,
    a_description_touches_what_it_names,
    of_many_that_take_a_login_by_change_one_gets_it,
    a_hash_is_replaced_only_if_it_is_the_one,
    a_deleted_user_is_gone_and_all_sessions_are_ordered_to_end,
);

fn user(tenant: &str, login: &str) -> User {
    User {
        id: UserId::generate(&OsEntropy),
        tenant: tenant.to_owned(),
        login: Login::parse(login).unwrap(),
        name: "Ada".to_owned(),
        password_hash: "first".to_owned(),
        is_disabled: false,
        epoch: 0,
        created_at: Timestamp::from_ms(1_700_000_000_123),
        claims: [("locale".to_owned(), "en".to_owned())].into(),
        is_email_verified: true,
        updated_at: Timestamp::from_ms(1_700_000_000_124),
        must_change_password: false,
    }
}

fn set_password() -> UserChange {
    UserChange::SetPassword { password_hash: "second".to_owned(), must_change: true }
}

fn event(user: &User) -> Event {
    let what = What::UserCreated(user.id.to_string());
    Event {
        at: Timestamp::from_ms(1),
        tenant: user.tenant.clone(),
        actor: "test".to_owned(),
        from: String::new(),
        what,
    }
}

async fn added<S: Store>(store: &S, tenant: &str, login: &str) -> User {
    store.ensure_tenant(tenant, tenant).await.unwrap();
    let user = user(tenant, login);
    assert!(store.add_user(&user, &event(&user)).await.unwrap());
    user
}

async fn a_user_is_found_by_id_and_login_in_its_tenant_only<S: Store>(store: Arc<S>) {
    let ada = added(&*store, "one", "ada@example.com").await;
    let other = added(&*store, "two", "ada@example.com").await;
    assert_eq!(store.user(&ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.user_by_login("one", &ada.login).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.user_by_login("two", &ada.login).await.unwrap(), Some(other));
    assert_eq!(store.user_by_login("three", &ada.login).await.unwrap(), None);
    assert_eq!(store.user(&UserId::generate(&OsEntropy)).await.unwrap(), None);
    let twin = user("one", "ADA@example.com");
    assert!(!store.add_user(&twin, &event(&twin)).await.unwrap());
    assert_eq!(store.user(&twin.id).await.unwrap(), None);
}

async fn users_are_listed_by_id_and_continued<S: Store>(store: Arc<S>) {
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(added(&*store, "one", &format!("{number}@example.com")).await.id);
    }
    added(&*store, "two", "other@example.com").await;
    ids.sort();
    let first = store.users("one", "", 3).await.unwrap();
    let rest = store.users("one", first[2].id.as_str(), 3).await.unwrap();
    let listed: Vec<UserId> = first.into_iter().chain(rest).map(|user| user.id).collect();
    assert_eq!(listed, ids);
}

async fn a_change_touches_what_it_names_and_raises_the_epoch_when_sessions_must_end<S: Store>(store: Arc<S>) {
    let ada = added(&*store, "one", "ada@example.com").await;
    let change = async |change: UserChange| store.change_user(&ada.id, &change, &event(&ada), None).await.unwrap();
    let disabled = User { is_disabled: true, epoch: 1, ..ada.clone() };
    assert_eq!(change(UserChange::Disable).await, Some(disabled.clone()));
    let set = User { password_hash: "second".to_owned(), epoch: 2, must_change_password: true, ..disabled };
    assert_eq!(change(set_password()).await, Some(set.clone()));
    let enabled = User { is_disabled: false, ..set };
    assert_eq!(change(UserChange::Enable).await, Some(enabled.clone()));
    assert_eq!(store.user(&ada.id).await.unwrap(), Some(enabled));
}

async fn a_change_that_changes_nothing_orders_nothing<S: Store>(store: Arc<S>) {
    let ada = added(&*store, "one", "ada@example.com").await;
    let why = Some(RevocationReason::AccountDisabled);
    assert_eq!(store.change_user(&ada.id, &UserChange::Enable, &event(&ada), why).await.unwrap(), None);
    let nobody = UserId::generate(&OsEntropy);
    assert_eq!(store.change_user(&nobody, &UserChange::Disable, &event(&ada), why).await.unwrap(), None);
    assert_eq!(store.revocations(LATER).await.unwrap(), []);
    assert_eq!(store.user(&ada.id).await.unwrap(), Some(ada));
}

async fn disabling_and_setting_a_password_at_once_lose_neither<S: Store>(store: Arc<S>) {
    for round in 0..ROUNDS {
        let ada = added(&*store, "one", &format!("{round}@example.com")).await;
        let changes = [UserChange::Disable, set_password()];
        let work = changes.map(|change| {
            let (store, ada) = (store.clone(), ada.clone());
            async move { store.change_user(&ada.id, &change, &event(&ada), None).await.unwrap() }
        });
        let changed = at_once(work).await;
        let now = store.user(&ada.id).await.unwrap().unwrap();
        assert!(now.is_disabled && now.password_hash == "second" && now.epoch == 2, "round {round}: {now:?}");
        let mut epochs: Vec<i64> = changed.into_iter().flatten().map(|user| user.epoch).collect();
        epochs.sort_unstable();
        assert_eq!(epochs, [1, 2], "round {round}");
    }
}

async fn of_many_that_disable_at_once_one_does<S: Store>(store: Arc<S>) {
    let ada = added(&*store, "one", "ada@example.com").await;
    let work = (0..RACERS).map(|_| {
        let (store, ada) = (store.clone(), ada.clone());
        let why = Some(RevocationReason::AccountDisabled);
        async move { store.change_user(&ada.id, &UserChange::Disable, &event(&ada), why).await.unwrap().is_some() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|did| *did).count(), 1);
    assert_eq!(store.revocations(LATER).await.unwrap().len(), 1);
    assert_eq!(store.user(&ada.id).await.unwrap().unwrap().epoch, 1);
}

async fn of_many_that_take_a_login_at_once_one_gets_it<S: Store>(store: Arc<S>) {
    store.ensure_tenant("one", "one").await.unwrap();
    let work = (0..RACERS).map(|_| {
        let (store, user) = (store.clone(), user("one", "ada@example.com"));
        async move { store.add_user(&user, &event(&user)).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|got| *got).count(), 1);
    assert_eq!(store.users("one", "", RACERS).await.unwrap().len(), 1);
}

async fn an_order_stays_until_it_is_done<S: Store>(store: Arc<S>) {
    let ada = added(&*store, "one", "ada@example.com").await;
    let why = [RevocationReason::CredentialChange, RevocationReason::AccountDisabled];
    let change = set_password();
    store.change_user(&ada.id, &change, &event(&ada), Some(why[0])).await.unwrap().unwrap();
    store.change_user(&ada.id, &UserChange::Disable, &event(&ada), Some(why[1])).await.unwrap().unwrap();
    let orders = store.revocations(LATER).await.unwrap();
    assert_eq!(orders.iter().map(|order| order.reason).collect::<Vec<_>>(), why);
    assert!(orders.iter().all(|order| order.tenant == "one" && order.user == ada.id.as_str()));
    store.revoked(orders[0].id).await.unwrap();
    store.revoked(orders[0].id).await.unwrap();
    assert_eq!(store.revocations(LATER).await.unwrap(), [orders[1].clone()]);
}

async fn a_refused_order_is_put_off_and_holds_up_no_other<S: Store>(store: Arc<S>) {
    let why = Some(RevocationReason::AccountDisabled);
    // More than are read at once, so that those in front could hide those behind.
    for number in 0..101 {
        let user = added(&*store, "one", &format!("{number}@example.com")).await;
        store.change_user(&user.id, &UserChange::Disable, &event(&user), why).await.unwrap().unwrap();
    }
    let first = store.revocations(LATER).await.unwrap();
    assert_eq!(first.len(), 100);
    let later = LATER.saturating_add(std::time::Duration::from_secs(2));
    for order in &first {
        store.revocation_refused(order.id, later).await.unwrap();
    }
    let rest = store.revocations(LATER).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert!(!first.contains(&rest[0]));
    store.revoked(rest[0].id).await.unwrap();
    let again = store.revocations(later).await.unwrap();
    assert_eq!(again.len(), 100);
    assert!(again.iter().all(|order| order.refusals == 1));
}

async fn a_description_touches_what_it_names<S: Store>(store: Arc<S>) {
    let ada = added(&*store, "one", "ada@example.com").await;
    let event = event(&ada);
    let describe = async |description: Description| store.describe_user(&ada.id, &description, &event).await.unwrap();
    let renamed = User { name: "Countess".to_owned(), updated_at: event.at, ..ada.clone() };
    let description = Description { name: Some("Countess".to_owned()), ..Description::default() };
    assert_eq!(describe(description).await, Described::Done(Box::new(renamed.clone())));
    // Another address is not verified until somebody says so.
    let login = Login::parse("countess@example.com").unwrap();
    let moved = User { login: login.clone(), is_email_verified: false, ..renamed };
    let description = Description { login: Some(login), ..Description::default() };
    assert_eq!(describe(description).await, Described::Done(Box::new(moved.clone())));
    let claims = [("nickname".to_owned(), "Ada".to_owned())].into();
    let description = Description { claims: Some(claims), is_email_verified: Some(true), ..Description::default() };
    let described = User { claims: description.claims.clone().unwrap(), is_email_verified: true, ..moved };
    assert_eq!(describe(description).await, Described::Done(Box::new(described.clone())));
    assert_eq!(store.user(&ada.id).await.unwrap(), Some(described.clone()));
    assert_eq!(store.user_by_login("one", &ada.login).await.unwrap(), None);
    assert_eq!(store.user_by_login("one", &described.login).await.unwrap(), Some(described));
    let nobody = UserId::generate(&OsEntropy);
    let nothing = store.describe_user(&nobody, &Description::default(), &event).await.unwrap();
    assert_eq!(nothing, Described::Unknown);
}

async fn of_many_that_take_a_login_by_change_one_gets_it<S: Store>(store: Arc<S>) {
    let mut users = Vec::new();
    for number in 0..RACERS {
        users.push(added(&*store, "one", &format!("{number}@example.com")).await);
    }
    let login = Login::parse("wanted@example.com").unwrap();
    let work = users.into_iter().map(|user| {
        let (store, login) = (store.clone(), login.clone());
        let description = Description { login: Some(login), ..Description::default() };
        async move { store.describe_user(&user.id, &description, &event(&user)).await.unwrap() }
    });
    let ended = at_once(work).await;
    assert_eq!(ended.iter().filter(|end| matches!(end, Described::Done(_))).count(), 1);
    assert_eq!(ended.iter().filter(|end| **end == Described::LoginTaken).count(), RACERS - 1);
    // The same login in another tenant is another one.
    let other = added(&*store, "two", "other@example.com").await;
    let description = Description { login: Some(login), ..Description::default() };
    assert!(matches!(store.describe_user(&other.id, &description, &event(&other)).await.unwrap(), Described::Done(_)));
}

async fn a_deleted_user_is_gone_and_all_sessions_are_ordered_to_end<S: Store>(store: Arc<S>) {
    let ada = added(&*store, "one", "ada@example.com").await;
    assert!(store.delete_user(&ada, &event(&ada)).await.unwrap());
    assert!(!store.delete_user(&ada, &event(&ada)).await.unwrap());
    assert_eq!(store.user(&ada.id).await.unwrap(), None);
    assert_eq!(store.user_by_login("one", &ada.login).await.unwrap(), None);
    let orders = store.revocations(LATER).await.unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].user.as_str(), orders[0].reason), (ada.id.as_str(), RevocationReason::AccountDisabled));
    let again = user("one", "ada@example.com");
    assert!(store.add_user(&again, &event(&again)).await.unwrap());
}

async fn a_hash_is_replaced_only_if_it_is_the_one<S: Store>(store: Arc<S>) {
    let ada = added(&*store, "one", "ada@example.com").await;
    store.replace_hash(&ada.id, "another", "renewed").await.unwrap();
    assert_eq!(store.user(&ada.id).await.unwrap().unwrap().password_hash, "first");
    store.replace_hash(&ada.id, "first", "renewed").await.unwrap();
    let renewed = User { password_hash: "renewed".to_owned(), ..ada };
    assert_eq!(store.user(&renewed.id).await.unwrap(), Some(renewed));
}
