//! An endpoint whose row this version cannot read, a newer version's for instance, holds up no other.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use webhook_svc::{
    domain::endpoint::EndpointId,
    ports::{Claim, DeliveryStore as _, EndpointStore as _, ReconcileBounds, UpkeepStore as _},
    store::postgres::{MIGRATIONS, PostgresStore},
};

use crate::support::{
    database,
    fixtures::{at, claim, endpoint, event, taken},
};

const BOUNDS: ReconcileBounds = ReconcileBounds {
    events: 100,
    age_max: Duration::from_secs(30 * 86_400),
    lapsed_after: Duration::from_secs(600),
    pause: Duration::from_millis(1),
    rest: Duration::from_millis(1),
};

/// To whom which event goes.
fn of(claims: &[Claim]) -> Vec<(EndpointId, String)> {
    claims.iter().map(|it| (it.endpoint.id.clone(), it.event.id.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_cannot_be_read_holds_up_no_other_and_loses_nothing() {
    for column in ["kind", "profile"] {
        database::with_database(|url| async move {
            let pool = database::pool(&url).await;
            MIGRATIONS.run(&pool).await.unwrap();
            let store = PostgresStore::new(pool.clone());
            let (good, odd) = (endpoint(), endpoint());
            for endpoint in [&good, &odd] {
                store.add_endpoint(endpoint, 10).await.unwrap();
            }
            let set = async |value: i16| {
                let statement = format!("UPDATE endpoint SET {column} = {value} WHERE id = $1");
                sqlx::query(AssertSqlSafe(statement)).bind(odd.id.as_str()).execute(&pool).await.unwrap();
            };
            store.accept(&[event("e1")]).await.unwrap();
            set(99).await;
            let claims = claim(&store, at(0)).await;
            assert_eq!(of(&claims), [(good.id.clone(), "e1".to_owned())]);
            assert!(store.record(&claims[0], taken()).await.unwrap());
            // The event is logged and the other one gets it.
            assert_eq!(store.accept(&[event("e2")]).await.unwrap(), 1);
            let claims = claim(&store, at(1)).await;
            assert_eq!(of(&claims), [(good.id.clone(), "e2".to_owned())]);
            assert!(store.record(&claims[0], taken()).await.unwrap());
            assert_eq!(store.reconcile(at(2), BOUNDS).await.unwrap().repairs.missing, 0);
            // Once it can be read it gets what it lacks.
            set(1).await;
            assert_eq!(store.reconcile(at(100), BOUNDS).await.unwrap().repairs.missing, 1);
            let mut late = of(&claim(&store, at(120_000)).await);
            late.sort();
            assert_eq!(late, ["e1", "e2"].map(|id| (odd.id.clone(), id.to_owned())));
            pool.close().await;
        })
        .await;
    }
}
