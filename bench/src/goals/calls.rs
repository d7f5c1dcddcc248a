//! The cost of a call: validation and refresh, each round beside the same round of a bare echo and of the bare reads.

use std::sync::Arc;

use crate::{
    failure::Failure,
    load::{self, Sample},
    process::Watched,
    report::{Figure, Outcome, Target, new_table, number},
    rounds::Samples,
    settings::Settings,
    targets::{
        echo::EchoTarget,
        redis::{ReadsTarget, Redis},
        session::{RefreshTarget, SessionSvc, ValidateTarget},
    },
};

/// Sessions that are validated, and as many that are refreshed.
const SESSIONS: usize = 10_000;
/// Sessions of a user.
const EACH: usize = 3;

/// Places of the watched processes in a sample.
const SERVER: usize = 0;
const REDIS: usize = 1;
const LOAD: usize = 2;

/// Measures the group.
///
/// # Errors
/// [`Failure`].
pub async fn run(settings: Settings) -> Result<Outcome, Failure> {
    let redis = Arc::new(Redis::start().await?);
    let service = Arc::new(SessionSvc::start(&redis).await?);
    let echo = Arc::new(EchoTarget::start().await?);
    let validated = service.make_sessions(SESSIONS, EACH, 0).await?;
    let refreshed = service.make_sessions(SESSIONS, EACH, SESSIONS).await?;
    let reads = Arc::new(ReadsTarget::new(redis.clone()).await?);
    let validate = Arc::new(ValidateTarget::new(service.clone(), validated).await?);
    let refresh = Arc::new(RefreshTarget::new(service.clone(), &refreshed, settings.slots()));

    let (with_echo, with_service) = (watch(echo.server.watched(), &redis), watch(service.server.watched(), &redis));
    let mut seen = Seen::default();
    for _ in 0..settings.rounds {
        seen.echo.push(load::run(echo.clone(), &settings, &with_echo).await?);
        seen.validate.push(load::run(validate.clone(), &settings, &with_service).await?);
        seen.reads.push(load::run(reads.clone(), &settings, &with_service).await?);
        seen.refresh.push(load::run(refresh.clone(), &settings, &with_service).await?);
    }
    Ok(Outcome { figures: seen.figures(), text: seen.table() })
}

fn watch(server: Watched, redis: &Redis) -> [Watched; 3] {
    [server, redis.server.watched(), Watched::myself()]
}

#[derive(Default)]
struct Seen {
    echo: Samples,
    reads: Samples,
    validate: Samples,
    refresh: Samples,
}

impl Seen {
    fn figures(&self) -> Vec<Figure> {
        let rate = |mine: &Sample, theirs: &Sample| mine.rate / theirs.rate;
        let cpu = |mine: &Sample, theirs: &Sample| mine.cpu_us[SERVER] / theirs.cpu_us[SERVER];
        let rounds = self.echo.rounds();
        let (echo_rate, echo_cpu) = (self.echo.rate(), self.echo.cpu_us(SERVER));
        let validate = self.validate.paired(&self.echo, rate);
        let validate_cpu = self.validate.paired(&self.echo, cpu);
        let refresh = self.refresh.paired(&self.echo, rate);
        vec![
            Figure::ratio("validate_vs_echo", validate, echo_rate, rounds, Target::AtLeast(0.70)),
            Figure::ratio("validate_cpu_vs_echo", validate_cpu, echo_cpu, rounds, Target::AtMost(1.5)),
            Figure::ratio("refresh_vs_echo", refresh, echo_rate, rounds, Target::AtLeast(0.50)),
        ]
    }

    fn table(&self) -> String {
        let titles = ["target", "calls/s", "p50 µs", "p99 µs", "server µs/call", "Redis µs/call", "load µs/call"];
        let mut table = new_table(&titles);
        let rows =
            [("echo", &self.echo), ("reads", &self.reads), ("validate", &self.validate), ("refresh", &self.refresh)];
        for (name, samples) in rows {
            let us = |quantile| number(samples.latency(quantile).as_secs_f64() * 1e6);
            // The bare reads have no server of ours.
            let server = if name == "reads" { String::new() } else { number(samples.cpu_us(SERVER)) };
            let redis = if name == "echo" { String::new() } else { number(samples.cpu_us(REDIS)) };
            let load = number(samples.cpu_us(LOAD));
            table.add_row([name.to_owned(), number(samples.rate()), us(0.5), us(0.99), server, redis, load]);
        }
        table.to_string()
    }
}
