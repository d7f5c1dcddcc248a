//! What the tests stand on: a running service, its callers, its events, and servers of their own to break.

pub mod broker;
pub mod commands;
pub mod events;
pub mod issuer;
pub mod mutant;
pub mod policies;
pub mod process;
pub mod proxy;
pub mod redis_cluster;
pub mod redis_server;
pub mod requests;
pub mod sentinels;
pub mod service;
pub mod switch;
pub mod use_cases;
pub mod wait;

pub use events::{Events, waiting_events};
pub use policies::*;
pub use requests::*;
pub use service::{Client, Policies, Service, Store};
pub use wait::eventually;

use session_svc::ports::{Chores, Outbox, PolicyStore};
use svc_kit::error::reason_of;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// A test that is run on a store somewhere else, with its name.
pub type Elsewhere = (&'static str, futures::future::BoxFuture<'static, ()>);

/// Makes a test of each function for each store, and a list of them for stores elsewhere.
macro_rules! on_each_store {
    ($($name:ident),+ $(,)?) => {
        pub(crate) fn elsewhere(url: &str) -> Vec<crate::support::Elsewhere> {
            vec![$((concat!(module_path!(), "::", stringify!($name)), Box::pin($name::at(url.to_owned())))),+]
        }

        $(mod $name {
            use crate::support::{Service, Store};

            pub(super) async fn at(url: String) {
                // Several of these run at once, on servers that share this machine.
                let patient = ("LATCHKEY_GRPC__DEADLINE", "8s".to_owned());
                super::$name(&Service::start_with(Store::Redis, &[("LATCHKEY_STORE__URL", url), patient]).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                super::$name(&Service::start(Store::Memory).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() {
                super::$name(&Service::start(Store::Redis).await).await;
            }
        })+
    };
}
pub(crate) use on_each_store;

/// A store that does all that a store has to do.
pub trait AnyStore: PolicyStore + Chores + Outbox {}
impl<S: PolicyStore + Chores + Outbox> AnyStore for S {}

/// Asserts that a call was refused with this code and this reason.
#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, reason: &str) {
    let status = result.expect_err("the call is refused");
    assert_eq!((status.code(), reason_of(&status).as_deref()), (code, Some(reason)), "{status:?}");
}

/// Asserts that a call was refused because of this field.
#[track_caller]
pub fn assert_field<T: std::fmt::Debug>(result: Result<T, Status>, field: &str) {
    let status = result.expect_err("the call is refused");
    assert_eq!(
        (status.code(), reason_of(&status).as_deref()),
        (Code::InvalidArgument, Some("INVALID_FIELD")),
        "{field}"
    );
    let details = status.get_details_error_info().unwrap();
    assert_eq!(details.metadata["field"], field, "{status:?}");
}
