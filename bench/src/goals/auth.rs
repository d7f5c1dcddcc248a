//! Signing in: logins beside what Argon2id alone allows, what a flood of them does to everybody else, and tokens from codes and
//! refresh tokens, with where the time goes.

mod logins;
mod tokens;

use std::{sync::Arc, thread};

use crate::{
    failure::Failure,
    load::{self, Sample},
    process::Watched,
    report::Outcome,
    settings::Settings,
    targets::{
        auth::{AuthSvc, Browsers, Tokens},
        http::RotateTarget,
        redis::Redis,
        session::SessionSvc,
    },
};

/// The parts of the group.
pub const PARTS: [&str; 3] = [LOGINS, BESIDE_LOGINS, TOKENS];
const LOGINS: &str = "logins";
const BESIDE_LOGINS: &str = "beside_logins";
const TOKENS: &str = "tokens";

/// Calls in flight: enough that no thread waits for the next password, and nobody long for the database.
const CONNECTIONS: usize = 4;
const OF_EACH: usize = 4;

/// Places of the watched processes in a sample, and what they are called.
const WATCHED: [&str; 5] = ["auth", "session", "Redis", "PostgreSQL", "load"];

/// An auth-svc with users who sign in to it.
struct Subject {
    service: Arc<AuthSvc>,
    browsers: Browsers,
    watched: [Watched; 5],
    /// Threads that it has for passwords.
    threads: usize,
    /// What its goals are called besides.
    suffix: &'static str,
}

impl Subject {
    async fn start(
        sessions: &SessionSvc,
        redis: &Redis,
        threads: Option<usize>,
        suffix: &'static str,
    ) -> Result<Self, Failure> {
        let service = Arc::new(AuthSvc::start(sessions, threads).await?);
        service.add_users().await?;
        let browsers = Browsers::sign_in(service.clone()).await?;
        let watched = [
            service.server.watched(),
            sessions.server.watched(),
            redis.server.watched(),
            service.database.watched().await?,
            Watched::myself(),
        ];
        let threads = service.password_threads();
        Ok(Self { service, browsers, watched, threads, suffix })
    }
}

/// Measures the group.
///
/// # Errors
/// [`Failure`].
pub async fn run(settings: Settings) -> Result<Outcome, Failure> {
    let redis = Redis::start().await?;
    let sessions = Arc::new(SessionSvc::start(&redis).await?);
    let processors = thread::available_parallelism()?.get();
    let usual = Subject::start(&sessions, &redis, None, "").await?;
    let greedy = Subject::start(&sessions, &redis, Some(processors), "_on_all_processors").await?;
    let mut outcome = Outcome::default();
    let mut add = |part: Outcome| {
        outcome.figures.extend(part.figures);
        outcome.text = format!("{}{}\n", outcome.text, part.text);
    };
    let wants = |part| settings.wants("auth", part);
    if wants(LOGINS) {
        add(logins::beside_argon2([&usual, &greedy], &settings).await?);
    }
    if wants(BESIDE_LOGINS) {
        add(logins::felt_by_others([&usual, &greedy], &sessions, &settings).await?);
    }
    if wants(TOKENS) {
        add(tokens::measure(&usual, &settings).await?);
    }
    Ok(outcome)
}

/// The load of this group: on one thread, few at once.
fn few(settings: &Settings) -> Settings {
    Settings { threads: 1, connections: CONNECTIONS, in_flight: OF_EACH, ..settings.clone() }
}

/// Fetches codes and exchanges them.
async fn exchange(
    browsers: &Browsers,
    application: &'static str,
    count: usize,
    watched: &[Watched],
) -> Result<(Sample, Vec<Tokens>), Failure> {
    let codes = browsers.codes(application, count).await?;
    load::each(codes, CONNECTIONS * OF_EACH, watched, |code| browsers.exchange(application, code)).await
}

fn refreshing(auth: &AuthSvc, application: &'static str, granted: &[Tokens], settings: &Settings) -> RotateTarget {
    let tokens: Vec<String> = granted.iter().map(|tokens| tokens.refresh_token.clone()).collect();
    RotateTarget::new(auth.asking(application), &tokens, settings.slots())
}
