//! A user with very many sessions: what a page of the list costs, and how fast everything can be revoked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proto::session::v1::{EndReason, ListSessionsRequest, RevokeSessionsRequest, SessionFilter};
use tokio::time::sleep;

use crate::{
    failure::Failure,
    report::{Figure, Outcome, Target, number},
    rounds::median,
    settings::Settings,
    targets::{
        redis::Redis,
        session::{Client, SessionSvc, user},
    },
};

/// Sessions of the user who has many, and of the one who has few.
pub const MANY: usize = 100_000;
const FEW: usize = 100;
/// Sessions on a page.
const PAGE: i32 = 50;
/// Pages read in a round.
const PAGES: usize = 50;
/// How long the clean-up after a revocation may take.
const CLEAN_UP_MAX: Duration = Duration::from_secs(120);

/// Measures the group.
///
/// # Errors
/// [`Failure`].
pub async fn run(settings: Settings) -> Result<Outcome, Failure> {
    let redis = Arc::new(Redis::start().await?);
    let service = SessionSvc::start(&redis).await?;
    let mut client = service.client().await?;
    service.make_sessions(FEW, FEW, 1).await?;
    service.make_sessions(MANY, MANY, 2).await?;
    let list = lists(&mut client, settings.rounds).await?;
    let (revoked, text) = revoke(&mut client, &redis, 2).await?;
    let text = format!("a page of {PAGE}: {} ms of {MANY}, {} ms of {FEW}\n{text}", number(list.0), number(list.1));
    let ratio = list.0 / list.1;
    let list = Figure::ratio("list_page_100k_vs_100", ratio, list.1, settings.rounds, Target::AtMost(2.0));
    Ok(Outcome { figures: [vec![list], revoked].concat(), text })
}

/// Milliseconds for a page of the user with many and of the one with few, in turns.
async fn lists(client: &mut Client, rounds: usize) -> Result<(f64, f64), Failure> {
    let (mut many, mut few) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        many.push(pages(client, 2).await?);
        few.push(pages(client, 1).await?);
    }
    Ok((median(many), median(few)))
}

/// Milliseconds for a page: first ones and later ones, alike.
async fn pages(client: &mut Client, number: usize) -> Result<f64, Failure> {
    let mut token = String::new();
    let mut spent = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        let request = ListSessionsRequest {
            filter: Some(filter(number)),
            page_size: PAGE,
            page_token: token,
            ..ListSessionsRequest::default()
        };
        let started = Instant::now();
        let page = client.list_sessions(request).await?.into_inner();
        spent.push(started.elapsed().as_secs_f64() * 1e3);
        if page.sessions.len() != PAGE as usize {
            return Err(Failure::Unexpected(format!("a page has {} sessions", page.sessions.len())));
        }
        token = page.next_page_token;
    }
    Ok(median(spent))
}

fn filter(number: usize) -> SessionFilter {
    SessionFilter { tenant_id: "default".into(), user_id: user(number), ..SessionFilter::default() }
}

/// Revokes all sessions of a user; says how long that took, and what the clean-up afterwards did to Redis.
///
/// # Errors
/// [`Failure`] when the clean-up does not end.
pub async fn revoke(
    client: &mut Client,
    redis: &Redis,
    number_of_user: usize,
) -> Result<(Vec<Figure>, String), Failure> {
    redis.forget_slow().await?;
    let request = RevokeSessionsRequest {
        filter: Some(filter(number_of_user)),
        reason: EndReason::Admin.into(),
        ..RevokeSessionsRequest::default()
    };
    let started = Instant::now();
    client.revoke_sessions(request).await?;
    let ms = started.elapsed().as_secs_f64() * 1e3;
    let (stall, command) = redis.slowest().await?;
    let (took, held) = (number(ms), number(ms_of(stall)));
    let acknowledged = format!("revoked {MANY} in {took} ms, Redis held up for {held} ms at most by {command}");
    redis.forget_slow().await?;
    while redis.is_cleaning_up().await? {
        if started.elapsed() > CLEAN_UP_MAX {
            return Err(Failure::Unexpected("the clean-up does not end".into()));
        }
        sleep(Duration::from_millis(50)).await;
    }
    let took = number(started.elapsed().as_secs_f64());
    let (stall, command) = redis.slowest().await?;
    let held = number(ms_of(stall));
    let text = format!("{acknowledged}\nclean-up: {took} s, Redis held up for {held} ms at most by {command}");
    let figure = |goal: &str, value, most| Figure::plain(goal, value, "ms", 1, Target::AtMost(most));
    let figures = vec![figure("revoke_100k_ms", ms, 5.0), figure("clean_up_redis_stall_ms", ms_of(stall), 2.0)];
    Ok((figures, text))
}

fn ms_of(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
