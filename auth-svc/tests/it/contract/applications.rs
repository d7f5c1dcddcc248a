//! Tenants and applications.

use std::sync::Arc;

use auth_svc::{
    domain::{
        application::{Application, Client, SecretHash},
        event::{Event, What},
    },
    ports::Store,
};
use svc_kit::clock::Timestamp;

use super::on_both_stores;

on_both_stores!(
    a_tenant_is_made_once,
    an_application_comes_back_as_it_was_put,
    an_id_is_taken_in_every_tenant,
    applications_are_listed_by_id_in_their_tenant,
);

fn application(id: &str, tenant: &str, client: Client) -> Application {
    Application {
        id: id.to_owned(),
        tenant: tenant.to_owned(),
        name: "Shop".to_owned(),
        client,
        redirect_uris: vec!["https://shop.example/cb".to_owned()],
        post_logout_redirect_uris: vec!["https://shop.example/".to_owned()],
        service_scopes: vec!["sessions.read".to_owned()],
        is_application_managed: true,
        keep_on_sso_logout: true,
    }
}

fn event(application: &Application) -> Event {
    let what = What::ApplicationCreated(application.id.clone());
    Event { at: Timestamp::from_ms(1), tenant: application.tenant.clone(), actor: "test".to_owned(), what }
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
    for (id, client) in [("web", Client::Confidential(SecretHash::of("secret"))), ("spa", Client::Public)] {
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
