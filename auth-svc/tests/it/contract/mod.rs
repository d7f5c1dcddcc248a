//! The contract of the store, kept by memory and by PostgreSQL alike.

mod api_keys;
mod applications;
mod audit;
mod consents;
mod devices;
mod grants;
mod keys;
mod once;
mod session_policies;
mod tenants;
mod user_registrations;
mod users;

/// Makes of each function a test in memory and a test in PostgreSQL.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(std::sync::Arc::new(auth_svc::store::memory::MemoryStore::default())).await;
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
