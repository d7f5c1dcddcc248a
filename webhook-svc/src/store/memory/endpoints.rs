//! Endpoints.

use svc_kit::clock::Timestamp;

use super::{MemoryStore, is_counted};
use crate::{
    domain::{
        delivery::{Attempt, Delivery, DeliveryId, State, Timing},
        endpoint::{DrainRate, Endpoint, EndpointId, Kind},
        logout::LogoutAddress,
    },
    ports::{EndpointReport, EndpointStore, ReportBounds, StoreError},
};

impl EndpointStore for MemoryStore {
    async fn add_endpoint(&self, endpoint: &Endpoint, max: usize) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let is_counted = |other: &&Endpoint| other.tenant == endpoint.tenant && other.kind == Kind::Webhook;
        let has_room = tables.endpoints.values().filter(is_counted).count() < max;
        if has_room {
            tables.endpoints.insert(endpoint.id.clone(), endpoint.clone());
            tables.matches_from_now(&endpoint.id);
        }
        Ok(has_room)
    }

    async fn endpoint(&self, id: &EndpointId) -> Result<Option<Endpoint>, StoreError> {
        Ok(self.lock().endpoints.get(id).cloned())
    }

    async fn endpoints(
        &self,
        tenant: &str,
        after: Option<&EndpointId>,
        limit: usize,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let tables = self.lock();
        let of_tenant = tables.endpoints.values().filter(|endpoint| endpoint.tenant == tenant);
        Ok(of_tenant.filter(|endpoint| after.is_none_or(|after| endpoint.id > *after)).take(limit).cloned().collect())
    }

    async fn webhook_endpoints(&self, tenant: &str, limit: usize) -> Result<Vec<Endpoint>, StoreError> {
        let is_meant = |endpoint: &&Endpoint| {
            endpoint.tenant == tenant && endpoint.kind == Kind::Webhook && endpoint.disabled.is_none()
        };
        Ok(self.lock().endpoints.values().filter(is_meant).take(limit).cloned().collect())
    }

    async fn put_endpoint(&self, endpoint: &Endpoint, seen: Timestamp) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let before = match tables.endpoints.get_mut(&endpoint.id) {
            Some(stored) if stored.updated_at == seen => std::mem::replace(stored, endpoint.clone()),
            _ => return Ok(false),
        };
        if endpoint.disabled.is_some() || before.url != endpoint.url {
            tables.healths.remove(&endpoint.id);
        }
        let filter = |of: &Endpoint| (of.event_types.clone(), of.applications.clone(), of.disabled.is_none());
        if filter(&before) != filter(endpoint) {
            tables.matches_from_now(&endpoint.id);
        }
        if endpoint.disabled.is_some() {
            tables.cancel_pending(&endpoint.id);
        }
        Ok(true)
    }

    async fn resume_endpoint(
        &self,
        endpoint: &Endpoint,
        seen: Timestamp,
        now: Timestamp,
        per_second: DrainRate,
    ) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        match tables.endpoints.get_mut(&endpoint.id) {
            Some(stored) if stored.updated_at == seen => *stored = endpoint.clone(),
            _ => return Ok(false),
        }
        let overdue = tables.overdue(&endpoint.id, now).into_iter();
        let overdue: Vec<DeliveryId> = overdue.map(|delivery| delivery.id.clone()).collect();
        for (before, id) in (0..).zip(overdue) {
            if let Some(row) = tables.deliveries.get_mut(&id) {
                row.delivery.next_attempt_at = Some(per_second.due(now, before));
                row.is_claimed = false;
            }
        }
        Ok(true)
    }

    async fn put_logout_address(&self, address: &LogoutAddress) -> Result<(), StoreError> {
        let (mut tables, mut endpoint) = (self.lock(), address.endpoint());
        let is_older = |known: &Timestamp| *known > address.at;
        let is_known = tables.managed.contains_key(&endpoint.id);
        if tables.managed.get(&endpoint.id).is_some_and(is_older) || (!is_known && address.url.is_none()) {
            return Ok(());
        }
        tables.managed.insert(endpoint.id.clone(), address.at);
        if let Some(before) = tables.endpoints.get(&endpoint.id) {
            (endpoint.created_at, endpoint.paused_at) = (before.created_at, before.paused_at);
            if before.url != endpoint.url {
                tables.healths.remove(&endpoint.id);
            }
        }
        if endpoint.disabled.is_some() {
            tables.cancel_pending(&endpoint.id);
        }
        let is_enabled = |of: &Endpoint| of.disabled.is_none();
        if tables.endpoints.get(&endpoint.id).map(is_enabled) != Some(is_enabled(&endpoint)) {
            tables.matches_from_now(&endpoint.id);
        }
        tables.endpoints.insert(endpoint.id.clone(), endpoint);
        Ok(())
    }

    async fn report(&self, id: &EndpointId, bounds: ReportBounds) -> Result<EndpointReport, StoreError> {
        let tables = self.lock();
        let is_counted = |attempt: &&Attempt| attempt.at >= bounds.since && is_counted(attempt);
        let attempts = tables.attempts.get(id).into_iter().flatten().filter(is_counted).take(bounds.attempts);
        let attempts = attempts.map(summary).collect();
        let deliveries = tables.deliveries.values().map(|row| &row.delivery);
        let mut waiting: Vec<&Delivery> =
            deliveries.filter(|delivery| delivery.endpoint == *id && delivery.state == State::Pending).collect();
        waiting.sort_by_key(|delivery| delivery.next_attempt_at);
        waiting.truncate(bounds.backlog);
        Ok(EndpointReport {
            health: tables.healths.get(id).cloned(),
            attempts,
            backlog: waiting.len(),
            oldest_waiting_at: waiting.iter().map(|delivery| delivery.created_at).min(),
        })
    }

    async fn delete_endpoint(&self, id: &EndpointId) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        tables.cancel_pending(id);
        tables.healths.remove(id);
        tables.attempts.remove(id);
        tables.slots.remove(id);
        Ok(tables.endpoints.remove(id).is_some())
    }
}

/// What a report holds of an attempt.
fn summary(attempt: &Attempt) -> Attempt {
    Attempt {
        timing: Timing::default(),
        failed_in: None,
        detail: String::new(),
        response: String::new(),
        ..attempt.clone()
    }
}
