//! Deliveries: how many in a second beside a bare loop of signed POSTs, and what a backlog and receivers that do not answer cost
//! the others.

use std::time::{Duration, Instant};

use crate::{
    failure::Failure,
    process::Watched,
    report::{Figure, Outcome, Target, number},
    rounds::median,
    settings::Settings,
    targets::{
        broker::Bus,
        peer::Peer,
        posts::Posts,
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
const SHARED: &str = "shared";
/// Rounds of these for each of the others: one takes a second, and from one to the next the ratio differs by a tenth.
const ROUNDS_OF_EACH: usize = 9;
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
        add(throughput(rounds, "deliveries_vs_posts", "count").await?);
        add(throughput(rounds, "deliveries_vs_posts_20_ms", "linger").await?);
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
    async fn start(receivers: &Receivers, does: &str) -> Result<Self, Failure> {
        let (service, tenants) = (WebhookSvc::start(&Bus::Memory).await?, tenants("load", TENANTS));
        for tenant in &tenants {
            service.endpoint(tenant, &receivers.url(does), AT_ONCE as i32 / TENANTS as i32).await?;
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

/// Deliveries beside a bare loop, to receivers that do something.
async fn throughput(rounds: usize, goal: &str, does: &str) -> Result<(Figure, String), Failure> {
    let receivers = Receivers::start().await?;
    let mut loaded = Loaded::start(&receivers, does).await?;
    let posts = Posts::to(receivers.url(does))?;
    posts.send(AT_ONCE, AT_ONCE).await?;
    let mut pairs = Pairs::default();
    for _ in 0..rounds {
        let started = Instant::now();
        posts.send(DELIVERIES, AT_ONCE).await?;
        let bare = DELIVERIES as f64 / started.elapsed().as_secs_f64();
        pairs.0.push((loaded.round(&receivers).await?, bare));
    }
    let (ours, bare, ratio) = pairs.medians();
    let (rate, bare_rate, cost) = (number(ours), number(bare), loaded.cost());
    let text = format!("{goal}: {rate} deliveries/s from the bus to the receiver, {bare_rate} bare POSTs/s\n{cost}");
    Ok((Figure::ratio(goal, ratio, bare, rounds, Target::AtLeast(0.6)), text))
}

async fn beside_bullmq(rounds: usize) -> Result<(Figure, String), Failure> {
    let (receivers, redis) = (Receivers::start().await?, Redis::start().await?);
    let mut loaded = Loaded::start(&receivers, "count").await?;
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
    let (mut without, mut with) =
        (Loaded::start(&receivers, "count").await?, Loaded::start(&receivers, "count").await?);
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

/// A service with a tenant of many endpoints, of which the first may be dead.
struct Endpoints {
    receivers: Receivers,
    service: WebhookSvc,
    /// Those that answer: of the hundred the first does not count, dead or not.
    answering: usize,
    next: usize,
}

impl Endpoints {
    async fn start(is_one_dead: bool) -> Result<Self, Failure> {
        let (receivers, service) = (Receivers::start().await?, WebhookSvc::start(&Bus::Memory).await?);
        for n in 0..ENDPOINTS {
            let does = if is_one_dead && n == 0 { "never" } else { "count" };
            service.endpoint(SHARED, &receivers.url(does), 0).await?;
        }
        let mut started = Self { receivers, service, answering: ENDPOINTS - usize::from(is_one_dead), next: 0 };
        // The first round warms up.
        started.round().await?;
        started.service.analyze().await?;
        Ok(started)
    }

    /// Events a second to each endpoint that answers.
    async fn round(&mut self) -> Result<f64, Failure> {
        let (before, began) = (self.receivers.count(), Instant::now());
        self.service.feed(&[SHARED.to_owned()], EVENTS, self.next).await?;
        self.next += EVENTS;
        self.receivers.wait_for(before + EVENTS * self.answering).await?;
        Ok(EVENTS as f64 / began.elapsed().as_secs_f64())
    }
}

async fn dead_endpoint(rounds: usize) -> Result<(Figure, String), Failure> {
    let (mut healthy, mut one_dead) = (Endpoints::start(false).await?, Endpoints::start(true).await?);
    tokio::time::sleep(BREAKS_WITHIN).await;
    let (mut pairs, rounds) = (Pairs::default(), rounds * ROUNDS_OF_EACH);
    for _ in 0..rounds {
        let all = healthy.round().await?;
        pairs.0.push((one_dead.round().await?, all));
    }
    let (one_dead, healthy, ratio) = pairs.medians();
    let text = format!(
        "{ENDPOINTS} endpoints: {} events/s to each that answers, {} while one is dead",
        number(healthy),
        number(one_dead)
    );
    Ok((Figure::ratio("one_dead_of_100", ratio, healthy, rounds, Target::AtLeast(0.97)), text))
}
