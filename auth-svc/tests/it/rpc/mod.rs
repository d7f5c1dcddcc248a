//! Calls over gRPC, on both stores, with a session-svc that is a fake.

mod api_keys;
mod applications;
mod audit;
mod defence;
mod import;
mod login;
mod session_policies;
mod signing_keys;
mod tenants;
pub mod users;

/// Makes of each function a test in memory and a test in PostgreSQL.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                $crate::support::service::in_memory(super::$test).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                $crate::support::service::in_postgres(super::$test).await;
            })+
        }
    };
}
pub(crate) use on_both;
