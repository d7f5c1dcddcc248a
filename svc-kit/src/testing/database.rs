//! A PostgreSQL database for each test, gone afterwards. What goes wrong here fails the test.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::{
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use futures::FutureExt as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, postgres::PgPoolOptions};

/// Where the tests' PostgreSQL is, when the environment does not say.
const DEFAULT_URL: &str = "postgres://root@127.0.0.1:5432/postgres";
/// Most connections of a pool.
const CONNECTIONS_MAX: u32 = 20;

static NEXT: AtomicU32 = AtomicU32::new(0);

fn admin_url() -> String {
    std::env::var("LATCHKEY_TEST_POSTGRES_URL").unwrap_or_else(|_| DEFAULT_URL.to_owned())
}

async fn admin(statement: String) {
    let url = admin_url();
    let mut connection = PgConnection::connect(&url).await.unwrap_or_else(|error| {
        panic!("PostgreSQL does not answer at {url} (LATCHKEY_TEST_POSTGRES_URL names another one): {error}")
    });
    if let Err(error) = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut connection).await {
        panic!("{statement}: {error}");
    }
}

/// Returns the URL of `database` on the tests' server.
fn url_of(database: &str) -> String {
    let admin = admin_url();
    let (server, _) = admin.rsplit_once('/').unwrap_or_else(|| panic!("{admin} names no database"));
    format!("{server}/{database}")
}

/// Runs `test` with the URL of an empty database of its own, which is named after the tests of `service`, and drops the
/// database, also when the test fails.
pub async fn with_database<F: Future<Output = ()>>(service: &str, test: impl FnOnce(String) -> F) {
    let name = format!("latchkey_test_{service}_{}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    admin(format!("CREATE DATABASE {name}")).await;
    let ended = AssertUnwindSafe(test(url_of(&name))).catch_unwind().await;
    admin(format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// Opens a pool on a database.
pub async fn pool(url: &str) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).connect(url).await;
    pool.unwrap_or_else(|error| panic!("{url}: {error}"))
}
