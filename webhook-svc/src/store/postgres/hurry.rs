//! How the transactions of the engine begin, in one round trip.

/// Begins one whose statements go by index from row to row, and whose commit waits for no disk.
///
/// Such a statement touches few rows of large tables. A plan that was made when the tables were small would read all of them, and
/// is kept. What a crash of the database undoes must be worth no wait (ADR 10).
macro_rules! begin_in_a_hurry {
    () => {
        "BEGIN; SET LOCAL synchronous_commit = off;
         SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
    };
}

/// Begins one that records.
pub(super) const RECORD: &str = begin_in_a_hurry!();

/// Begins one that claims: under an advisory lock ("claim"), one replica after the other, so that what is counted is what holds. A
/// claim is a few milliseconds, whatever waits. Whoever stops in the middle, with the connection open, loses the lock after a while.
pub(super) const CLAIM: &str = concat!(
    begin_in_a_hurry!(),
    "SET LOCAL idle_in_transaction_session_timeout = '5s'; SELECT pg_advisory_xact_lock(x'636c61696d000000'::bigint);"
);
