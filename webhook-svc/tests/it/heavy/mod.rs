//! Receivers that are servers of their own: those that misbehave, and those that verify with the libraries of others.

mod animals;
mod certificates;
mod names;
mod parties;
mod refused;
mod tls;
mod verifiers;
mod zoo;

use proto::webhook::v1::{Attempt, Delivery, GetDeliveryRequest};
use webhook_svc::domain::{delivery::DeliveryId, endpoint::EndpointId};

use crate::support::{eventually, stack::Stack};

/// The delivery of an event to an endpoint, once it was tried so often.
async fn tried(stack: &Stack, endpoint: &str, event: &str, attempts: usize) -> Delivery {
    let id = DeliveryId::of(&EndpointId::parse(endpoint).unwrap(), event).to_string();
    eventually(&format!("{attempts} attempts"), async || {
        let request = GetDeliveryRequest { delivery_id: id.clone() };
        let delivery = stack.deliveries().get_delivery(request).await.ok()?.into_inner().delivery.unwrap();
        (delivery.attempts.len() >= attempts).then_some(delivery)
    })
    .await
}

/// The verdict, the status, and in which part it failed.
fn verdict(attempt: &Attempt) -> (&str, i32, &str) {
    (&attempt.verdict, attempt.status_code, &attempt.failed_in)
}
