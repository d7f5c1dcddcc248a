//! The partitions of the attempts, one a day (UTC): made ahead, and dropped when their day is over for long.
//!
//! A partition is named after its end. Those that are made begin where the last one ends, so that they neither leave gaps
//! nor overlap, however long the service was away; meanwhile the default partition takes what comes.

use sqlx::{AssertSqlSafe, PgConnection};
use svc_kit::clock::Timestamp;

use super::failed;
use crate::ports::StoreError;

const NAME: &str = "attempt_until_";
const DAY_MS: i64 = 86_400_000;
/// Days for which there are partitions from today on.
const AHEAD_DAYS: i64 = 8;
/// How long to wait for attempts that are just being written; what waits behind this waits as long.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";

/// Makes the partitions of the next days and drops those that end before `cutoff`; returns how many were dropped.
pub(super) async fn keep(
    connection: &mut PgConnection,
    now: Timestamp,
    cutoff: Timestamp,
) -> Result<usize, StoreError> {
    let mut ends = ends(connection).await?;
    ends.sort_unstable();
    run(connection, LOCK_TIMEOUT.to_owned()).await?;
    let old: Vec<i64> = ends.iter().copied().filter(|end| *end <= cutoff.as_ms()).collect();
    let today = now.as_ms() / DAY_MS * DAY_MS;
    let mut last = ends.last().copied().unwrap_or(today);
    while last < today + AHEAD_DAYS * DAY_MS {
        // After a long time away one partition fills the gap.
        let end = (last + DAY_MS).max(today + DAY_MS);
        add(connection, last, end).await?;
        last = end;
    }
    for end in &old {
        run(connection, format!("DROP TABLE {NAME}{end}")).await?;
    }
    Ok(old.len())
}

/// Where the partitions end.
async fn ends(connection: &mut PgConnection) -> Result<Vec<i64>, StoreError> {
    let names = sqlx::query_scalar!(
        r#"SELECT relname::text AS "name!" FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
           WHERE inhparent = 'attempt'::regclass"#
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    Ok(names.iter().filter_map(|name| name.strip_prefix(NAME)?.parse().ok()).collect())
}

/// Adds a partition. What the default one has of those days moves.
async fn add(connection: &mut PgConnection, start: i64, end: i64) -> Result<(), StoreError> {
    let table = format!("{NAME}{end}");
    run(connection, format!("CREATE TABLE {table} (LIKE attempt INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")).await?;
    let moved = format!(
        "WITH moved AS (DELETE FROM attempt_default WHERE at_ms >= {start} AND at_ms < {end} RETURNING *)
         INSERT INTO {table} SELECT * FROM moved"
    );
    run(connection, moved).await?;
    run(connection, format!("ALTER TABLE attempt ATTACH PARTITION {table} FOR VALUES FROM ({start}) TO ({end})")).await
}

async fn run(connection: &mut PgConnection, statement: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await.map_err(failed)?;
    Ok(())
}
