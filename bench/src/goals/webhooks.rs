//! Deliveries: how many in a second beside a bare loop of signed POSTs, and what a backlog and receivers that do not answer cost
//! the others.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use svc_kit::entropy::OsEntropy;
use webhook_svc::domain::signature::{Signer, SigningSecret, sign};

use crate::{
    failure::Failure,
    process::Watched,
    report::{Figure, Outcome, Target, number},
    rounds::median,
    settings::Settings,
    targets::{
        broker::Bus,
        peer::Peer,
        receiver::Receivers,
        redis::Redis,
        webhook::{self, WebhookSvc},
    },
};

/// The parts of the group.
pub const PARTS: [&str; 4] = [THROUGHPUT, BACKLOG, BLACK_HOLE, DEAD_ENDPOINT];
const THROUGHPUT: &str = "throughput";
const BACKLOG: &str = "backlog";
const BLACK_HOLE: &str = "black_hole";
const DEAD_ENDPOINT: &str = "dead_endpoint";

/// Deliveries of a round, and how many are under way at once: over four tenants with one endpoint each.
const DELIVERIES: usize = 4_000;
const AT_ONCE: usize = 128;
const TENANTS: usize = 4;
/// The tenants that share the service with one that has a backlog for a receiver that never answers.
const OTHERS: usize = 49;
const PILED_UP: usize = 10_000;
/// Their load in a round: so many events each, with this pause between.
const TURNS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// Endpoints of the tenant of which one may be dead, and events of a round for all of them.
const ENDPOINTS: usize = 100;
const EVENTS: usize = 40;
/// How long the attempts at the dead one take to fail, and its breaker to open.
const BREAKS_WITHIN: Duration = Duration::from_secs(20);
/// Rows that wait while others are delivered: over so many tenants with an endpoint each, few, because it is the rows that must
/// cost nothing. Every fifth endpoint never answers and its rows are due; those of the others are due later.
const PENDING: usize = 1_000_000;
const PENDING_TENANTS: usize = 10;
const PENDING_DUE_EVERY: usize = 5;
const LATER: Duration = Duration::from_secs(12 * 3600);

/// Measures the group.
///
/// # Errors
/// [`Failure`].
pub async fn run(settings: Settings) -> Result<Outcome, Failure> {
    let rounds = settings.rounds;
    let mut outcome = Outcome::default();
    let mut add = |(figure, text): (Figure, String)| {
        outcome.figures.push(figure);
        outcome.text.push_str(&text);
        outcome.text.push('\n');
    };
    let wants = |part| settings.wants("webhooks", part);
    if wants(THROUGHPUT) {
        add(throughput(rounds).await?);
        if settings.has_peers {
            add(beside_bullmq(rounds).await?);
        }
    }
    if wants(BACKLOG) {
        add(backlog(rounds).await?);
    }
    if wants(BLACK_HOLE) {
        add(black_hole(rounds).await?);
    }
    if wants(DEAD_ENDPOINT) {
        add(dead_endpoint(rounds).await?);
    }
    Ok(outcome)
}

/// Names of tenants.
fn tenants(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{what}{n}")).collect()
}

/// A service with the tenants that the load is of.
struct Loaded {
    service: WebhookSvc,
    tenants: Vec<String>,
    next: usize,
    /// Microseconds of processor for a delivery, round by round: the service, and PostgreSQL.
    cost: Vec<(f64, f64)>,
}

impl Loaded {
    async fn start(receivers: &Receivers) -> Result<Self, Failure> {
        let (service, tenants) = (WebhookSvc::start(&Bus::Memory).await?, tenants("load", TENANTS));
        for tenant in &tenants {
            service.endpoint(tenant, &receivers.url("count"), AT_ONCE as i32 / TENANTS as i32).await?;
        }
        let mut loaded = Self { service, tenants, next: 0, cost: Vec::new() };
        // The first round warms up.
        loaded.round(receivers).await?;
        loaded.service.analyze().await?;
        loaded.cost.clear();
        Ok(loaded)
    }

    /// Deliveries a second, from the bus to the receiver.
    async fn round(&mut self, receivers: &Receivers) -> Result<f64, Failure> {
        let watched = self.service.watched().await?;
        let (spent, before, started) = (watched.each_ref().map(Watched::times), receivers.count(), Instant::now());
        self.service.feed(&self.tenants, DELIVERIES / TENANTS, self.next).await?;
        self.next += DELIVERIES;
        receivers.wait_for(before + DELIVERIES).await?;
        let elapsed = started.elapsed();
        let us = |place: usize| spent[place].until(&watched[place].times()).as_secs_f64() * 1e6 / DELIVERIES as f64;
        self.cost.push((us(0), us(1)));
        Ok(DELIVERIES as f64 / elapsed.as_secs_f64())
    }

    fn cost(&self) -> String {
        let service = number(median(self.cost.iter().map(|cost| cost.0)));
        let postgres = number(median(self.cost.iter().map(|cost| cost.1)));
        format!("µs of processor for each: webhook-svc {service}, PostgreSQL {postgres}")
    }
}

/// Rates and their ratios, round by round.
#[derive(Default)]
struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    fn medians(&self) -> (f64, f64, f64) {
        let of = |what: fn(&(f64, f64)) -> f64| median(self.0.iter().map(what));
        (of(|pair| pair.0), of(|pair| pair.1), of(|pair| pair.0 / pair.1))
    }
}

async fn throughput(rounds: usize) -> Result<(Figure, String), Failure> {
    let receivers = Receivers::start().await?;
    let mut loaded = Loaded::start(&receivers).await?;
    let mut pairs = Pairs::default();
    for _ in 0..rounds {
        let bare = posts(&receivers).await?;
        pairs.0.push((loaded.round(&receivers).await?, bare));
    }
    let (ours, bare, ratio) = pairs.medians();
    let (rate, bare_rate, cost) = (number(ours), number(bare), loaded.cost());
    let text = format!("{rate} deliveries/s from the bus to the receiver, {bare_rate} bare POSTs/s\n{cost}");
    Ok((Figure::ratio("deliveries_vs_posts", ratio, bare, rounds, Target::AtLeast(0.6)), text))
}

async fn beside_bullmq(rounds: usize) -> Result<(Figure, String), Failure> {
    let (receivers, redis) = (Receivers::start().await?, Redis::start().await?);
    let mut loaded = Loaded::start(&receivers).await?;
    let (url, at_once) = (receivers.url("count"), AT_ONCE.to_string());
    let peer = Peer::start("bullmq", &[redis.url(), &url, &at_once]).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut pairs = Pairs::default();
    for round in 0..rounds {
        let ours = loaded.round(&receivers).await?;
        let (before, started) = (receivers.count(), Instant::now());
        let feed = client.post(peer.url(&format!("/?first={}&count={DELIVERIES}", round * DELIVERIES)));
        feed.body(webhook::body()).send().await?.error_for_status()?;
        receivers.wait_for(before + DELIVERIES).await?;
        pairs.0.push((ours, DELIVERIES as f64 / started.elapsed().as_secs_f64()));
    }
    let (ours, theirs, ratio) = pairs.medians();
    let text = format!("beside BullMQ and undici: {} deliveries/s, {} of theirs", number(ours), number(theirs));
    Ok((Figure::ratio("deliveries_vs_bullmq", ratio, theirs, rounds, Target::Open), text))
}

async fn backlog(rounds: usize) -> Result<(Figure, String), Failure> {
    let receivers = Receivers::start().await?;
    let (mut without, mut with) = (Loaded::start(&receivers).await?, Loaded::start(&receivers).await?);
    let (mut due, mut later) = (Vec::new(), Vec::new());
    for (n, tenant) in tenants("pending", PENDING_TENANTS).into_iter().enumerate() {
        let id = with.service.endpoint(&tenant, &receivers.url("never"), 0).await?;
        if n % PENDING_DUE_EVERY == 0 { due.push((tenant, id)) } else { later.push((tenant, id)) }
    }
    with.service.pile_up(&later, PENDING / PENDING_TENANTS, LATER).await?;
    with.service.pile_up(&due, PENDING / PENDING_TENANTS, Duration::ZERO).await?;
    with.round(&receivers).await?;
    with.cost.clear();
    let mut pairs = Pairs::default();
    for _ in 0..rounds {
        let cost_without = 1e6 / without.round(&receivers).await?;
        pairs.0.push((1e6 / with.round(&receivers).await?, cost_without));
    }
    let (costs_with, costs_without) = (with.cost(), without.cost());
    let (with, without, ratio) = pairs.medians();
    let text = format!(
        "a delivery beside {PENDING} that wait: {} µs, {} µs without them\nwith: {costs_with}\nwithout: {costs_without}",
        number(with),
        number(without)
    );
    Ok((Figure::ratio("delivery_beside_1m_pending", ratio, without, rounds, Target::AtMost(1.15)), text))
}

/// Signed POSTs a second in a loop, with the same client and receiver.
async fn posts(receivers: &Receivers) -> Result<f64, Failure> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(15)).build()?;
    let signers = [Signer::Secret(SigningSecret::generate(&OsEntropy))];
    let url = receivers.url("count");
    let body = webhook::body();
    let started = Instant::now();
    let results = futures::stream::iter(0..DELIVERIES).map(|n| {
        let (client, url, body, id) = (&client, &url, body.clone(), format!("msg_{n}"));
        let signature = sign(&signers, &id, 1_700_000_000, body.as_bytes());
        async move {
            let request = client.post(url).header("content-type", "application/json").header("webhook-id", id);
            let request = request.header("webhook-timestamp", 1_700_000_000).header("webhook-signature", signature);
            request.body(body).send().await?.error_for_status()
        }
    });
    let results: Vec<_> = results.buffer_unordered(AT_ONCE).collect().await;
    let took = started.elapsed();
    results.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(DELIVERIES as f64 / took.as_secs_f64())
}

async fn black_hole(rounds: usize) -> Result<(Figure, String), Failure> {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for is_there in [false, true] {
        let (receivers, service) = (Receivers::start().await?, WebhookSvc::start(&Bus::Memory).await?);
        let others = tenants("other", OTHERS);
        for tenant in &others {
            service.endpoint(tenant, &receivers.url("time"), 0).await?;
        }
        if is_there {
            let bad = ["bad".to_owned()];
            service.endpoint(&bad[0], &receivers.url("never"), 0).await?;
            service.feed(&bad, PILED_UP, 0).await?;
        }
        // The first round warms up.
        for round in 0..=rounds {
            for turn in 0..TURNS {
                service.feed(&others, 1, round * TURNS + turn).await?;
                tokio::time::sleep(PAUSE).await;
            }
            receivers.wait_for((round + 1) * TURNS * OTHERS).await?;
            let delays = receivers.delays();
            let p99 = delays.get(delays.len() * 99 / 100).copied().unwrap_or(f64::NAN);
            match (round, is_there) {
                (0, _) => service.analyze().await?,
                (_, true) => with.push(p99),
                (_, false) => without.push(p99),
            }
        }
    }
    let (with, without) = (median(with), median(without));
    let text = format!(
        "{OTHERS} tenants: 99 % within {} ms beside a backlog of {PILED_UP} that goes nowhere, {} ms without",
        number(with),
        number(without)
    );
    // A millisecond is what the clock of the events can tell.
    let ratio = with.max(1.0) / without.max(1.0);
    Ok((Figure::ratio("p99_beside_black_hole", ratio, without, rounds, Target::AtMost(1.2)), text))
}

async fn dead_endpoint(rounds: usize) -> Result<(Figure, String), Failure> {
    let (mut healthy, mut one_dead) = (Vec::new(), Vec::new());
    for is_dead in [false, true] {
        let (receivers, service) = (Receivers::start().await?, WebhookSvc::start(&Bus::Memory).await?);
        let tenant = ["shared".to_owned()];
        for n in 0..ENDPOINTS {
            let does = if is_dead && n == 0 { "never" } else { "count" };
            service.endpoint(&tenant[0], &receivers.url(does), 0).await?;
        }
        // Those that answer: of the hundred the first does not count, dead or not.
        let answering = if is_dead { ENDPOINTS - 1 } else { ENDPOINTS };
        service.feed(&tenant, EVENTS, 0).await?;
        receivers.wait_for(EVENTS * answering).await?;
        service.analyze().await?;
        tokio::time::sleep(BREAKS_WITHIN).await;
        for round in 1..=rounds {
            let (before, started) = (receivers.count(), Instant::now());
            service.feed(&tenant, EVENTS, round * EVENTS).await?;
            receivers.wait_for(before + EVENTS * answering).await?;
            let rate = (EVENTS * answering) as f64 / answering as f64 / started.elapsed().as_secs_f64();
            if is_dead { one_dead.push(rate) } else { healthy.push(rate) }
        }
    }
    let (healthy, one_dead) = (median(healthy), median(one_dead));
    let text = format!(
        "{ENDPOINTS} endpoints: {} events/s to each that answers, {} while one is dead",
        number(healthy),
        number(one_dead)
    );
    Ok((Figure::ratio("one_dead_of_100", one_dead / healthy, healthy, rounds, Target::AtLeast(0.97)), text))
}
