//! Tokens from codes and from refresh tokens, and the part of it that is signing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use auth_svc::{
    app::tokens::{ACCESS, AccessClaims, Audience},
    crypto::KeyRing,
    domain::keys::{KeyState, SigningAlgorithm},
    ports::Tokens as _,
};
use svc_kit::{clock::Timestamp, entropy::OsEntropy, seal::SealKeys};

use super::{Subject, exchange, few, refreshing};
use crate::{
    failure::Failure,
    load,
    process::Watched,
    report::{Figure, Outcome, Target, new_table, number},
    rounds::Samples,
    settings::Settings,
    targets::auth::{ES256, RS256, algorithm_of},
};

/// Codes that are exchanged in a round.
const CODES: usize = 1_000;
/// How long signatures are counted for.
const SIGN_FOR: Duration = Duration::from_millis(500);

/// Measures with an application of each algorithm.
pub(super) async fn measure(subject: &Subject, settings: &Settings) -> Result<Outcome, Failure> {
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
            let (sample, more) = exchange(&subject.browsers, application, CODES, &subject.watched).await?;
            exchanges.push(sample);
            granted = more;
            let refresh = Arc::new(refreshing(&subject.service, application, &granted, &few));
            refreshes.push(load::run(refresh, &few, &subject.watched).await?);
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
        participant: String::new(),
        auth_time: Some(1_700_000_000),
        cnf: None,
        userinfo_claims: Vec::new(),
    }
}
