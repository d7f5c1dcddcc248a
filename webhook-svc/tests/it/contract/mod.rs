//! The contract of the store, kept by memory and by PostgreSQL alike.

mod claims;
mod endpoints;
mod health;
mod intake;
mod limits;
mod lists;
mod log;
mod managed;
mod order;
mod pause;
mod reconciler;
mod record;
mod replay;
mod retention;
mod turns;

/// Makes of each function a test in memory and a test in PostgreSQL.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(std::sync::Arc::new(webhook_svc::store::memory::MemoryStore::default())).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                $crate::support::database::with_store(super::$test).await;
            })+
        }
    };
}
pub(crate) use on_both_stores;
