//! Tenants and applications.

use std::sync::Arc;

use auth_svc::{
    domain::{
        application::{Application, Client, OldSecret, SecretHash},
        event::{Event, What},
        settings::{ClientSettings, LogoutTarget},
    },
    ports::{RevocationReason, Store},
};
use svc_kit::clock::Timestamp;

use super::on_both_stores;
use crate::support::at_once;

const RACERS: usize = 8;

on_both_stores!(
    a_tenant_is_made_once,
    an_application_comes_back_as_it_was_put,
    an_id_is_taken_in_every_tenant,
    applications_are_listed_by_id_in_their_tenant,
    a_change_of_an_older_revision_does_not_count,
    of_many_changes_of_one_revision_one_counts,
    a_deleted_application_is_gone_and_its_sessions_are_ordered_to_end,
);

fn application(id: &str, tenant: &str, client: Client) -> Application {
    Application {
        name: "Shop".to_owned(),
        redirect_uris: vec!["https://shop.example/cb".to_owned()],
        post_logout_redirect_uris: vec!["https://shop.example/".to_owned()],
        service_scopes: vec!["sessions.read".to_owned()],
        is_application_managed: true,
        keep_on_sso_logout: true,
        settings: ClientSettings {
            backchannel_logout: LogoutTarget { uri: "https://shop.example/bye".to_owned(), session_required: true },
            jwks: r#"{"keys":[]}"#.to_owned(),
            cors_origins: vec!["https://shop.example".to_owned()],
            requires_pkce: true,
            ..ClientSettings::default()
        },
        ..Application::new(id, tenant, client)
    }
}

fn event(application: &Application) -> Event {
    let what = What::created(application);
    Event {
        at: Timestamp::from_ms(1),
        tenant: application.tenant.clone(),
        actor: "test".to_owned(),
        from: String::new(),
        what,
    }
}

async fn put<S: Store>(store: &S, application: &Application) -> bool {
    store.ensure_tenant(&application.tenant, "Tenant").await.unwrap();
    store.add_application(application, &event(application)).await.unwrap()
}

async fn a_tenant_is_made_once<S: Store>(store: Arc<S>) {
    assert!(!store.has_tenant("one").await.unwrap());
    store.ensure_tenant("one", "One").await.unwrap();
    store.ensure_tenant("one", "Another").await.unwrap();
    assert!(store.has_tenant("one").await.unwrap() && !store.has_tenant("two").await.unwrap());
}

async fn an_application_comes_back_as_it_was_put<S: Store>(store: Arc<S>) {
    for (id, client) in [
        ("web", Client::Confidential(SecretHash::of("secret"))),
        ("spa", Client::Public),
        ("signer", Client::PrivateKey),
    ] {
        let shop = application(id, "one", client);
        assert!(put(&*store, &shop).await);
        assert_eq!(store.application(id).await.unwrap(), Some(shop));
    }
    assert_eq!(store.application("none").await.unwrap(), None);
}

async fn an_id_is_taken_in_every_tenant<S: Store>(store: Arc<S>) {
    let first = application("shop", "one", Client::Public);
    assert!(put(&*store, &first).await);
    assert!(!put(&*store, &application("shop", "two", Client::Public)).await);
    assert_eq!(store.application("shop").await.unwrap(), Some(first));
}

async fn applications_are_listed_by_id_in_their_tenant<S: Store>(store: Arc<S>) {
    for (id, tenant) in [("c", "one"), ("a", "one"), ("x", "two"), ("b", "one")] {
        assert!(put(&*store, &application(id, tenant, Client::Public)).await);
    }
    let ids = async |after: &str, count: usize| {
        let found = store.applications("one", after, count).await.unwrap();
        found.into_iter().map(|application| application.id).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((ids("", 2).await, ids("b", 2).await, ids("c", 2).await), ("a b".into(), "c".into(), String::new()));
}

async fn a_change_of_an_older_revision_does_not_count<S: Store>(store: Arc<S>) {
    let shop = application("shop", "one", Client::Confidential(SecretHash::of("first")));
    assert!(put(&*store, &shop).await);
    let old = OldSecret { hash: SecretHash::of("first"), until: Timestamp::from_ms(1_700_000_000_123) };
    let changed = Application {
        name: "Better".to_owned(),
        client: Client::Confidential(SecretHash::of("second")),
        redirect_uris: vec![],
        old_secret: Some(old),
        settings: ClientSettings { requires_consent: true, ..ClientSettings::default() },
        ..shop.clone()
    };
    assert!(store.replace_application(&changed, &event(&shop)).await.unwrap());
    assert!(!store.replace_application(&shop, &event(&shop)).await.unwrap());
    let now = store.application("shop").await.unwrap();
    assert_eq!(now, Some(Application { revision: shop.revision + 1, ..changed }));
    let stranger = application("none", "one", Client::Public);
    assert!(!store.replace_application(&stranger, &event(&stranger)).await.unwrap());
}

async fn of_many_changes_of_one_revision_one_counts<S: Store>(store: Arc<S>) {
    let shop = application("shop", "one", Client::Public);
    assert!(put(&*store, &shop).await);
    let work = (0..RACERS).map(|number| {
        let (store, shop) = (store.clone(), shop.clone());
        let changed = Application { name: number.to_string(), ..shop };
        async move { store.replace_application(&changed, &event(&changed)).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|did| *did).count(), 1);
    assert_eq!(store.application("shop").await.unwrap().unwrap().revision, 1);
}

async fn a_deleted_application_is_gone_and_its_sessions_are_ordered_to_end<S: Store>(store: Arc<S>) {
    let shop = application("shop", "one", Client::Public);
    assert!(put(&*store, &shop).await);
    assert!(store.delete_application(&shop, &event(&shop)).await.unwrap());
    assert!(!store.delete_application(&shop, &event(&shop)).await.unwrap());
    assert_eq!(store.application("shop").await.unwrap(), None);
    let orders = store.revocations(Timestamp::EPOCH).await.unwrap();
    for order in &orders {
        assert_eq!((order.tenant.as_str(), order.user.as_str(), order.application.as_str()), ("one", "", "shop"));
    }
    let reasons: Vec<RevocationReason> = orders.iter().map(|order| order.reason).collect();
    assert_eq!(reasons, [RevocationReason::ApplicationRemoved, RevocationReason::SessionPolicy]);
}
