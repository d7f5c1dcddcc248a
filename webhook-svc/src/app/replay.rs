//! Delivers events of the log again.
//!
//! A call does a part and says where it stopped; nothing about a replay is kept between calls. Its deliveries become due
//! one after the other, at the rate that was asked for, and are then like all others.

use svc_kit::{access::Caller, clock::Timestamp};

use super::{Webhooks, endpoints::ENDPOINTS_MAX};
use crate::{
    domain::endpoint::{DrainRate, Endpoint, EndpointId, EventPattern, Kind},
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
        let began_at = progress.map_or_else(|| self.clock.now(), |progress| progress.began_at);
        let query = ArrivalQuery {
            tenant: plan.tenant.clone(),
            from: plan.from,
            to: plan.to.unwrap_or(began_at),
            after: progress.map(|progress| progress.last),
            limit: LOOKED_AT_MAX,
        };
        let looked_at = self.store.arrivals(&query).await?;
        let chosen = chosen(plan, &looked_at, &endpoints);
        let before = progress.map_or(0, |progress| progress.deliveries);
        let pace = Pace { began_at, rate: plan.rate, before };
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
            last_due_at: so_far.checked_sub(1).map(|before| plan.rate.due(began_at, before)),
            next: last.map(|last| ReplayProgress { began_at, deliveries: so_far, last }),
        })
    }

    /// The endpoints that may get something.
    async fn receivers(&self, caller: &Caller, plan: &ReplayPlan) -> Result<Vec<Endpoint>, WebhookError> {
        let Some(id) = &plan.endpoint else {
            let all = self.store.endpoints(&plan.tenant, None, ENDPOINTS_MAX).await?;
            // Whoever was told of a logout long ago is only told again on purpose.
            let is_meant = |endpoint: &Endpoint| endpoint.disabled.is_none() && endpoint.kind == Kind::Webhook;
            return Ok(all.into_iter().filter(is_meant).collect());
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
