//! Endpoints that follow the configuration of applications.

use std::sync::Arc;

use webhook_svc::{
    domain::{
        delivery::State,
        endpoint::{Endpoint, Kind},
        logout::LogoutAddress,
    },
    ports::{DeliveryQuery, DeliveryStore, EndpointStore as _},
    store::postgres::{MIGRATIONS, PostgresStore},
};

use super::on_both_stores;
use crate::support::{
    at_once, database,
    fixtures::{TENANT, at, claim, claim_one, endpoint, event, failed, judge},
};

on_both_stores!(
    the_endpoint_of_an_application_follows_its_address,
    what_is_older_changes_nothing,
    an_application_without_an_address_has_no_endpoint,
    only_the_sessions_of_the_application_are_told,
    what_waits_is_cancelled_with_the_address_and_a_pause_stays,
    managed_endpoints_do_not_count,
    many_that_make_the_first_one_make_one,
);

fn address(ms: u64, url: Option<&str>) -> LogoutAddress {
    LogoutAddress {
        tenant: TENANT.to_owned(),
        application: "app_shop".to_owned(),
        url: url.map(str::to_owned),
        at: at(ms),
    }
}

const FIRST: Option<&str> = Some("https://shop.example/logout");
const SECOND: Option<&str> = Some("https://shop.example/bye");

async fn stored<S: DeliveryStore>(store: &S) -> Vec<Endpoint> {
    store.endpoints(TENANT, None, 100).await.unwrap()
}

async fn the_endpoint_of_an_application_follows_its_address<S: DeliveryStore>(store: Arc<S>) {
    store.put_logout_address(&address(1, FIRST)).await.unwrap();
    let first = stored(&*store).await.remove(0);
    assert_eq!(first, address(1, FIRST).endpoint());
    assert_eq!((first.kind, first.disabled.as_deref()), (Kind::BackchannelLogout, None));
    store.put_logout_address(&address(2, SECOND)).await.unwrap();
    let second = stored(&*store).await.remove(0);
    assert_eq!((second.id.clone(), second.url.as_str(), second.created_at), (first.id, SECOND.unwrap(), at(1)));
    assert!(second.updated_at > first.updated_at);
    store.put_logout_address(&address(3, None)).await.unwrap();
    assert_eq!(stored(&*store).await.remove(0).disabled.as_deref(), Some("REMOVED"));
    store.put_logout_address(&address(4, FIRST)).await.unwrap();
    let again = stored(&*store).await.remove(0);
    assert_eq!((again.disabled, again.url.as_str()), (None, FIRST.unwrap()));
}

async fn what_is_older_changes_nothing<S: DeliveryStore>(store: Arc<S>) {
    store.put_logout_address(&address(5, FIRST)).await.unwrap();
    store.put_logout_address(&address(9, None)).await.unwrap();
    // The bus repeats itself.
    store.put_logout_address(&address(5, FIRST)).await.unwrap();
    let endpoint = stored(&*store).await.remove(0);
    assert!(endpoint.disabled.is_some());
    store.put_logout_address(&address(9, None)).await.unwrap();
    assert_eq!(stored(&*store).await.len(), 1);
}

async fn an_application_without_an_address_has_no_endpoint<S: DeliveryStore>(store: Arc<S>) {
    store.put_logout_address(&address(1, None)).await.unwrap();
    assert!(stored(&*store).await.is_empty());
}

async fn only_the_sessions_of_the_application_are_told<S: DeliveryStore>(store: Arc<S>) {
    store.put_logout_address(&address(1, FIRST)).await.unwrap();
    let of = |id: &str, event_type: &str, application: &str| webhook_svc::ports::LoggedEvent {
        event_type: event_type.to_owned(),
        application: application.to_owned(),
        ..event(id)
    };
    let events = [
        of("e1", "session.revoked", "app_shop"),
        of("e2", "session.expired", "app_shop"),
        of("e3", "session.revoked", "app_mail"),
        of("e4", "session.revoked", ""),
        of("e5", "session.created", "app_shop"),
        of("e6", "user.logout", "app_shop"),
    ];
    store.accept(&events).await.unwrap();
    let mut told: Vec<String> = claim(&*store, at(10)).await.into_iter().map(|claim| claim.event.id).collect();
    told.sort();
    assert_eq!(told, ["e1", "e2"]);
}

async fn what_waits_is_cancelled_with_the_address_and_a_pause_stays<S: DeliveryStore>(store: Arc<S>) {
    store.put_logout_address(&address(1, FIRST)).await.unwrap();
    let mut paused = stored(&*store).await.remove(0);
    let seen = paused.updated_at;
    (paused.paused_at, paused.updated_at) = (Some(at(2)), at(2));
    assert!(store.put_endpoint(&paused, seen).await.unwrap());
    store.put_logout_address(&address(3, SECOND)).await.unwrap();
    assert_eq!(stored(&*store).await.remove(0).paused_at, Some(at(2)));
    store.accept(&[event("e1")]).await.unwrap();
    store.put_logout_address(&address(4, None)).await.unwrap();
    let query = DeliveryQuery { tenant: TENANT.to_owned(), endpoint: None, state: None, after: None, limit: 10 };
    let states: Vec<State> = store.deliveries(&query).await.unwrap().into_iter().map(|found| found.state).collect();
    assert_eq!(states, [State::Cancelled]);
}

async fn managed_endpoints_do_not_count<S: DeliveryStore>(store: Arc<S>) {
    store.put_logout_address(&address(1, FIRST)).await.unwrap();
    assert!(store.add_endpoint(&endpoint(), 1).await.unwrap());
    assert!(!store.add_endpoint(&endpoint(), 1).await.unwrap());
}

async fn many_that_make_the_first_one_make_one<S: DeliveryStore>(store: Arc<S>) {
    at_once((0..12).map(|n| {
        let store = store.clone();
        async move { store.put_logout_address(&address(n, FIRST)).await.unwrap() }
    }))
    .await;
    assert_eq!(stored(&*store).await.len(), 1);
    // The newest one has won, whatever the order.
    store.put_logout_address(&address(10, None)).await.unwrap();
    assert_eq!(stored(&*store).await.remove(0).disabled, None);
    // What failed at the old address says nothing about the new one.
    store.accept(&[event("e1")]).await.unwrap();
    let health =
        webhook_svc::domain::health::Health { failing_since: at(1), failures_in_a_row: 3, warnings: 0, open: None };
    let outcome =
        webhook_svc::ports::Outcome { word: webhook_svc::ports::Word::Failed(judge(&health)), ..failed(at(99)) };
    let claimed = claim_one(&*store, at(20)).await;
    store.record(&claimed, outcome).await.unwrap();
    store.put_logout_address(&address(30, SECOND)).await.unwrap();
    let bounds = webhook_svc::ports::ReportBounds { since: at(0), attempts: 10, backlog: 10 };
    assert_eq!(store.report(&claimed.endpoint.id, bounds).await.unwrap().health, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_waits_for_no_endpoint_of_another_application() {
    database::with_database(|url| async move {
        let pool = database::pool(&url).await;
        MIGRATIONS.run(&pool).await.unwrap();
        let store = PostgresStore::new(pool.clone());
        store.put_logout_address(&address(1, FIRST)).await.unwrap();
        let other = LogoutAddress { application: "app_mail".to_owned(), ..address(1, FIRST) };
        store.put_logout_address(&other).await.unwrap();
        // Somebody is changing the other one.
        let mut change = pool.begin().await.unwrap();
        let lock =
            sqlx::query("SELECT id FROM endpoint WHERE id = $1 FOR UPDATE").bind(other.endpoint().id.to_string());
        lock.fetch_one(&mut *change).await.unwrap();
        let events = [event("e1")];
        let accepted = tokio::time::timeout(std::time::Duration::from_secs(5), store.accept(&events)).await;
        assert_eq!(accepted.unwrap().unwrap(), 1);
        assert_eq!(claim_one(&store, at(10)).await.endpoint.id, address(1, FIRST).endpoint().id);
        change.rollback().await.unwrap();
        pool.close().await;
    })
    .await;
}
