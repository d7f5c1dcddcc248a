//! Days of deliveries, on clocks that do not wait: what is tried when, and what comes of it when an outage ends.

mod engine;
mod failing;
mod herd;
mod schedule;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use secrecy::SecretString;
use svc_kit::{
    clock::{Clock, ManualClock, Timestamp},
    egress::EgressPolicy,
    entropy::SeededEntropy,
    seal::SealKeys,
};
use tokio::sync::Notify;
use webhook_svc::{
    app::{Webhooks, endpoints::NewEndpoint, manner::NewManner, meters::Meters, watch::Arrivals},
    domain::{
        delivery::{DeliveryId, Verdict},
        endpoint::{Endpoint, EventPattern},
        limits::{Concurrency, Limits},
        logout::LogoutNotice,
        schedule::Schedules,
        signature::Scheme,
    },
    ports::{Content, LoggedEvent, LogoutTokens, Means, Receipt, Sender, Shipment, TokenError},
    store::memory::MemoryStore,
};

use crate::support::fixtures::{START, TENANT, claim, event};

/// How long an attempt takes.
const ATTEMPT: Duration = Duration::from_millis(20);

/// A network on which everything is down until some time, and which remembers who tried when.
struct Outage {
    clock: Arc<dyn Clock>,
    until: Option<Timestamp>,
    made: Mutex<Vec<(DeliveryId, Timestamp)>>,
    under_way: AtomicUsize,
    /// Most attempts under way at once.
    most: AtomicUsize,
}

impl Outage {
    /// It ends after so long, or never.
    fn of(clock: Arc<dyn Clock>, length: Option<Duration>) -> Means<Self, NoTokens> {
        let until = length.map(|length| START.saturating_add(length));
        let (made, under_way, most) = Default::default();
        Means { sender: Self { clock, until, made, under_way, most }, tokens: NoTokens }
    }

    fn made(&self) -> Vec<(DeliveryId, Timestamp)> {
        self.made.lock().unwrap().clone()
    }
}

impl Sender for Outage {
    async fn send(&self, shipment: &Shipment) -> Receipt {
        let Content::Webhook { id, .. } = &shipment.content else { panic!("no webhook") };
        let now = self.clock.now();
        self.made.lock().unwrap().push((id.clone(), now));
        self.most.fetch_max(self.under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(ATTEMPT).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let is_over = self.until.is_some_and(|until| now >= until);
        Receipt::without_answer(if is_over { Verdict::Status(204) } else { Verdict::Status(503) })
    }
}

struct NoTokens;

impl LogoutTokens for NoTokens {
    async fn mint(&self, _: &LogoutNotice) -> Result<SecretString, TokenError> {
        Err(TokenError::NoApplication)
    }
}

fn webhooks(clock: Arc<dyn Clock>) -> Arc<Webhooks<MemoryStore>> {
    webhooks_over(Arc::new(MemoryStore::default()), clock)
}

/// The use cases over a store.
pub fn webhooks_over<S>(store: Arc<S>, clock: Arc<dyn Clock>) -> Arc<Webhooks<S>> {
    Arc::new(Webhooks {
        store,
        egress: EgressPolicy::default(),
        schedules: Schedules::default(),
        seal: SealKeys::parse(&[format!("1:{}", "ab".repeat(32)).into()]).unwrap(),
        clock,
        entropy: Arc::new(SeededEntropy::new(7)),
        due: Notify::new(),
        arrivals: Arrivals::default(),
        meters: Meters::default(),
    })
}

async fn endpoint(webhooks: &Webhooks<MemoryStore>, concurrency: Concurrency) -> Endpoint {
    let new = NewEndpoint {
        tenant: TENANT.to_owned(),
        url: "https://receiver.example/hook".to_owned(),
        description: String::new(),
        event_types: vec![EventPattern::parse("*").unwrap()],
        applications: Vec::new(),
        limits: Limits { concurrency, rate: None },
        is_ordered: false,
        scheme: Scheme::Hmac,
        manner: NewManner::default(),
    };
    webhooks.create_endpoint(new).await.unwrap().0
}

async fn accept(webhooks: &Webhooks<MemoryStore>, id: &str, event_type: &str) {
    let received_at = webhooks.clock.now();
    let event = LoggedEvent { event_type: event_type.to_owned(), received_at, ..event(id) };
    webhooks.accept(&[event]).await.unwrap();
}

/// Makes every attempt that is due at the time of `clock`.
async fn attempt_all<D: Sender, T: LogoutTokens>(
    webhooks: &Webhooks<MemoryStore>,
    means: &Means<D, T>,
    clock: &ManualClock,
) {
    loop {
        let claims = claim(&*webhooks.store, clock.now()).await;
        if claims.is_empty() {
            return;
        }
        for claim in claims {
            let ended = webhooks.attempt(means, claim).await;
            webhooks.record(ended).await;
        }
    }
}
