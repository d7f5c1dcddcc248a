//! Transactions of the engine: their statements go by index from row to row, and their commit waits for no disk.
//!
//! Such a statement touches few rows of large tables. A plan that was made when the tables were small would read all of them, and
//! is kept. What a crash of the database undoes must be worth no wait (ADR 10).

use sqlx::{PgPool, PgTransaction};

use super::failed;
use crate::ports::StoreError;

/// The advisory lock under which claims are made ("claim"), one replica after the other: what is counted is what holds. A claim is
/// a few milliseconds, whatever waits.
const CLAIM_LOCK: i64 = 0x636c_6169_6d00_0000;

/// Begins one.
///
/// To set all this in one round trip with BEGIN would be faster. But if that fails half way, the connection is left in a
/// transaction that failed, and neither the client nor the pool knows.
pub(super) async fn begin(pool: &PgPool) -> Result<PgTransaction<'static>, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    sqlx::query!(
        r#"SELECT set_config('synchronous_commit', 'off', true) AS "a", set_config('enable_seqscan', 'off', true) AS "b",
                  set_config('enable_hashjoin', 'off', true) AS "c", set_config('enable_mergejoin', 'off', true) AS "d""#
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(failed)?;
    Ok(transaction)
}

/// Begins one that claims, when it is this replica's turn. Whoever stops in the middle, with the connection open, loses the lock
/// after a while.
pub(super) async fn begin_claim(pool: &PgPool) -> Result<PgTransaction<'static>, StoreError> {
    let mut transaction = begin(pool).await?;
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock($1)::text AS "locked",
                  set_config('idle_in_transaction_session_timeout', '5s', true) AS "limited""#,
        CLAIM_LOCK
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(failed)?;
    Ok(transaction)
}
