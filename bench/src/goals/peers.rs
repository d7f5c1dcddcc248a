//! Others that keep sessions, beside session-svc: npm's `oidc-provider` introspects and rotates refresh tokens,
//! `express-session` looks sessions up. All on the same Redis, with the same load, on two processors.

use std::sync::Arc;

use crate::{
    failure::Failure,
    load,
    process::{self, Watched},
    report::{Figure, Outcome, Target, new_table, number},
    rounds::Samples,
    settings::Settings,
    targets::{
        http::{ActiveTarget, Asking, RotateTarget},
        peer::Peer,
        redis::Redis,
        session::{RefreshTarget, SessionSvc, ValidateTarget},
    },
};

/// Sessions that are asked about, and as many that are refreshed, of each.
const SESSIONS: usize = 10_000;
/// Sessions of a user, of ours.
const EACH: usize = 3;
/// The application of the others.
const CLIENT: (&str, &str) = ("bench", "bench-secret");

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
    let validated = service.make_sessions(SESSIONS, EACH, 0).await?;
    let refreshed = service.make_sessions(SESSIONS, EACH, SESSIONS).await?;
    let validate = Arc::new(ValidateTarget::new(service.clone(), validated).await?);
    let refresh = Arc::new(RefreshTarget::new(service.clone(), &refreshed, settings.slots()));

    let (provider, tokens) = seeded("oidc-provider", &redis, 2 * SESSIONS).await?;
    let asking = |path: &str| Asking { url: provider.url(path), id: CLIENT.0, secret: CLIENT.1 };
    let (asked_about, rotated) = tokens.split_at(SESSIONS);
    let introspect = Arc::new(ActiveTarget::of_tokens(asking("/introspect"), asked_about.to_vec()));
    let rotate = Arc::new(RotateTarget::new(asking("/token"), rotated, settings.slots()));
    let (express, cookies) = seeded("express-session", &redis, SESSIONS).await?;
    let look_up = Arc::new(ActiveTarget::of_cookies(express.url("/session"), cookies));

    let watch = |server: Watched| [server, redis.server.watched(), Watched::myself()];
    let (ours, theirs) = (watch(service.server.watched()), watch(provider.watched()));
    let of_express = watch(express.watched());
    let mut seen = Seen::default();
    for _ in 0..settings.rounds {
        seen.validate.push(load::run(validate.clone(), &settings, &ours).await?);
        seen.introspect.push(load::run(introspect.clone(), &settings, &theirs).await?);
        seen.look_up.push(load::run(look_up.clone(), &settings, &of_express).await?);
        seen.refresh.push(load::run(refresh.clone(), &settings, &ours).await?);
        seen.rotate.push(load::run(rotate.clone(), &settings, &theirs).await?);
    }
    Ok(Outcome { figures: seen.figures(), text: seen.table() })
}

/// Starts a program that makes its sessions by itself; returns what names them.
async fn seeded(name: &str, redis: &Redis, count: usize) -> Result<(Peer, Vec<String>), Failure> {
    let file = process::directory()?.join(format!("{name}.json"));
    let _ = std::fs::remove_file(&file);
    let peer = Peer::start(name, &[redis.url(), &count.to_string(), &file.display().to_string()]).await?;
    let names: Vec<String> = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    if names.len() == count {
        Ok((peer, names))
    } else {
        Err(Failure::Unexpected(format!("{name} made too few sessions")))
    }
}

#[derive(Default)]
struct Seen {
    validate: Samples,
    introspect: Samples,
    look_up: Samples,
    refresh: Samples,
    rotate: Samples,
}

impl Seen {
    fn figures(&self) -> Vec<Figure> {
        let figure = |goal: &str, ours: &Samples, theirs: &Samples| {
            let ratio = ours.paired(theirs, |ours, theirs| ours.rate / theirs.rate);
            Figure::ratio(goal, ratio, theirs.rate(), theirs.rounds(), Target::Open)
        };
        vec![
            figure("validate_vs_oidc_provider_introspection", &self.validate, &self.introspect),
            figure("validate_vs_express_session", &self.validate, &self.look_up),
            figure("refresh_vs_oidc_provider_rotation", &self.refresh, &self.rotate),
        ]
    }

    fn table(&self) -> String {
        let titles = ["target", "calls/s", "p50 µs", "p99 µs", "server µs/call", "Redis µs/call", "load µs/call"];
        let mut table = new_table(&titles);
        for (name, samples) in [
            ("session-svc validate", &self.validate),
            ("oidc-provider introspection", &self.introspect),
            ("express-session lookup", &self.look_up),
            ("session-svc refresh", &self.refresh),
            ("oidc-provider rotation", &self.rotate),
        ] {
            let us = |quantile| number(samples.latency(quantile).as_secs_f64() * 1e6);
            let [server, redis, load] = [SERVER, REDIS, LOAD].map(|place| number(samples.cpu_us(place)));
            table.add_row([name.to_owned(), number(samples.rate()), us(0.5), us(0.99), server, redis, load]);
        }
        table.to_string()
    }
}
