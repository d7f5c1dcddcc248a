//! The shapes of cost: what grows with the number of sessions, and what must not.

use std::sync::Arc;

use super::memory;
use crate::{
    failure::Failure,
    load,
    report::{Figure, Outcome, Target, new_table, number},
    rounds::Samples,
    settings::Settings,
    targets::{
        redis::Redis,
        session::{SessionSvc, ValidateTarget},
    },
};

/// Sessions at each step.
const STEPS: [usize; 3] = [10_000, 100_000, 1_000_000];
/// Sessions of a user.
const EACH: usize = 3;
/// Sessions that are validated: evenly from all that were made.
const VALIDATED: usize = 10_000;

/// Measures the group.
///
/// # Errors
/// [`Failure`].
pub async fn run(settings: Settings) -> Result<Outcome, Failure> {
    let redis = Arc::new(Redis::start().await?);
    let service = Arc::new(SessionSvc::start(&redis).await?);
    let watched = [service.server.watched(), redis.server.watched()];
    let empty = redis.info("memory", "used_memory").await?;
    let mut table =
        new_table(&["sessions", "validate/s", "server µs/call", "Redis µs/call", "bytes/session", "service MiB"]);
    let (mut tokens, mut figures, mut cpu_of_first) = (Vec::new(), Vec::new(), None);
    for count in STEPS {
        let missing = count - tokens.len();
        tokens.extend(service.make_sessions(missing, EACH, tokens.len()).await?);
        let bytes = memory::bytes_each(&redis, empty, count).await?;
        let some = tokens.iter().step_by(count / VALIDATED).cloned().collect();
        let target = Arc::new(ValidateTarget::new(service.clone(), some).await?);
        let mut samples = Samples::default();
        for _ in 0..settings.rounds {
            samples.push(load::run(target.clone(), &settings, &watched).await?);
        }
        let (server, in_redis) = (samples.cpu_us(0), samples.cpu_us(1));
        let resident = service.server.watched().resident_bytes() as f64 / f64::from(1 << 20);
        table.add_row([count as f64, samples.rate(), server, in_redis, bytes, resident].map(number));
        let first = *cpu_of_first.get_or_insert(server);
        figures.push(cpu(count, server, first, settings.rounds));
        figures.push(size(count, bytes));
    }
    Ok(Outcome { figures, text: table.to_string() })
}

fn cpu(count: usize, us: f64, first: f64, rounds: usize) -> Figure {
    let goal = format!("validate_cpu_at_{count}_vs_{}", STEPS[0]);
    Figure::ratio(goal, us / first, first, rounds, Target::AtMost(1.15))
}

fn size(count: usize, bytes: f64) -> Figure {
    Figure::plain(format!("redis_bytes_per_session_at_{count}"), bytes, "bytes", 1, Target::AtMost(450.0))
}
