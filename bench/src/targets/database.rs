//! Databases of our own on a running PostgreSQL.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{failure::Failure, process::Watched};

/// Where the database server is, when the environment does not say.
const POSTGRES: &str = "postgres://root@127.0.0.1:5432/postgres";

/// A database, gone when this is dropped.
pub struct Database {
    name: String,
}

impl Database {
    /// Makes an empty one.
    ///
    /// # Errors
    /// [`Failure::Postgres`].
    pub async fn create() -> Result<Self, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("latchkey_bench_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        admin(format!("CREATE DATABASE {name}")).await?;
        Ok(Self { name })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        let server = server();
        format!("{}/{}", server.rsplit_once('/').map_or(server.as_str(), |(server, _)| server), self.name)
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Failure::Postgres`].
    pub async fn connect(&self) -> Result<PgConnection, Failure> {
        Ok(PgConnection::connect(&self.url()).await?)
    }

    /// The processes of the server that serve this database now; none of this machine when the server is elsewhere.
    ///
    /// # Errors
    /// [`Failure::Postgres`].
    pub async fn watched(&self) -> Result<Watched, Failure> {
        const IDS: &str = "SELECT pid FROM pg_stat_activity WHERE datname = $1";
        let mut connection = PgConnection::connect(&server()).await?;
        let ids: Vec<i32> = sqlx::query_scalar(IDS).bind(&self.name).fetch_all(&mut connection).await?;
        Ok(Watched::of(ids.into_iter().filter_map(|id| u32::try_from(id).ok()).collect()))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // On a thread of its own: a measurement that failed in the middle leaves nothing behind either.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(admin(statement))
        });
        let _ = dropped.join();
    }
}

fn server() -> String {
    std::env::var("LATCHKEY_TEST_POSTGRES_URL").unwrap_or_else(|_| POSTGRES.to_owned())
}

async fn admin(statement: String) -> Result<(), Failure> {
    let mut connection = PgConnection::connect(&server()).await?;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(())
}
