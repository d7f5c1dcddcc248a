//! The delivery engine.
//!
//! Cast: [`accept`](super::accept) writes delivery rows; the **engine** claims rows that are due, for a lease, and sends
//! each; the result is [recorded](super::record) with the next due time in one transaction. The rows are the truth: whatever
//! dies, a lease ends and the row is due again. A result counts only for the claim that it belongs to, so a sender that was
//! thought dead cannot overwrite what came after it. Tenants take turns, then their endpoints, and both have bounds: a slow
//! receiver holds up only itself.
//!
//! The engine works in **turns**: it records what ended, claims meanwhile what there is room for, and lets the next turn wait until
//! that is worth it. One turn costs the store about the same for one delivery as for fifty.

use std::{pin::pin, sync::Arc, time::Duration};

use svc_kit::error::chain;
use tokio::time::Instant;

use super::{Webhooks, under_way::UnderWay};
use crate::{
    domain::delivery::Verdict,
    ports::{Claim, DeliveryStore, Ended, LogoutTokens, Means, Receipt, Room, Sender, StoreError},
};

/// How long a claim lasts: longer than any attempt.
const LEASE: Duration = Duration::from_secs(60);
/// Attempts under way at once in this process: for one tenant, and in all. Each endpoint has a limit of its own.
const PER_TENANT_MAX: usize = 128;
const IN_FLIGHT_MAX: usize = 512;
/// The last places of all are for tenants that have few attempts under way: the dead receivers of a few tenants cannot fill them.
const RESERVED: usize = 128;
const FEW: usize = 8;
/// Longest sleep when nothing is known to be due: another replica may have written something.
const POLL: Duration = Duration::from_secs(1);
/// From one turn to the next, unless much has ended before. Also the shortest sleep: what is due already and was not claimed is
/// claimed by somebody else just now.
const TURN: Duration = Duration::from_millis(5);
/// How long to wait after the store failed.
const RETRY: Duration = Duration::from_millis(500);

impl<S: DeliveryStore> Webhooks<S> {
    /// Delivers until `stop`; then what is under way is finished, and nothing more is begun.
    pub async fn deliver<D: Sender, T: LogoutTokens>(
        self: Arc<Self>,
        means: Arc<Means<D, T>>,
        stop: impl Future<Output = ()> + Send,
    ) {
        let (mut under_way, mut stop) = (UnderWay::default(), pin!(stop));
        loop {
            let next_turn = Instant::now() + TURN;
            let due_in = self.turn(&mut under_way, &means).await;
            tokio::select! {
                () = &mut stop => break,
                Some(()) = under_way.ended() => {}
                () = self.due.notified() => {}
                () = tokio::time::sleep(due_in) => {}
            }
            under_way.gather(next_turn).await;
        }
        loop {
            let left = self.record_taken(under_way.take_ended()).await;
            self.record_by_itself(left, &mut under_way);
            if under_way.ended().await.is_none() {
                return;
            }
        }
    }

    /// Records what ended, and begins what there is room for without it; returns how long nothing else is due, as far as is known.
    async fn turn<D: Sender, T: LogoutTokens>(
        self: &Arc<Self>,
        under_way: &mut UnderWay,
        means: &Arc<Means<D, T>>,
    ) -> Duration {
        let ended = under_way.take_ended();
        let room = Room {
            ended: ended.iter().map(|ended| ended.claim.id.clone()).collect(),
            in_flight: under_way.by_tenant(),
            per_tenant: PER_TENANT_MAX,
            limit: IN_FLIGHT_MAX.saturating_sub(under_way.len()),
            reserved: RESERVED,
            few: FEW,
        };
        let (left, claims) = tokio::join!(self.record_taken(ended), self.claim(&room));
        self.record_by_itself(left, under_way);
        let claims = match claims {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(error = chain(&error), "due deliveries cannot be read now");
                tokio::time::sleep(RETRY).await;
                Vec::new()
            }
        };
        let is_idle = claims.is_empty();
        for claim in claims {
            let (this, means) = (self.clone(), means.clone());
            under_way.spawn(claim.endpoint.tenant.clone(), async move { this.attempt_for_turn(&means, claim).await });
        }
        if is_idle { self.due_in(&room).await } else { TURN }
    }

    /// Has each of these recorded by a task of its own.
    fn record_by_itself(self: &Arc<Self>, left: Vec<Ended>, under_way: &mut UnderWay) {
        for ended in left {
            let this = self.clone();
            under_way.spawn(ended.claim.endpoint.tenant.clone(), async move {
                this.record(ended).await;
                None
            });
        }
    }

    async fn claim(&self, room: &Room) -> Result<Vec<Claim>, StoreError> {
        if room.limit == 0 {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        self.store.claim(now, now.saturating_add(LEASE), room).await
    }

    /// How long until something becomes due that there is room for, as far as is known.
    async fn due_in(&self, room: &Room) -> Duration {
        if room.limit == 0 {
            return POLL;
        }
        match self.store.next_due(self.clock.now(), room).await {
            Ok(Some(due)) => due.duration_since(self.clock.now()).clamp(TURN, POLL),
            Ok(None) | Err(_) => POLL,
        }
    }

    /// Makes an attempt and leaves it to the turn to record it with others, if that can be.
    async fn attempt_for_turn<D: Sender, T: LogoutTokens>(&self, means: &Means<D, T>, claim: Claim) -> Option<Ended> {
        let ended = self.attempt(means, claim).await;
        if ended.is_plainly_taken() {
            return Some(ended);
        }
        self.record(ended).await;
        None
    }

    /// Tries one delivery; says what came of it.
    pub async fn attempt<D: Sender, T: LogoutTokens>(&self, means: &Means<D, T>, claim: Claim) -> Ended {
        let started = self.clock.now();
        let receipt = match self.shipment(&claim, &means.tokens, started).await {
            Ok(shipment) => means.sender.send(&shipment).await,
            Err(verdict) => Receipt::without_answer(verdict),
        };
        let outcome = self.outcome(&claim, started, &receipt);
        self.meters.attempted(&receipt);
        log(&claim, receipt.verdict);
        Ended { claim, outcome }
    }
}

/// What is taken is the rule, and a thousand lines a second tell nobody anything.
fn log(claim: &Claim, verdict: Verdict) {
    let (name, status) = (verdict.name(), verdict.status_code());
    if verdict.is_success() {
        tracing::debug!(delivery.id = %claim.id, endpoint.id = %claim.endpoint.id, event.id = claim.event.id, status, "delivered");
    } else {
        tracing::info!(
            delivery.id = %claim.id, endpoint.id = %claim.endpoint.id, event.id = claim.event.id, verdict = name, status,
            "an attempt to deliver failed",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use secrecy::SecretString;
    use svc_kit::clock::SystemClock;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        app::{endpoints::NewEndpoint, manner::NewManner, tests},
        domain::{delivery::State, endpoint::EventPattern, limits::Limits, logout::LogoutNotice, signature::Scheme},
        ports::{DeliveryQuery, LoggedEvent, Shipment, TokenError},
        store::memory::MemoryStore,
    };

    /// Every attempt at a dead receiver takes so long, and fails.
    const TIMEOUT: Duration = Duration::from_secs(15);
    /// Every attempt at a slow one takes so long.
    const SLOW: Duration = Duration::from_secs(1);

    /// Receivers: the dead never answer, the slow ones late, the others at once.
    #[derive(Default)]
    struct Receivers {
        taken: AtomicUsize,
        at_the_dead: AtomicUsize,
    }

    impl Sender for Receivers {
        async fn send(&self, shipment: &Shipment) -> Receipt {
            let verdict = if shipment.url.contains("dead") {
                self.at_the_dead.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(TIMEOUT).await;
                Verdict::Timeout
            } else {
                if shipment.url.contains("slow") {
                    tokio::time::sleep(SLOW).await;
                }
                self.taken.fetch_add(1, Ordering::Relaxed);
                Verdict::Status(204)
            };
            Receipt::without_answer(verdict)
        }
    }

    struct NoTokens;

    impl LogoutTokens for NoTokens {
        async fn mint(&self, _: &LogoutNotice) -> Result<SecretString, TokenError> {
            Err(TokenError::NoApplication)
        }
    }

    async fn receiver(webhooks: &Webhooks<MemoryStore>, tenant: &str, host: &str) {
        let endpoint = NewEndpoint {
            tenant: tenant.to_owned(),
            url: format!("https://{host}.example/hook"),
            description: String::new(),
            event_types: vec![EventPattern::parse("*").unwrap()],
            applications: Vec::new(),
            limits: Limits::default(),
            is_ordered: false,
            scheme: Scheme::Hmac,
            manner: NewManner::default(),
        };
        webhooks.create_endpoint(endpoint).await.unwrap();
    }

    async fn accept(webhooks: &Webhooks<MemoryStore>, tenant: &str, count: usize) {
        let one = |n| LoggedEvent { id: format!("{tenant}_{n}"), tenant: tenant.to_owned(), ..tests::event(n) };
        webhooks.accept(&(0..count).map(one).collect::<Vec<_>>()).await.unwrap();
    }

    /// Delivers until so many were taken; says how long that took (on a clock that only moves when all wait), and how many
    /// attempts the dead had meanwhile.
    async fn deliver(webhooks: Arc<Webhooks<MemoryStore>>, count: usize) -> (Duration, usize) {
        let (started, means) = (Instant::now(), Arc::new(Means { sender: Receivers::default(), tokens: NoTokens }));
        let all = async {
            while means.sender.taken.load(Ordering::Relaxed) < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = webhooks.deliver(means.clone(), std::future::pending()) => unreachable!("nobody stops it"),
            () = all => {}
        }
        (started.elapsed(), means.sender.at_the_dead.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_backlog_that_goes_nowhere_holds_up_none_of_the_other_tenants() {
        let webhooks = tests::webhooks(Arc::new(SystemClock));
        receiver(&webhooks, "bad", "dead").await;
        accept(&webhooks, "bad", 10_000).await;
        for n in 0..49 {
            receiver(&webhooks, &format!("t{n}"), "good").await;
            accept(&webhooks, &format!("t{n}"), 10).await;
        }
        let (took, at_the_dead) = deliver(webhooks, 490).await;
        assert!(took < TIMEOUT / 3, "somebody waited for the dead: {took:?}");
        assert_eq!(at_the_dead, 10, "as many as an endpoint has at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_endpoint_of_a_hundred_holds_up_none_of_the_others() {
        let webhooks = tests::webhooks(Arc::new(SystemClock));
        for n in 0..100 {
            receiver(&webhooks, "acme", if n == 0 { "dead" } else { "good" }).await;
        }
        accept(&webhooks, "acme", 20).await;
        let (took, at_the_dead) = deliver(webhooks, 99 * 20).await;
        assert!(took < TIMEOUT / 3, "somebody waited for the dead: {took:?}");
        assert_eq!(at_the_dead, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_dead_of_a_few_tenants_leave_room_for_the_others() {
        let webhooks = tests::webhooks(Arc::new(SystemClock));
        for tenant in ["bad0", "bad1", "bad2", "bad3"] {
            // As many as take all that a tenant may have, four times all there is.
            for _ in 0..=PER_TENANT_MAX / 10 {
                receiver(&webhooks, tenant, "dead").await;
            }
            accept(&webhooks, tenant, 12).await;
        }
        let late = webhooks.clone();
        let arrive = async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for n in 0..20 {
                receiver(&late, &format!("t{n}"), "good").await;
                accept(&late, &format!("t{n}"), 20).await;
            }
            std::future::pending::<Infallible>().await
        };
        let (took, at_the_dead) = tokio::select! {
            done = deliver(webhooks, 400) => done,
            never = arrive => match never {},
        };
        assert!(took < TIMEOUT / 3, "somebody waited for the dead: {took:?}");
        assert_eq!(at_the_dead, IN_FLIGHT_MAX - RESERVED);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_finished_and_recorded_before_the_end() {
        let webhooks = tests::webhooks(Arc::new(SystemClock));
        receiver(&webhooks, "acme", "slow").await;
        accept(&webhooks, "acme", 15).await;
        let (started, means) = (Instant::now(), Arc::new(Means { sender: Receivers::default(), tokens: NoTokens }));
        webhooks.clone().deliver(means.clone(), tokio::time::sleep(SLOW / 2)).await;
        assert!(started.elapsed() >= SLOW, "{:?}", started.elapsed());
        assert_eq!(means.sender.taken.load(Ordering::Relaxed), 10, "what an endpoint has at once, and nothing more");
        let (tenant, state) = ("acme".to_owned(), Some(State::Succeeded));
        let query = DeliveryQuery { tenant, endpoint: None, state, after: None, limit: 100 };
        assert_eq!(webhooks.store.deliveries(&query).await.unwrap().len(), 10);
    }
}
