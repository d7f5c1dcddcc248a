//! A PostgreSQL database for each test, gone afterwards.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use auth_svc::store::postgres::{MIGRATIONS, PostgresStore};
use futures::FutureExt as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, postgres::PgPoolOptions};

/// Where the tests' PostgreSQL is, when the environment does not say.
const DEFAULT_URL: &str = "postgres://root@127.0.0.1:5432/postgres";

static NEXT: AtomicU32 = AtomicU32::new(0);

fn admin_url() -> String {
    std::env::var("LATCHKEY_TEST_POSTGRES_URL").unwrap_or_else(|_| DEFAULT_URL.to_owned())
}

async fn admin(statement: String) {
    let url = admin_url();
    let mut connection = PgConnection::connect(&url).await.unwrap_or_else(|error| {
        panic!("PostgreSQL does not answer at {url} (LATCHKEY_TEST_POSTGRES_URL names another one): {error}")
    });
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
}

/// Returns the URL of `database` on the tests' server.
fn url_of(database: &str) -> String {
    let admin = admin_url();
    let (server, _) = admin.rsplit_once('/').unwrap_or_else(|| panic!("{admin} names no database"));
    format!("{server}/{database}")
}

/// Runs `test` with the URL of an empty database of its own, and drops the database, also when the test fails.
pub async fn with_database<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let name = format!("latchkey_test_auth_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    admin(format!("CREATE DATABASE {name}")).await;
    let ended = AssertUnwindSafe(test(url_of(&name))).catch_unwind().await;
    admin(format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// Opens a pool on a database.
pub async fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(20).connect(url).await.unwrap()
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
