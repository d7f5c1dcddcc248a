//! What follows from an attempt: for the delivery, for the endpoint, and for those who should know.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use proto::event::v1 as pb;
use svc_kit::{
    bus::{Message, routing_key, shard_of},
    clock::Timestamp,
    entropy,
};

use super::Webhooks;
use crate::{
    domain::{
        delivery::{Attempt, State, Verdict},
        endpoint::is_operational,
        health::{Failure, Health, Notice, is_ever_disabled, is_telling},
        schedule::{self, Next, Progress},
    },
    ports::{Claim, DeliveryStore, Judge, Judgement, Outcome, Receipt, Word},
};

/// A fault of ours does not spend the receiver's schedule; it is tried again after this.
const OURS_RETRY: Duration = Duration::from_secs(30);

impl<S: DeliveryStore> Webhooks<S> {
    pub(super) fn outcome(&self, claim: &Claim, started: Timestamp, receipt: &Receipt) -> Outcome {
        let (now, random) = (self.clock.now(), entropy::fraction(&*self.entropy));
        let attempt = Attempt {
            at: started,
            verdict: receipt.verdict.name().to_owned(),
            status_code: receipt.verdict.status_code(),
            duration_ms: u32::try_from(receipt.duration.as_millis()).unwrap_or(u32::MAX),
            timing: receipt.timing,
            failed_in: receipt.failed_in,
            detail: receipt.detail.clone(),
            response: receipt.response.clone(),
        };
        let outcome = |state, next_attempt_at| Outcome {
            attempt,
            state,
            next_attempt_at,
            is_step: is_telling(receipt.verdict),
            disable: None,
            events: Vec::new(),
            word: word(claim, receipt.verdict, (now, random)),
        };
        if receipt.verdict == Verdict::Moot {
            return outcome(State::Cancelled, None);
        }
        if !is_telling(receipt.verdict) {
            return outcome(State::Pending, Some(now.saturating_add(OURS_RETRY)));
        }
        let is_urgent = schedule::is_urgent(&claim.event.event_type);
        let endpoint = &claim.endpoint;
        let schedule = self.schedules.of(&endpoint.tenant, endpoint.manner.schedule.as_ref());
        let progress = Progress { schedule, is_urgent, attempts: claim.step + 1, kind: endpoint.kind };
        let asked = receipt.retry_after.as_deref().and_then(|text| schedule::retry_after(text, now));
        match schedule::after(receipt.verdict, progress, asked, random, now) {
            Next::Done => outcome(State::Succeeded, None),
            Next::At(at) => outcome(State::Pending, Some(at)),
            Next::Exhausted => Outcome { events: exhausted(claim, now), ..outcome(State::Exhausted, None) },
            Next::Gone => {
                let events = disabled(claim, "GONE", now);
                Outcome { disable: Some("GONE"), events, word: Word::Nothing, ..outcome(State::Cancelled, None) }
            }
        }
    }
}

/// What an attempt says about its endpoint.
fn word(claim: &Claim, verdict: Verdict, (now, random): (Timestamp, f64)) -> Word {
    if verdict.is_success() {
        return Word::Works;
    }
    if !is_telling(verdict) {
        return Word::Nothing;
    }
    let (claim, failure) = (claim.clone(), Failure { at: now, is_probe: claim.is_probe, random });
    Word::Failed(Judge(Arc::new(move |before, recent| {
        let (health, notice) = Health::after(before, failure, recent);
        let (disable, events) = match notice {
            None => (None, Vec::new()),
            Some(Notice::Disabled) if !is_ever_disabled(claim.endpoint.kind) => (None, Vec::new()),
            Some(Notice::Failing(warning)) => (None, failing(&claim, &health, warning, (verdict, now))),
            Some(Notice::Disabled) => (Some("FAILING"), disabled(&claim, "FAILING", now)),
        };
        Judgement { health, disable, events }
    })))
}

fn exhausted(claim: &Claim, now: Timestamp) -> Vec<Message> {
    // An event of the engine makes no further one: it would never end.
    if is_operational(&claim.event.event_type) {
        return Vec::new();
    }
    let data = pb::event::Data::DeliveryExhausted(pb::DeliveryExhausted {
        delivery_id: claim.id.to_string(),
        endpoint_id: claim.endpoint.id.to_string(),
        event_id: claim.event.id.clone(),
        attempts: claim.attempt_count + 1,
    });
    vec![operational(claim, "delivery.exhausted", claim.id.as_str(), data, now)]
}

/// Comes once in the life of an endpoint, so it may follow from an event of the engine too.
fn disabled(claim: &Claim, reason: &str, now: Timestamp) -> Vec<Message> {
    let endpoint_id = claim.endpoint.id.to_string();
    let data = pb::event::Data::EndpointDisabled(pb::EndpointDisabled { endpoint_id, reason: reason.to_owned() });
    vec![operational(claim, "endpoint.disabled", claim.endpoint.id.as_str(), data, now)]
}

/// Comes three times at most until the endpoint works again, and is never sent to that endpoint.
fn failing(claim: &Claim, health: &Health, warning: u8, (verdict, now): (Verdict, Timestamp)) -> Vec<Message> {
    let data = pb::event::Data::EndpointFailing(pb::EndpointFailing {
        endpoint_id: claim.endpoint.id.to_string(),
        failing_since: Some(health.failing_since.to_proto()),
        warning: u32::from(warning),
        disabled_at: health.disabled_at(claim.endpoint.kind).map(Timestamp::to_proto),
        last_verdict: verdict.name().to_owned(),
        last_status_code: u32::from(verdict.status_code()),
    });
    vec![operational(claim, "endpoint.failing", claim.endpoint.id.as_str(), data, now)]
}

fn operational(claim: &Claim, event_type: &str, aggregate: &str, data: pb::event::Data, now: Timestamp) -> Message {
    let name = event_type.replace('.', "_");
    let id = format!("evt_wh_{name}_{}_{}", claim.id.as_str().trim_start_matches("msg_"), claim.generation);
    let event = pb::Event {
        id: id.clone(),
        r#type: event_type.to_owned(),
        tenant_id: claim.endpoint.tenant.clone(),
        occurred_at: Some(now.to_proto()),
        aggregate_id: aggregate.to_owned(),
        data: Some(data),
        ..pb::Event::default()
    };
    let routing_key = routing_key(shard_of(aggregate), event_type);
    Message { id, routing_key, body: event.encode_to_vec().into(), trace: claim.event.trace.clone() }
}
