//! Logins beside what Argon2id alone allows, and what a flood of them does to everybody else.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::{Subject, WATCHED, exchange, few, refreshing};
use crate::{
    failure::Failure,
    histogram::Histogram,
    load,
    report::{Figure, Outcome, Target, number},
    rounds::{Samples, median},
    settings::Settings,
    targets::{
        auth::{ES256, LoginTarget, PASSWORD},
        http::RotateTarget,
        session::{SessionSvc, ValidateTarget},
    },
};

/// Cost of a password hash: that of auth-svc.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const DIGEST_BYTES: usize = 32;
const SALT: [u8; 16] = [7; 16];
/// Sessions that are validated while users sign in.
const SESSIONS: usize = 2_000;
/// Pause between two calls of those who feel the logins.
const PACE: Duration = Duration::from_millis(5);

impl Subject {
    /// A goal of ours: with as many threads as auth-svc takes by itself. With others it is a figure to compare with.
    fn target(&self, target: Target) -> Target {
        if self.suffix.is_empty() { target } else { Target::Open }
    }

    fn goal(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }
}

/// Rounds of logins and of Argon2id alone, in turns.
#[derive(Default)]
struct Turns {
    logins: Samples,
    hashes: Vec<f64>,
    ratios: Vec<f64>,
}

/// Logins a second, and beside what Argon2id alone allows on as many threads.
pub(super) async fn beside_argon2(subjects: [&Subject; 2], settings: &Settings) -> Result<Outcome, Failure> {
    let mut seen = subjects.map(|_| Turns::default());
    for _ in 0..settings.rounds {
        for (subject, turns) in subjects.iter().zip(&mut seen) {
            let hashes = argon2_alone(subject.threads, settings.round).await?;
            let target = Arc::new(LoginTarget(subject.service.clone()));
            let logins = load::run(target, &few(settings), &subject.watched).await?;
            turns.ratios.push(logins.rate / hashes);
            turns.hashes.push(hashes);
            turns.logins.push(logins);
        }
    }
    let mut outcome = Outcome::default();
    for (subject, Turns { logins, hashes, ratios }) in subjects.into_iter().zip(seen) {
        let (rate, hashes) = (logins.rate(), median(hashes));
        outcome.figures.extend([
            Figure::ratio(
                subject.goal("logins_vs_argon2"),
                median(ratios),
                hashes,
                settings.rounds,
                subject.target(Target::AtLeast(0.95)),
            ),
            Figure::plain(subject.goal("logins_per_s"), rate, "1/s", settings.rounds, Target::Open),
        ]);
        outcome.text += &format!(
            "threads for passwords: {}; {} logins/s, Argon2id alone on as many {}/s\n{}\n",
            subject.threads,
            number(rate),
            number(hashes),
            cost(&logins)
        );
    }
    Ok(outcome)
}

/// Processor time for each call, by process.
fn cost(seen: &Samples) -> String {
    let parts = WATCHED.iter().enumerate().map(|(place, name)| format!("{name} {}", number(seen.cpu_us(place))));
    format!("µs of processor for each: {}", parts.collect::<Vec<_>>().join(", "))
}

/// Passwords a second that Argon2id computes on so many threads, with nothing around.
async fn argon2_alone(threads: usize, length: Duration) -> Result<f64, Failure> {
    let unusable = || Failure::Unexpected("Argon2id cannot be used".into());
    let threads: Vec<_> = (0..threads).map(|_| thread::spawn(move || compute_for(length))).collect();
    tokio::time::sleep(length).await;
    let rates = threads.into_iter().map(|thread| thread.join().ok().flatten());
    rates.sum::<Option<f64>>().ok_or_else(unusable)
}

/// Computes a password again and again, in memory that it keeps, as auth-svc does; returns how often a second.
fn compute_for(length: Duration) -> Option<f64> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    let (mut memory, mut digest) = (vec![Block::new(); params.block_count()], [0; DIGEST_BYTES]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < length {
        argon2.hash_password_into_with_memory(PASSWORD.as_bytes(), &SALT, &mut digest, &mut memory).ok()?;
        count += 1;
    }
    Some(f64::from(count) / started.elapsed().as_secs_f64())
}

/// Those who validate and refresh beside an auth-svc: what they wait while nobody signs in, and while users do as fast as they can.
struct Others<'s> {
    subject: &'s Subject,
    validate: Arc<ValidateTarget>,
    refresh: Arc<RotateTarget>,
    idle: [Histogram; 2],
    busy: [Histogram; 2],
}

impl<'s> Others<'s> {
    async fn new(subject: &'s Subject, sessions: &Arc<SessionSvc>, settings: &Settings) -> Result<Self, Failure> {
        let validated = sessions.make_sessions(SESSIONS, 1, 0).await?;
        let validate = Arc::new(ValidateTarget::new(sessions.clone(), validated).await?);
        let granted = exchange(&subject.browsers, ES256, settings.slots(), &[]).await?.1;
        let refresh = Arc::new(refreshing(&subject.service, ES256, &granted, settings));
        let [idle, busy] = [(); 2].map(|()| [(); 2].map(|()| Histogram::default()));
        Ok(Self { subject, validate, refresh, idle, busy })
    }

    async fn both(&self, settings: &Settings) -> Result<[Histogram; 2], Failure> {
        let validate = load::paced(self.validate.clone(), PACE, settings);
        let both = futures::try_join!(validate, load::paced(self.refresh.clone(), PACE, settings))?;
        Ok(both.into())
    }

    async fn round(&mut self, settings: &Settings) -> Result<(), Failure> {
        let quiet = self.both(settings).await?;
        let (logins, few) = (Arc::new(LoginTarget(self.subject.service.clone())), few(settings));
        let (_, loud) = futures::try_join!(load::run(logins, &few, &[]), self.both(settings))?;
        self.idle.iter_mut().zip(&quiet).for_each(|(all, more)| all.add(more));
        self.busy.iter_mut().zip(&loud).for_each(|(all, more)| all.add(more));
        Ok(())
    }
}

/// What those feel who validate and refresh while users sign in as fast as they can.
pub(super) async fn felt_by_others(
    subjects: [&Subject; 2],
    sessions: &Arc<SessionSvc>,
    settings: &Settings,
) -> Result<Outcome, Failure> {
    let mut all = Vec::new();
    for subject in subjects {
        all.push(Others::new(subject, sessions, settings).await?);
    }
    for _ in 0..settings.rounds {
        for others in &mut all {
            others.round(settings).await?;
        }
    }
    let mut outcome = Outcome::default();
    for Others { subject, idle, busy, .. } in all {
        for (what, (idle, busy)) in ["validate", "refresh"].into_iter().zip(idle.iter().zip(&busy)) {
            let [quiet, loud] = [idle, busy].map(|seen| seen.quantile(0.99).as_secs_f64() * 1e3);
            let goal = subject.goal(&format!("{what}_p99_while_logins"));
            let target = subject.target(Target::AtMost(3.0));
            outcome.figures.push(Figure::ratio(goal, loud / quiet, quiet, settings.rounds, target));
            outcome.text += &format!(
                "threads for passwords: {}; {what}: p99 {} ms, {} ms while users sign in\n",
                subject.threads,
                number(quiet),
                number(loud)
            );
        }
    }
    Ok(outcome)
}
