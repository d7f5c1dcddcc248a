//! Delivers events of the log again.
//!
//! A call does a part and says where it stopped; nothing about a replay is kept between calls. Its deliveries become due
//! one after the other, at the rate that was asked for, and are then like all others.

use svc_kit::{access::Caller, clock::Timestamp};

use super::{Webhooks, endpoints::ENDPOINTS_MAX};
use crate::{
    domain::endpoint::{DrainRate, Endpoint, EndpointId, EventPattern},
    error::WebhookError,
    ports::{ArrivalQuery, LogPosition, LogStore, LoggedEvent, Pace, Replay, ReplayMode},
};

/// Events that one call looks at, at most.
const LOOKED_AT_MAX: usize = 500;
/// Deliveries after which a call stops; the event that reaches it is finished.
const DELIVERIES_MAX: usize = 2_000;

/// Which events to deliver again, and where.
#[derive(Clone, Debug)]
pub struct ReplayPlan {
    /// Of this tenant.
    pub tenant: String,
    /// Arrived then or later.
    pub from: Timestamp,
    /// And before then; `None` means before the first call.
    pub to: Option<Timestamp>,
    /// Only types that match one of these; none means all.
    pub types: Vec<EventPattern>,
    /// Only those that concern this user.
    pub user: Option<String>,
    /// Only to this endpoint.
    pub endpoint: Option<EndpointId>,
    /// How far it goes.
    pub mode: ReplayMode,
    /// How many are sent in a second.
    pub rate: DrainRate,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayProgress {
    /// When it began.
    pub began_at: Timestamp,
    /// From when its pace is counted.
    pub paced_from: Timestamp,
    /// Deliveries so far.
    pub deliveries: u64,
    /// The last event that was looked at.
    pub last: (Timestamp, LogPosition),
}

/// What a call did.
#[derive(Clone, Debug)]
pub struct ReplayPart {
    /// Events found.
    pub events: usize,
    /// Deliveries made due.
    pub deliveries: usize,
    /// When the last delivery of the replay is due.
    pub last_due_at: Option<Timestamp>,
    /// Where to go on; `None` when all is done.
    pub next: Option<ReplayProgress>,
}

impl<S: LogStore> Webhooks<S> {
    /// Does the next part of a replay.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], [`WebhookError::EndpointDisabled`], or a failure of the store.
    pub async fn replay(
        &self,
        caller: &Caller,
        plan: &ReplayPlan,
        progress: Option<ReplayProgress>,
    ) -> Result<ReplayPart, WebhookError> {
        let endpoints = self.receivers(caller, plan).await?;
        let now = self.clock.now();
        let began_at = progress.map_or(now, |progress| progress.began_at);
        let before = progress.map_or(0, |progress| progress.deliveries);
        // What is resumed after a break does not catch up: all that came due in the meantime would be sent at once.
        let paced_from = progress.map_or(now, |progress| progress.paced_from.max(plan.rate.start(now, before)));
        let query = ArrivalQuery {
            tenant: plan.tenant.clone(),
            from: plan.from,
            to: plan.to.unwrap_or(began_at),
            after: progress.map(|progress| progress.last),
            limit: LOOKED_AT_MAX,
        };
        let looked_at = self.store.arrivals(&query).await?;
        let chosen = chosen(plan, &looked_at, &endpoints);
        let pace = Pace { from: paced_from, rate: plan.rate, before };
        let deliveries = self.store.replay(&plan.tenant, &chosen.replays, pace, plan.mode).await?;
        if deliveries > 0 && !plan.mode.is_dry {
            self.due.notify_one();
        }
        let so_far = before.saturating_add(u64::try_from(deliveries).unwrap_or(u64::MAX));
        let has_more = chosen.looked_at < looked_at.len() || looked_at.len() == LOOKED_AT_MAX;
        let last = chosen.last.filter(|_| has_more);
        Ok(ReplayPart {
            events: chosen.events,
            deliveries,
            last_due_at: so_far.checked_sub(1).map(|before| plan.rate.due(paced_from, before)),
            next: last.map(|last| ReplayProgress { began_at, paced_from, deliveries: so_far, last }),
        })
    }

    /// The endpoints that may get something.
    async fn receivers(&self, caller: &Caller, plan: &ReplayPlan) -> Result<Vec<Endpoint>, WebhookError> {
        let Some(id) = &plan.endpoint else {
            // Whoever was told of a logout long ago is only told again on purpose.
            return Ok(self.store.webhook_endpoints(&plan.tenant, ENDPOINTS_MAX).await?);
        };
        let endpoint = self.endpoint(caller, id).await?;
        if endpoint.tenant != plan.tenant {
            return Err(WebhookError::EndpointNotFound);
        }
        if endpoint.disabled.is_some() { Err(WebhookError::EndpointDisabled) } else { Ok(vec![endpoint]) }
    }
}

/// What one call delivers again.
#[derive(Default)]
struct Chosen {
    looked_at: usize,
    last: Option<(Timestamp, LogPosition)>,
    events: usize,
    replays: Vec<Replay>,
}

fn chosen(plan: &ReplayPlan, looked_at: &[(LogPosition, LoggedEvent)], endpoints: &[Endpoint]) -> Chosen {
    let mut chosen = Chosen::default();
    for (place, event) in looked_at {
        chosen.looked_at += 1;
        chosen.last = Some((event.received_at, *place));
        if is_chosen(plan, event) {
            chosen.events += 1;
            let receivers = endpoints.iter().filter(|endpoint| endpoint.wants(event.subject()));
            let replay = |to: &Endpoint| Replay { event: event.id.clone(), endpoint: to.id.clone() };
            chosen.replays.extend(receivers.map(replay));
        }
        if chosen.replays.len() >= DELIVERIES_MAX {
            break;
        }
    }
    chosen
}

fn is_chosen(plan: &ReplayPlan, event: &LoggedEvent) -> bool {
    EventPattern::choose(&plan.types, &event.event_type) && plan.user.as_ref().is_none_or(|user| *user == event.user)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use svc_kit::{
        access::Scopes,
        clock::{Clock as _, ManualClock},
    };

    use super::*;
    use crate::{
        app::{
            endpoints::NewEndpoint,
            manner::NewManner,
            tests::{START, TENANT, event, webhooks},
        },
        domain::{limits::Limits, signature::Scheme},
        ports::DeliveryStore as _,
    };

    #[tokio::test]
    async fn a_replay_that_is_resumed_after_a_break_keeps_its_rate() {
        let clock = Arc::new(ManualClock::new(START));
        let webhooks = webhooks(clock.clone());
        webhooks.store.accept(&(0..3 * LOOKED_AT_MAX).map(event).collect::<Vec<_>>()).await.unwrap();
        let everything = NewEndpoint {
            tenant: TENANT.to_owned(),
            url: "https://receiver.example/hook".to_owned(),
            description: String::new(),
            event_types: vec![EventPattern::parse("*").unwrap()],
            applications: Vec::new(),
            limits: Limits::default(),
            is_ordered: false,
            scheme: Scheme::Hmac,
            manner: NewManner::default(),
        };
        webhooks.create_endpoint(everything).await.unwrap();
        clock.advance(Duration::from_secs(1));
        let plan = ReplayPlan {
            tenant: TENANT.to_owned(),
            from: START,
            to: None,
            types: Vec::new(),
            user: None,
            endpoint: None,
            mode: ReplayMode::default(),
            rate: DrainRate::parse(10).unwrap(),
        };
        let caller = Caller { subject: "operator:ada".to_owned(), tenant: None, scopes: Scopes::All };
        let after = |seconds| Some(clock.now().saturating_add(Duration::from_secs(seconds)));
        let first = webhooks.replay(&caller, &plan, None).await.unwrap();
        assert_eq!((first.deliveries, first.last_due_at), (LOOKED_AT_MAX, after(50)));
        clock.advance(Duration::from_secs(3_600));
        // From now on at the same rate, also over several calls.
        let second = webhooks.replay(&caller, &plan, first.next).await.unwrap();
        assert_eq!((second.deliveries, second.last_due_at), (LOOKED_AT_MAX, after(50)));
        let third = webhooks.replay(&caller, &plan, second.next).await.unwrap();
        assert_eq!((third.deliveries, third.last_due_at), (LOOKED_AT_MAX, after(100)));
    }
}
