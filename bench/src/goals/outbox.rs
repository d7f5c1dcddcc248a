//! From a commit to the receiver: how fast outboxes empty beside publishing by the client library alone, and how late the
//! receiver of a webhook hears of what was committed.

use std::time::{Duration, Instant};

use proto::session::v1::{EndReason, RevokeSessionRequest, revoke_session_request::Session};
use tokio::time::sleep;

use crate::{
    failure::Failure,
    report::{Figure, Outcome, Target, number},
    rounds::median,
    settings::Settings,
    targets::{
        broker::{Broker, Bus, Raw},
        outbox::RelayedOutbox,
        receiver::Receivers,
        redis::Redis,
        session::SessionSvc,
        webhook::{self, WebhookSvc},
    },
};

/// Events that leave in a round.
const EVENTS: usize = 10_000;
/// Rounds of the outbox of session-svc at most: each needs a service that cannot reach the bus, and then one that can.
const SESSION_ROUNDS_MAX: usize = 3;
/// How often its outbox is looked at, and how long it may take to empty.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LEAVE_WITHIN: Duration = Duration::from_secs(120);
/// Sessions that end in a round of the way to the receiver, and those before the first round. Between two there are pauses of
/// lengths that fit to nothing: whoever polls must not be met in step.
const ENDED: usize = 100;
const WARM_UP: usize = 20;
const PAUSE: Duration = Duration::from_millis(31);
const PAUSE_STEP: Duration = Duration::from_millis(7);
const PAUSES: usize = 11;

/// Measures the group.
///
/// # Errors
/// [`Failure`].
pub async fn run(settings: Settings) -> Result<Outcome, Failure> {
    let broker = Broker::new();
    let parts = [
        postgres(&broker, settings.rounds).await?,
        session(&broker, settings.rounds.min(SESSION_ROUNDS_MAX)).await?,
        way(&broker, settings.rounds).await?,
    ];
    let mut outcome = Outcome::default();
    for (figure, text) in parts {
        outcome.figures.push(figure);
        outcome.text.push_str(&text);
        outcome.text.push('\n');
    }
    Ok(outcome)
}

/// Events a second by the client library alone.
async fn raw(broker: &Broker, raw: &Raw) -> Result<f64, Failure> {
    broker.purge().await?;
    let messages = webhook::messages(0, EVENTS);
    let started = Instant::now();
    raw.publish(&messages).await?;
    Ok(EVENTS as f64 / started.elapsed().as_secs_f64())
}

/// The outbox of auth-svc and webhook-svc.
async fn postgres(broker: &Broker, rounds: usize) -> Result<(Figure, String), Failure> {
    let outbox = RelayedOutbox::start(broker).await?;
    // Connects, and makes the queues.
    outbox.commit(&webhook::messages(0, 1)).await?;
    outbox.wait_for(1).await?;
    let yardstick = broker.raw().await?;
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let bare_rate = raw(broker, &yardstick).await?;
        broker.purge().await?;
        let before = outbox.confirmed();
        outbox.commit(&webhook::messages(0, EVENTS)).await?;
        let started = Instant::now();
        outbox.wait_for(before + EVENTS).await?;
        let rate = EVENTS as f64 / started.elapsed().as_secs_f64();
        ours.push(rate);
        bare.push(bare_rate);
        ratios.push(rate / bare_rate);
    }
    Ok(compared("outbox_vs_lapin", "PostgreSQL", [median(ours), median(bare), median(ratios)], rounds))
}

/// The outbox of session-svc: filled by one that cannot reach the bus, emptied by its successor.
async fn session(broker: &Broker, rounds: usize) -> Result<(Figure, String), Failure> {
    let yardstick = broker.raw().await?;
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let bare_rate = raw(broker, &yardstick).await?;
        broker.purge().await?;
        let redis = Redis::start().await?;
        SessionSvc::start_on(&redis, &Bus::Nowhere).await?.make_sessions(EVENTS, 1, 0).await?;
        let _successor = SessionSvc::start_on(&redis, &Bus::Rabbit(broker)).await?;
        let rate = emptied(&redis).await?;
        ours.push(rate);
        bare.push(bare_rate);
        ratios.push(rate / bare_rate);
    }
    Ok(compared("session_outbox_vs_lapin", "Redis", [median(ours), median(bare), median(ratios)], rounds))
}

/// Events a second that leave session-svc's outbox, from the first that is seen to leave.
async fn emptied(redis: &Redis) -> Result<f64, Failure> {
    let (all, begun) = (redis.waiting_events().await?, Instant::now());
    let mut first: Option<(u64, Instant)> = None;
    loop {
        let waiting = redis.waiting_events().await?;
        if waiting < all {
            first.get_or_insert((waiting, Instant::now()));
        }
        if let (0, Some((count, since))) = (waiting, first) {
            return Ok(count as f64 / since.elapsed().as_secs_f64());
        }
        if begun.elapsed() > LEAVE_WITHIN {
            return Err(Failure::Unexpected(format!("{waiting} of {all} events stay in the outbox")));
        }
        sleep(LOOK_EVERY).await;
    }
}

fn compared(goal: &str, store: &str, [ours, bare, ratio]: [f64; 3], rounds: usize) -> (Figure, String) {
    let (rate, bare_rate) = (number(ours), number(bare));
    let text = format!("{rate} events/s from the outbox in {store} to RabbitMQ, {bare_rate} by lapin alone");
    (Figure::ratio(goal, ratio, bare, rounds, Target::AtLeast(0.8)), text)
}

/// From the commit in session-svc by way of RabbitMQ and webhook-svc to a receiver, while nothing else happens.
async fn way(broker: &Broker, rounds: usize) -> Result<(Figure, String), Failure> {
    broker.purge().await?;
    let (receivers, redis) = (Receivers::start().await?, Redis::start().await?);
    let service = SessionSvc::start_on(&redis, &Bus::Rabbit(broker)).await?;
    let webhooks = WebhookSvc::start(&Bus::Rabbit(broker)).await?;
    webhooks.endpoint("default", &receivers.url("time"), 0).await?;
    let mut tokens = service.make_sessions(WARM_UP + rounds * ENDED, 1, 0).await?.into_iter();
    let mut client = service.client().await?;
    let mut delays = Vec::new();
    for (round, count) in [WARM_UP].into_iter().chain(std::iter::repeat_n(ENDED, rounds)).enumerate() {
        let before = receivers.count();
        for (n, token) in tokens.by_ref().take(count).enumerate() {
            let session = Some(Session::Token(token));
            let reason = EndReason::Logout.into();
            client.revoke_session(RevokeSessionRequest { session, reason, ..Default::default() }).await?;
            sleep(PAUSE + PAUSE_STEP * (n % PAUSES) as u32).await;
        }
        receivers.wait_for(before + count).await?;
        let seen = receivers.delays();
        if round > 0 {
            delays.extend(seen);
        }
    }
    delays.sort_by(f64::total_cmp);
    let quantile = |share: usize| delays.get(delays.len() * share / 100).copied().unwrap_or(f64::NAN);
    let (p50, p99) = (quantile(50), quantile(99));
    let text =
        format!("from the commit to the receiver: half within {} ms, 99 % within {} ms", number(p50), number(p99));
    Ok((Figure::plain("commit_to_received_p99_ms", p99, "ms", rounds, Target::AtMost(250.0)), text))
}
