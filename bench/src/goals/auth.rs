//! Signing in: logins beside what Argon2id alone allows, what a flood of them does to everybody else, and tokens from codes and
//! refresh tokens, with where the time goes.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version, password_hash::phc::PasswordHash,
};
use auth_svc::{
    app::tokens::{ACCESS, AccessClaims, Audience},
    crypto::KeyRing,
    domain::keys::{KeyState, SigningAlgorithm},
    ports::Tokens as _,
};
use svc_kit::{clock::Timestamp, entropy::OsEntropy, seal::SealKeys};

use crate::{
    failure::Failure,
    histogram::Histogram,
    load::{self, Sample},
    process::Watched,
    report::{Figure, Outcome, Target, new_table, number},
    rounds::{Samples, median},
    settings::Settings,
    targets::{
        auth::{AuthSvc, Browsers, ES256, LoginTarget, PASSWORD, PASSWORD_THREADS, RS256, Tokens, algorithm_of},
        http::RotateTarget,
        redis::Redis,
        session::{SessionSvc, ValidateTarget},
    },
};

/// Cost of a password hash: that of auth-svc.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Calls in flight: enough that no thread waits for the next password, and nobody long for the database.
const CONNECTIONS: usize = 4;
const OF_EACH: usize = 4;
/// Sessions that are validated while users sign in.
const SESSIONS: usize = 2_000;
/// Pause between two calls of those who feel the logins.
const PACE: Duration = Duration::from_millis(5);
/// Codes that are exchanged in a round.
const CODES: usize = 1_000;
/// How long signatures are counted for.
const SIGN_FOR: Duration = Duration::from_millis(500);

/// Places of the watched processes in a sample, and what they are called.
const WATCHED: [&str; 5] = ["auth", "session", "Redis", "PostgreSQL", "load"];

/// Measures the group.
///
/// # Errors
/// [`Failure`].
pub async fn run(settings: Settings) -> Result<Outcome, Failure> {
    let redis = Redis::start().await?;
    let sessions = Arc::new(SessionSvc::start(&redis).await?);
    let auth = Arc::new(AuthSvc::start(&sessions).await?);
    auth.add_users().await?;
    let browsers = Browsers::sign_in(auth.clone()).await?;
    let watched = [
        auth.server.watched(),
        sessions.server.watched(),
        redis.server.watched(),
        auth.database.watched().await?,
        Watched::myself(),
    ];
    let mut outcome = logins(&auth, &settings, &watched).await?;
    for part in [
        beside_logins(&auth, &sessions, &browsers, &settings).await?,
        tokens(&auth, &browsers, &settings, &watched).await?,
    ] {
        outcome.figures.extend(part.figures);
        outcome.text = format!("{}\n{}", outcome.text, part.text);
    }
    Ok(outcome)
}

/// The load of this group: on one thread, few at once.
fn few(settings: &Settings) -> Settings {
    Settings { threads: 1, connections: CONNECTIONS, in_flight: OF_EACH, ..settings.clone() }
}

async fn logins(auth: &Arc<AuthSvc>, settings: &Settings, watched: &[Watched]) -> Result<Outcome, Failure> {
    let (target, few) = (Arc::new(LoginTarget(auth.clone())), few(settings));
    let (mut alone, mut ratios, mut seen) = (Vec::new(), Vec::new(), Samples::default());
    for _ in 0..settings.rounds {
        let rate_alone = argon2_alone(settings.round).await?;
        let sample = load::run(target.clone(), &few, watched).await?;
        ratios.push(sample.rate / rate_alone);
        alone.push(rate_alone);
        seen.push(sample);
    }
    let (ratio, alone) = (median(ratios), median(alone));
    let (logins, hashes) = (number(seen.rate()), number(alone));
    let text = format!("{logins} logins/s; Argon2id alone on {PASSWORD_THREADS} threads: {hashes}/s\n{}", cost(&seen));
    let figure = Figure::ratio("logins_vs_argon2", ratio, alone, settings.rounds, Target::AtLeast(0.95));
    Ok(Outcome { figures: vec![figure], text })
}

/// Processor time for each call, by process.
fn cost(seen: &Samples) -> String {
    let parts = WATCHED.iter().enumerate().map(|(place, name)| format!("{name} {}", number(seen.cpu_us(place))));
    format!("µs of processor for each: {}", parts.collect::<Vec<_>>().join(", "))
}

/// Passwords a second that Argon2id checks on as many threads as auth-svc has for it, with nothing around.
async fn argon2_alone(length: Duration) -> Result<f64, Failure> {
    let unusable = || Failure::Unexpected("Argon2id cannot be used".into());
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| unusable())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(PASSWORD.as_bytes()).map_err(|_| unusable())?.to_string();
    let threads: Vec<_> = (0..PASSWORD_THREADS)
        .map(|_| {
            let hash = hash.clone();
            thread::spawn(move || check_for(&hash, length))
        })
        .collect();
    tokio::time::sleep(length).await;
    let rates = threads.into_iter().map(|thread| thread.join().ok().flatten());
    rates.sum::<Option<f64>>().ok_or_else(unusable)
}

/// Checks a password again and again; returns how often a second.
fn check_for(hash: &str, length: Duration) -> Option<f64> {
    let parsed = PasswordHash::new(hash).ok()?;
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < length {
        Argon2::default().verify_password(PASSWORD.as_bytes(), &parsed).ok()?;
        count += 1;
    }
    Some(f64::from(count) / started.elapsed().as_secs_f64())
}

/// What those feel who validate and refresh while users sign in as fast as they can.
async fn beside_logins(
    auth: &Arc<AuthSvc>,
    sessions: &Arc<SessionSvc>,
    browsers: &Browsers,
    settings: &Settings,
) -> Result<Outcome, Failure> {
    let validated = sessions.make_sessions(SESSIONS, 1, 0).await?;
    let validate = Arc::new(ValidateTarget::new(sessions.clone(), validated).await?);
    let granted = exchange(browsers, ES256, settings.slots(), &[]).await?.1;
    let refresh = Arc::new(refreshing(auth, ES256, &granted, settings));
    let logins = Arc::new(LoginTarget(auth.clone()));
    let (mut idle, mut busy) = ([(); 2].map(|()| Histogram::default()), [(); 2].map(|()| Histogram::default()));
    for _ in 0..settings.rounds {
        let both = || async {
            let validate = load::paced(validate.clone(), PACE, settings);
            futures::try_join!(validate, load::paced(refresh.clone(), PACE, settings))
        };
        let quiet = both().await?;
        let few = few(settings);
        let (_, loud) = futures::try_join!(load::run(logins.clone(), &few, &[]), both())?;
        idle[0].add(&quiet.0);
        idle[1].add(&quiet.1);
        busy[0].add(&loud.0);
        busy[1].add(&loud.1);
    }
    let mut outcome = Outcome::default();
    for (place, what) in ["validate", "refresh"].into_iter().enumerate() {
        let [quiet, loud] = [&idle[place], &busy[place]].map(|seen| seen.quantile(0.99).as_secs_f64() * 1e3);
        let goal = format!("{what}_p99_while_logins");
        outcome.figures.push(Figure::ratio(goal, loud / quiet, quiet, settings.rounds, Target::AtMost(3.0)));
        outcome.text += &format!("{what}: p99 {} ms, {} ms while users sign in\n", number(quiet), number(loud));
    }
    Ok(outcome)
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

/// Tokens from codes and from refresh tokens, for an application of each algorithm.
async fn tokens(
    auth: &Arc<AuthSvc>,
    browsers: &Browsers,
    settings: &Settings,
    watched: &[Watched],
) -> Result<Outcome, Failure> {
    let (mut outcome, few) = (Outcome::default(), few(settings));
    let titles = [
        "target",
        "calls/s",
        "p50 µs",
        "p99 µs",
        "auth µs",
        "of it signing",
        "session µs",
        "Redis µs",
        "PostgreSQL µs",
        "load µs",
    ];
    let mut table = new_table(&titles);
    for (application, name) in [(ES256, "es256"), (RS256, "rs256")] {
        let (mut exchanges, mut refreshes, mut granted) = (Samples::default(), Samples::default(), Vec::new());
        for _ in 0..settings.rounds {
            let (sample, more) = exchange(browsers, application, CODES, watched).await?;
            exchanges.push(sample);
            granted = more;
            let refresh = Arc::new(refreshing(auth, application, &granted, &few));
            refreshes.push(load::run(refresh, &few, watched).await?);
        }
        let signing = match granted.first() {
            Some(tokens) => signing_us(&[&tokens.access_token, &tokens.id_token]).await?,
            None => f64::NAN,
        };
        for (what, seen) in [("code_exchanges", &exchanges), ("token_refreshes", &refreshes)] {
            let goal = format!("{what}_{name}_per_s");
            outcome.figures.push(Figure::plain(&goal, seen.rate(), "1/s", settings.rounds, Target::Open));
            let us = |quantile| number(seen.latency(quantile).as_secs_f64() * 1e6);
            let [auth, session, redis, postgres, load] = [0, 1, 2, 3, 4].map(|place| number(seen.cpu_us(place)));
            let signing = number(signing);
            table.add_row([
                format!("{what} {name}"),
                number(seen.rate()),
                us(0.5),
                us(0.99),
                auth,
                signing,
                session,
                redis,
                postgres,
                load,
            ]);
        }
    }
    outcome.text = table.to_string();
    Ok(outcome)
}

/// Microseconds of processor that signing tokens like these takes, one after another, with nothing around.
async fn signing_us(tokens: &[&str]) -> Result<f64, Failure> {
    let unusable = |_| Failure::Unexpected("keys cannot be made".into());
    let seal = SealKeys::parse(&[format!("1:{}", "a".repeat(64)).into()]);
    let seal = seal.map_err(|_| Failure::Unexpected("the sealing key cannot be used".into()))?;
    let ring = Arc::new(KeyRing::new(Arc::new(seal), Arc::new(OsEntropy)));
    let mut stored = Vec::new();
    for algorithm in SigningAlgorithm::ALL {
        stored.push(ring.make(algorithm, KeyState::Active, Timestamp::EPOCH).await.map_err(unusable)?);
    }
    ring.take(&stored).map_err(unusable)?;
    let mut us = 0.0;
    for token in tokens {
        let name = algorithm_of(token)?;
        let algorithm = SigningAlgorithm::parse(&name).ok_or(Failure::Unexpected(name))?;
        let (before, started, mut count) = (Watched::myself().times(), Instant::now(), 0_u32);
        while started.elapsed() < SIGN_FOR {
            ring.sign(ACCESS, algorithm, &claims()).map_err(unusable)?;
            count += 1;
        }
        us += before.until(&Watched::myself().times()).as_secs_f64() * 1e6 / f64::from(count);
    }
    Ok(us)
}

/// What a usual access token says.
fn claims() -> AccessClaims {
    AccessClaims {
        iss: "http://127.0.0.1:10000".into(),
        sub: "user_aaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
        aud: Audience::One("latchkey".into()),
        client_id: RS256.into(),
        tenant_id: "default".into(),
        iat: 1_700_000_000,
        exp: 1_700_000_300,
        jti: "aaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
        scope: "openid offline_access".into(),
        sid: "sess_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
        auth_time: Some(1_700_000_000),
        cnf: None,
        userinfo_claims: Vec::new(),
    }
}
