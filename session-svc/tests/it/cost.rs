//! What calls cost Redis: round trips, seen by a proxy, and commands, counted by the server.

use std::{collections::BTreeMap, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};
use session_svc::{
    app::{
        Sessions,
        refresh::RefreshSession,
        validate::{Presented, ValidateSession, Verdict},
    },
    domain::{refresh::Origin, token::PresentedToken},
    store::redis::RedisStore,
};
use svc_kit::{access::Caller, clock::ManualClock};

use crate::support::{
    proxy::Proxy,
    redis_server::RedisServer,
    service::START,
    use_cases::{caller, use_cases},
};

struct Bench {
    sessions: Sessions<RedisStore>,
    proxy: Proxy,
    redis: RedisServer,
    caller: Caller,
}

impl Bench {
    async fn start() -> Self {
        let redis = RedisServer::start_with(&[]).await;
        let proxy = Proxy::start(redis.port()).await;
        let store = RedisStore::new(&format!("redis://{}/0", proxy.address), "", "test", 4, 1).unwrap();
        let sessions = use_cases(Arc::new(store), Arc::new(ManualClock::new(START)), &[]);
        let caller = caller(None);
        Self { sessions, proxy, redis, caller }
    }

    async fn create(&self) -> SecretString {
        let command = crate::support::commands::create("acme", "ada");
        self.sessions.create(&self.caller, command).await.unwrap().token.unwrap()
    }

    async fn validate(&self, presented: Presented) {
        let command = ValidateSession { presented, is_interactive: false, ip_address: String::new() };
        let verdict = self.sessions.validate(&self.caller, &command).await.unwrap();
        assert!(matches!(verdict, Verdict::Active(..)), "{verdict:?}");
    }

    async fn refresh(&self, token: &SecretString) -> SecretString {
        let token = PresentedToken::parse(token.expose_secret()).unwrap();
        let command = RefreshSession { token, application: None, origin: Origin::default() };
        self.sessions.refresh(&self.caller, &command).await.unwrap().token
    }

    /// Round trips and commands of `work`.
    async fn cost_of<T>(&self, work: impl Future<Output = T>) -> (usize, BTreeMap<String, u64>, T) {
        let before = self.commands().await;
        self.proxy.take();
        let result = work.await;
        let trips = self.proxy.take();
        let after = self.commands().await;
        let spent = after.into_iter().map(|(name, calls)| (before.get(&name).copied().unwrap_or(0), name, calls));
        let spent = spent.filter(|(before, name, calls)| calls > before && !is_ours(name));
        (trips, spent.map(|(before, name, calls)| (name, calls - before)).collect(), result)
    }

    async fn commands(&self) -> BTreeMap<String, u64> {
        let mut connection = self.redis.connection().await;
        let text: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
        let calls = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
        });
        calls.collect()
    }
}

/// Commands of the measurement itself.
fn is_ours(name: &str) -> bool {
    name == "info" || name.starts_with("client|")
}

fn counts(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    expected.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect()
}

#[tokio::test]
async fn a_validation_is_one_round_trip_of_two_reads() {
    let bench = Bench::start().await;
    let token = PresentedToken::parse(bench.create().await.expose_secret()).unwrap();
    let id = token.session;
    // The first time that a token is seen is recorded.
    bench.validate(Presented::Token(token.clone())).await;
    for presented in [Presented::Token(token), Presented::Id(id)] {
        let (trips, commands, ()) = bench.cost_of(bench.validate(presented)).await;
        assert_eq!((trips, commands), (1, counts(&[("get", 2)])));
    }
}

#[tokio::test]
async fn a_creation_is_two_round_trips() {
    let bench = Bench::start().await;
    // The script is loaded by the first one.
    bench.create().await;
    let (trips, commands, _) = bench.cost_of(bench.create()).await;
    assert!(trips <= 2, "{trips} round trips");
    assert_eq!((commands["evalsha"], commands["xadd"]), (1, 1), "{commands:?}");
}

#[tokio::test]
async fn a_refresh_is_two_round_trips() {
    let bench = Bench::start().await;
    let first = bench.create().await;
    let second = bench.refresh(&first).await;
    let (trips, commands, _) = bench.cost_of(bench.refresh(&second)).await;
    assert_eq!(trips, 2);
    assert_eq!((commands["evalsha"], commands["xadd"]), (1, 1), "{commands:?}");
    assert!(commands.values().sum::<u64>() <= 8, "{commands:?}");
}
