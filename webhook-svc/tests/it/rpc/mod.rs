//! The RPCs, one file a service, each test on the store in memory and on PostgreSQL.

mod bad_input;
mod deliveries;
mod endpoints;
mod events;
mod isolation;
mod logout;
mod manner;
mod replay;
mod types;
mod watch;

/// Makes of each function a test on a service in memory and a test on a service with PostgreSQL.
macro_rules! on_both_stacks {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let stack = $crate::support::stack::StackBuilder::memory().start().await;
                super::$test(&stack).await;
                stack.stop().await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                $crate::support::database::with_database(|url| async move {
                    let stack = $crate::support::stack::StackBuilder::postgres(&url).start().await;
                    super::$test(&stack).await;
                    stack.stop().await;
                })
                .await;
            })+
        }
    };
}
pub(crate) use on_both_stacks;

use proto::webhook::v1::{CreateEndpointRequest, CreateEndpointResponse, Endpoint};
use svc_kit::error::reason_of;
use tonic::{Code, Response, Status};

use crate::support::stack::Stack;

/// Creates an endpoint in tenant `acme`.
pub async fn create(stack: &Stack, url: &str) -> (Endpoint, String) {
    let request = CreateEndpointRequest { tenant_id: "acme".to_owned(), url: url.to_owned(), ..Default::default() };
    let CreateEndpointResponse { endpoint, secret } =
        stack.endpoints().create_endpoint(request).await.unwrap().into_inner();
    (endpoint.unwrap(), secret)
}

/// Code and reason of a refusal.
pub fn refusal<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), reason_of(&status).unwrap_or_else(|| panic!("no reason: {status:?}")))
}
