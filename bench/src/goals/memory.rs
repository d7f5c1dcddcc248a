//! What a session takes in Redis: all keys together, after the events have left.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    failure::Failure,
    report::{Figure, Outcome, Target, number},
    settings::Settings,
    targets::{redis::Redis, session::SessionSvc},
};

/// Sessions made; `--scale` goes to a million.
const SESSIONS: usize = 200_000;
/// Sessions of a user.
const EACH: usize = 3;
/// How long events may take to leave.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// Measures the group.
///
/// # Errors
/// [`Failure`].
pub async fn run(_settings: Settings) -> Result<Outcome, Failure> {
    let redis = Arc::new(Redis::start().await?);
    let service = SessionSvc::start(&redis).await?;
    let before = redis.info("memory", "used_memory").await?;
    service.make_sessions(SESSIONS, EACH, 0).await?;
    let bytes = bytes_each(&redis, before, SESSIONS).await?;
    let text = format!("{} bytes a session, {SESSIONS} sessions, {EACH} of a user", number(bytes));
    let figure = Figure::plain("redis_bytes_per_session", bytes, "bytes", 1, Target::AtMost(450.0));
    Ok(Outcome { figures: vec![figure], text })
}

/// Waits until the outbox is empty, then says what each of `count` sessions takes more than `before`.
///
/// # Errors
/// [`Failure`] when events do not leave.
pub async fn bytes_each(redis: &Redis, before: u64, count: usize) -> Result<f64, Failure> {
    let deadline = Instant::now() + DRAIN_MAX;
    while redis.waiting_events().await? > 0 {
        if Instant::now() > deadline {
            return Err(Failure::Unexpected("events do not leave the outbox".into()));
        }
        sleep(Duration::from_millis(100)).await;
    }
    let after = redis.info("memory", "used_memory").await?;
    Ok((after.saturating_sub(before)) as f64 / count as f64)
}
