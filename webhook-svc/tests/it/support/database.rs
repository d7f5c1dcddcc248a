//! A database for each test, with the schema of the service.

use std::{future::Future, sync::Arc};

use svc_kit::testing::database;
use webhook_svc::store::postgres::{MIGRATIONS, PostgresStore};

pub use svc_kit::testing::database::pool;

/// Runs `test` with the URL of an empty database of its own.
pub async fn with_database<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    database::with_database("webhook", test).await;
}

/// Runs `test` with a store in a migrated database of its own.
pub async fn with_store<F: Future<Output = ()>>(test: impl FnOnce(Arc<PostgresStore>) -> F) {
    with_database(|url| async move {
        let pool = pool(&url).await;
        MIGRATIONS.run(&pool).await.unwrap();
        test(Arc::new(PostgresStore::new(pool.clone()))).await;
        pool.close().await;
    })
    .await;
}
