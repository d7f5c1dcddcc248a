//! Session policies of tenants and applications, and the order that follows when one changes.

use std::{sync::Arc, time::Duration};

use auth_svc::{
    domain::{
        application::{Application, Client},
        event::{Event, What},
        session_policy::{DAY_MINUTES, Limits, OnLimit, PolicyScope, Schedule, SessionPolicy, Window},
        tenant::Tenant,
    },
    ports::{RevocationReason, Store},
};
use svc_kit::clock::Timestamp;

use super::on_both_stores;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

on_both_stores!(
    a_policy_comes_back_as_it_was_put_with_its_owner,
    a_change_of_a_policy_is_ordered_and_no_other_change,
    policies_are_listed_by_scope_and_continued,
    a_deleted_application_takes_its_policy_along,
);

fn policy(minutes: u64) -> SessionPolicy {
    let windows =
        vec![Window { days: vec![6, 7], from: 60, until: DAY_MINUTES, idle_timeout: Duration::from_secs(60) }];
    SessionPolicy {
        application: Limits {
            idle_timeout: Some(Duration::from_secs(60 * minutes)),
            absolute_lifetime: Some(Duration::from_millis(3_600_001)),
            idle_schedule: Some(Schedule { time_zone: "Europe/Berlin".to_owned(), windows }),
        },
        max_sessions: Some(3),
        on_limit: Some(OnLimit::EndOldest),
        ..SessionPolicy::default()
    }
}

fn event(tenant: &str) -> Event {
    let (actor, from) = ("test".to_owned(), String::new());
    Event { at: NOW, tenant: tenant.to_owned(), actor, from, what: What::TenantCreated }
}

async fn tenant<S: Store>(store: &S, id: &str, session_policy: SessionPolicy) -> Tenant {
    let tenant = Tenant { session_policy, ..Tenant::new(id, "Tenant", NOW) };
    assert!(store.add_tenant(&tenant, &event(id)).await.unwrap());
    tenant
}

async fn application<S: Store>(store: &S, id: &str, tenant: &str, session_policy: SessionPolicy) -> Application {
    let application = Application { session_policy, ..Application::new(id, tenant, Client::Public) };
    assert!(store.add_application(&application, &event(tenant)).await.unwrap());
    application
}

/// The scopes whose policies are ordered to be put in force; nothing else is.
async fn ordered<S: Store>(store: &S) -> Vec<(String, String)> {
    let mut scopes = Vec::new();
    for order in store.revocations(NOW).await.unwrap() {
        assert_eq!((order.reason, order.user.as_str()), (RevocationReason::SessionPolicy, ""));
        scopes.push((order.tenant, order.application));
        store.revoked(order.id).await.unwrap();
    }
    scopes
}

fn scope(tenant: &str, application: &str) -> (String, String) {
    (tenant.to_owned(), application.to_owned())
}

async fn a_policy_comes_back_as_it_was_put_with_its_owner<S: Store>(store: Arc<S>) {
    let acme = tenant(&*store, "acme", policy(1)).await;
    let shop = application(&*store, "shop", "acme", policy(2)).await;
    assert_eq!(store.tenant("acme").await.unwrap(), Some(acme));
    assert_eq!(store.application("shop").await.unwrap(), Some(shop));
    assert_eq!(ordered(&*store).await, [scope("acme", ""), scope("acme", "shop")]);
}

async fn a_change_of_a_policy_is_ordered_and_no_other_change<S: Store>(store: Arc<S>) {
    let mut acme = tenant(&*store, "acme", SessionPolicy::default()).await;
    let mut shop = application(&*store, "shop", "acme", SessionPolicy::default()).await;
    assert_eq!(ordered(&*store).await, []);
    for (session_policy, is_change) in
        [(policy(1), true), (policy(1), false), (policy(2), true), (SessionPolicy::default(), true)]
    {
        acme = Tenant { name: "Another".to_owned(), session_policy: session_policy.clone(), ..acme };
        assert!(store.replace_tenant(&acme, &event("acme")).await.unwrap());
        // Of a revision that is over by now.
        assert!(
            !store.replace_tenant(&Tenant { session_policy: policy(9), ..acme.clone() }, &event("acme")).await.unwrap()
        );
        shop = Application { name: "Another".to_owned(), session_policy, ..shop };
        assert!(store.replace_application(&shop, &event("acme")).await.unwrap());
        let expected = if is_change { vec![scope("acme", ""), scope("acme", "shop")] } else { vec![] };
        assert_eq!(ordered(&*store).await, expected);
        (acme.revision, shop.revision) = (acme.revision + 1, shop.revision + 1);
        assert_eq!(store.tenant("acme").await.unwrap(), Some(acme.clone()));
        assert_eq!(store.application("shop").await.unwrap(), Some(shop.clone()));
    }
}

async fn policies_are_listed_by_scope_and_continued<S: Store>(store: Arc<S>) {
    for (number, id) in ["b", "a", "c"].into_iter().enumerate() {
        let session_policy = if id == "c" { SessionPolicy::default() } else { policy(number as u64 + 1) };
        tenant(&*store, id, session_policy).await;
        application(&*store, &format!("{id}-said"), id, policy(7)).await;
        application(&*store, &format!("{id}-silent"), id, SessionPolicy::default()).await;
    }
    let all = store.session_policies(&PolicyScope::default(), 10).await.unwrap();
    let names: Vec<String> = all.iter().map(|(at, _)| format!("{}/{}", at.tenant, at.application)).collect();
    assert_eq!(names, ["a/", "a/a-said", "b/", "b/b-said", "c/c-said"]);
    assert_eq!((&all[0].1, &all[1].1), (&policy(2), &policy(7)));
    let mut paged = Vec::new();
    let mut after = PolicyScope::default();
    loop {
        let page = store.session_policies(&after, 2).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = last.clone();
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

async fn a_deleted_application_takes_its_policy_along<S: Store>(store: Arc<S>) {
    tenant(&*store, "acme", SessionPolicy::default()).await;
    let shop = application(&*store, "shop", "acme", policy(1)).await;
    assert!(store.delete_application(&shop, &event("acme")).await.unwrap());
    let reasons: Vec<_> = store.revocations(NOW).await.unwrap().into_iter().map(|order| order.reason).collect();
    let policy = RevocationReason::SessionPolicy;
    assert_eq!(reasons, [policy, RevocationReason::ApplicationRemoved, policy]);
    assert_eq!(store.session_policies(&PolicyScope::default(), 10).await.unwrap(), []);
}
