//! What calls cost Redis: round trips, seen by a proxy, and commands, counted by the server.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use session_svc::{
    app::{
        Sessions,
        create::CreateSession,
        refresh::RefreshSession,
        revoke_many::{NAMED_MAX, RevokeSessions},
        validate::{Presented, ValidateSession, Verdict},
    },
    domain::{
        device::{Device, DeviceType},
        end::EndReason,
        filter::Filter,
        id::{ApplicationId, SessionId, TenantId},
        refresh::Origin,
        token::PresentedToken,
    },
    store::redis::RedisStore,
};
use svc_kit::{access::Caller, clock::ManualClock};

use crate::{
    model::everything,
    support::{
        commands::{self, owner},
        proxy::Proxy,
        redis_server::RedisServer,
        service::START,
        use_cases::{caller, use_cases},
    },
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
    assert_eq!(commands, counts(&[("evalsha", 1), ("get", 4), ("set", 1), ("xadd", 1)]));
}

fn of_ada() -> Filter {
    Filter { user: Some(owner("acme", "ada").user), ..everything(&TenantId::parse("acme").unwrap()) }
}

/// Whoever waits for a mass revocation waits for one read of what it names, and for one commit.
#[tokio::test]
async fn a_mass_revocation_reads_once_what_it_names() {
    let bench = Bench::start().await;
    for _ in 0..NAMED_MAX + 200 {
        bench.create().await;
    }
    let command = RevokeSessions {
        filter: of_ada(),
        is_dry_run: false,
        reason: EndReason::Admin,
        comment: String::new(),
        idempotency: None,
    };
    let (_, commands, revoked) = bench.cost_of(bench.sessions.revoke_many(&bench.caller, &command)).await;
    let revoked = revoked.unwrap();
    assert_eq!((revoked.ids.len(), revoked.is_truncated), (NAMED_MAX, true));
    assert_eq!((commands["zrange"], commands["mget"], commands["evalsha"]), (1, 1, 1), "{commands:?}");
    // The version of the cutoffs: behind the sessions, before the commit, and twice in it.
    assert_eq!(commands["get"], 4, "{commands:?}");
}

#[tokio::test]
async fn a_page_of_a_list_reads_its_sessions_once_and_one_more() {
    let bench = Bench::start().await;
    for _ in 0..20 {
        bench.create().await;
    }
    let (filter, mut after) = (of_ada(), None);
    for expected in [8, 8, 4] {
        let page = bench.sessions.list(&filter, true, after, 8);
        let (trips, commands, page) = bench.cost_of(page).await;
        let page = page.unwrap();
        assert_eq!(page.sessions.len(), expected);
        assert_eq!((commands["zrange"], commands["mget"], trips), (1, 1, 3), "{commands:?}");
        after = page.next;
    }
    assert_eq!(after, None);
}

/// Sessions that are weighed; `LATCHKEY_COST_SESSIONS` makes them more.
const WEIGHED: usize = 3_000;
/// What one may weigh, all keys together.
const BYTES_MAX: u64 = 450;

/// What an application keeps of a signed-in browser; the same as `bench` makes.
fn typical(number: usize) -> CreateSession {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let address = "203.0.113.17".to_owned();
    CreateSession {
        application: Some(ApplicationId::parse("demo-web").unwrap()),
        device: Device {
            name: "Firefox on Linux".to_owned(),
            kind: DeviceType::Browser,
            ip_address: address.clone(),
            last_ip_address: address,
            ..Device::default()
        },
        amr: words(&["pwd"]),
        scopes: words(&["openid", "offline_access"]),
        ..commands::create("default", &format!("user_{:016}", number / 3))
    }
}

#[tokio::test]
async fn a_session_takes_few_bytes() {
    let count = std::env::var("LATCHKEY_COST_SESSIONS").map_or(WEIGHED, |count| count.parse().unwrap());
    let redis = RedisServer::start_with(&[]).await;
    let clock = Arc::new(ManualClock::new(START));
    let sessions = use_cases(Arc::new(RedisStore::new(&redis.url(), "", "test", 4, 1).unwrap()), clock.clone(), &[]);
    let mut connection = redis.connection().await;
    let mut weigh = async || {
        // Events that have left are no part of it.
        let outboxes: Vec<String> = (0..4).map(|shard| format!("o1:{{{shard:04x}}}")).collect();
        redis::cmd("DEL").arg(&outboxes).query_async::<()>(&mut connection).await.unwrap();
        let text: String = redis::cmd("INFO").arg("memory").query_async(&mut connection).await.unwrap();
        let used = text.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.unwrap().trim().parse::<u64>().unwrap()
    };
    let caller = caller(None);
    sessions.create(&caller, typical(usize::MAX)).await.unwrap();
    let before = weigh().await;
    let numbers: Vec<usize> = (0..count).collect();
    for chunk in numbers.chunks(32) {
        let created = chunk.iter().map(|number| sessions.create(&caller, typical(*number)));
        join_all(created).await.into_iter().for_each(|created| drop(created.unwrap()));
        clock.advance(Duration::from_millis(8));
    }
    let bytes = (weigh().await - before) / count as u64;
    #[expect(clippy::print_stdout, reason = "the figure is what one runs it for")]
    {
        println!("{bytes} bytes a session, of {count}");
    }
    assert!(bytes <= BYTES_MAX, "{bytes} bytes a session");
}

/// What is ready to be sent at the same moment leaves together, and each call has its own answer.
#[tokio::test]
async fn calls_of_one_moment_are_one_round_trip() {
    let bench = Bench::start().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(PresentedToken::parse(bench.create().await.expose_secret()).unwrap().session);
    }
    let look = async |id: &SessionId| {
        let presented = Presented::Id(*id);
        let command = ValidateSession { presented, is_interactive: false, ip_address: String::new() };
        bench.sessions.validate(&bench.caller, &command).await.unwrap()
    };
    let (trips, commands, verdicts) = bench.cost_of(join_all(ids.iter().map(look))).await;
    assert_eq!((trips, commands), (1, counts(&[("get", 40)])));
    for (id, verdict) in ids.iter().zip(verdicts) {
        assert!(matches!(verdict, Verdict::Active(session, _) if session.id == *id));
    }
}
