//! PostgreSQL: the pool, and migrations as an explicit step.

use std::{str::FromStr as _, time::Duration};

use secrecy::ExposeSecret as _;
use sqlx::{
    Connection as _, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    boot::BootError,
    config::PostgresConfig,
    error::{Kind, chain},
};

/// A connection that nobody has used for longer is asked whether it is still there. Asking costs a way to the database and back;
/// one that broke in a shorter time is found out by the next statement, as one that breaks during it.
const ASKED_AFTER: Duration = Duration::from_secs(1);

/// Makes a pool that connects when needed, so that a service starts, and says "not ready", while its database is away.
///
/// # Errors
/// Fails when the URL cannot be used.
pub fn pool(config: &PostgresConfig) -> Result<PgPool, BootError> {
    let statement_timeout = config.statement_timeout.0.as_millis().to_string();
    let options = PgConnectOptions::from_str(config.url.expose_secret())
        .map_err(BootError::because("postgres.url cannot be used"))?
        // Where much waits, the planner thinks that a claim will read a lot of it and has it compiled, every time anew: half a
        // second for a statement of a millisecond.
        .options([("statement_timeout", statement_timeout.as_str()), ("jit", "off")]);
    let pool = PgPoolOptions::new()
        .max_connections(config.connections_max)
        .acquire_timeout(config.acquire_timeout.0)
        .test_before_acquire(false)
        .before_acquire(|connection, idle| {
            Box::pin(async move { Ok(idle.idle_for < ASKED_AFTER || connection.ping().await.is_ok()) })
        })
        .connect_lazy_with(options);
    Ok(pool)
}

/// Brings the database to the state that this version of the service needs.
///
/// # Errors
/// Fails when the database is away or holds a newer or changed schema.
pub async fn migrate(pool: &PgPool, migrator: &Migrator) -> Result<(), BootError> {
    migrator.run(pool).await.map_err(BootError::because("the database cannot be migrated"))
}

/// Says what sort of failure a database error is: a database that is away or too slow is UNAVAILABLE, the rest is ours.
pub fn kind_of(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed => Kind::Unavailable,
        sqlx::Error::Database(error) if error.code().is_some_and(|code| is_passing(&code)) => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// Says whether an `SQLSTATE` is of a database that cannot do it now. 57: operator intervention (shutdown, statement timeout);
/// 53: insufficient resources; 08: connection; 40: retry; 25006: a standby that has not taken over yet, or has been relieved.
fn is_passing(code: &str) -> bool {
    code == "25006" || ["57", "53", "08", "40"].iter().any(|class| code.starts_with(class))
}

/// Says whether the statement failed because a row with this unique constraint exists.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.constraint() == Some(constraint))
}

/// Checks that the database answers.
///
/// # Errors
/// The reason, for `/readyz`; details go to the log.
pub async fn probe(pool: &PgPool) -> Result<(), String> {
    match sqlx::query("SELECT 1").execute(pool).await {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::debug!(error = chain(&error), "the database does not answer");
            Err("the database does not answer".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgConnection;

    use super::*;
    use crate::{config::HumanDuration, testing::database::with_database};

    fn pool_of_one(url: &str) -> PgPool {
        let second = HumanDuration(Duration::from_secs(1));
        let (acquire_timeout, statement_timeout) = (second, second);
        pool(&PostgresConfig { url: url.into(), connections_max: 1, acquire_timeout, statement_timeout }).unwrap()
    }

    #[tokio::test]
    async fn no_statement_is_compiled() {
        with_database("svc_kit", |url| async move {
            let jit: String = sqlx::query_scalar("SHOW jit").fetch_one(&pool_of_one(&url)).await.unwrap();
            assert_eq!(jit, "off");
        })
        .await;
    }

    #[tokio::test]
    async fn a_connection_that_broke_costs_one_statement_at_most() {
        with_database("svc_kit", |url| async move {
            let (pool, mut other) = (pool_of_one(&url), PgConnection::connect(&url).await.unwrap());
            let mine = async || sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()").fetch_one(&pool).await;
            let broken = mine().await.unwrap();
            let ended = sqlx::query_scalar::<_, bool>("SELECT pg_terminate_backend($1, 5000)").bind(broken);
            assert!(ended.fetch_one(&mut other).await.unwrap());
            if let Err(error) = mine().await {
                assert_eq!(kind_of(&error), Kind::Unavailable, "{error:?}");
            }
            assert_ne!(mine().await.unwrap(), broken);
        })
        .await;
    }

    #[tokio::test]
    async fn one_that_can_only_be_read_is_away() {
        with_database("svc_kit", |url| async move {
            let written = "BEGIN READ ONLY; CREATE TABLE written ()";
            let error = sqlx::raw_sql(written).execute(&pool_of_one(&url)).await.unwrap_err();
            assert_eq!(kind_of(&error), Kind::Unavailable, "{error:?}");
        })
        .await;
    }
}
