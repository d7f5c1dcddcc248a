//! Tenants, and the order that follows when one is suspended or resumed.

use std::sync::Arc;

use auth_svc::{
    domain::{
        event::{Event, What},
        tenant::{Tenant, TenantSettings, Theme, UnkeptSso},
    },
    ports::{RevocationReason, Store},
};
use svc_kit::clock::Timestamp;

use super::on_both_stores;
use crate::support::at_once;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const RACERS: usize = 8;

on_both_stores!(
    a_tenant_comes_back_as_it_was_put_and_is_made_once,
    tenants_are_listed_by_id_and_continued,
    a_change_of_an_older_revision_does_not_count,
    of_many_that_suspend_at_once_one_does_and_orders_it_once,
    other_changes_order_nothing,
);

fn event(tenant: &Tenant) -> Event {
    Event {
        at: NOW,
        tenant: tenant.id.clone(),
        actor: "test".to_owned(),
        from: String::new(),
        what: What::TenantCreated,
    }
}

fn tenant(id: &str) -> Tenant {
    let theme = Theme {
        light: [("accent".to_owned(), "#123456".to_owned())].into(),
        logo_url: "https://acme.example/logo.svg".to_owned(),
        ..Theme::default()
    };
    let settings = TenantSettings { theme, unkept_sso: UnkeptSso::None, default_language: "de".to_owned() };
    Tenant { settings, ..Tenant::new(id, "Acme", NOW) }
}

async fn put<S: Store>(store: &S, id: &str) -> Tenant {
    let tenant = tenant(id);
    assert!(store.add_tenant(&tenant, &event(&tenant)).await.unwrap());
    tenant
}

async fn a_tenant_comes_back_as_it_was_put_and_is_made_once<S: Store>(store: Arc<S>) {
    let acme = put(&*store, "acme").await;
    let other = Tenant::new("acme", "Other", NOW);
    assert!(!store.add_tenant(&other, &event(&other)).await.unwrap());
    store.ensure_tenant("acme", "Other").await.unwrap();
    assert_eq!(store.tenant("acme").await.unwrap(), Some(acme));
    assert_eq!(store.tenant("none").await.unwrap(), None);
    store.ensure_tenant("seeded", "Seeded").await.unwrap();
    assert_eq!(store.tenant("seeded").await.unwrap(), Some(Tenant::new("seeded", "Seeded", Timestamp::EPOCH)));
}

async fn tenants_are_listed_by_id_and_continued<S: Store>(store: Arc<S>) {
    for id in ["c", "a-1", "a_1", "a"] {
        put(&*store, id).await;
    }
    let ids = async |after: &str, count: usize| {
        let found = store.tenants(after, count).await.unwrap();
        found.into_iter().map(|tenant| tenant.id).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((ids("", 3).await.as_str(), ids("a_1", 3).await.as_str()), ("a a-1 a_1", "c"));
}

async fn a_change_of_an_older_revision_does_not_count<S: Store>(store: Arc<S>) {
    let acme = put(&*store, "acme").await;
    let later = NOW.saturating_add(std::time::Duration::from_secs(1));
    let changed = Tenant { name: "Better".to_owned(), updated_at: later, ..acme.clone() };
    assert!(store.replace_tenant(&changed, &event(&acme)).await.unwrap());
    assert!(!store.replace_tenant(&acme, &event(&acme)).await.unwrap());
    assert_eq!(store.tenant("acme").await.unwrap(), Some(Tenant { revision: 1, ..changed }));
    let nobody = tenant("none");
    assert!(!store.replace_tenant(&nobody, &event(&nobody)).await.unwrap());
}

async fn of_many_that_suspend_at_once_one_does_and_orders_it_once<S: Store>(store: Arc<S>) {
    let acme = put(&*store, "acme").await;
    let work = (0..RACERS).map(|_| {
        let (store, acme) = (store.clone(), acme.clone());
        let suspended = Tenant { is_suspended: true, ..acme };
        async move { store.replace_tenant(&suspended, &event(&suspended)).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|did| *did).count(), 1);
    let orders = store.revocations(NOW).await.unwrap();
    assert_eq!(orders.len(), 1);
    let order = &orders[0];
    assert_eq!((order.tenant.as_str(), order.user.as_str(), order.application.as_str()), ("acme", "", ""));
    assert_eq!(order.reason, RevocationReason::TenantState);
}

async fn other_changes_order_nothing<S: Store>(store: Arc<S>) {
    let acme = put(&*store, "acme").await;
    let changed = Tenant { name: "Better".to_owned(), ..acme };
    assert!(store.replace_tenant(&changed, &event(&changed)).await.unwrap());
    assert_eq!(store.revocations(NOW).await.unwrap(), []);
}
