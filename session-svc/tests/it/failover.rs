//! What a failover can lose, and what must hold all the same.

use std::{sync::Arc, time::Duration};

use session_svc::{
    app::{
        policies::PutPolicy,
        revoke_many::RevokeSessions,
        validate::{Presented, ValidateSession, Verdict},
    },
    domain::{
        end::EndReason,
        filter::Filter,
        id::{Owner, SessionId},
        policy::{Limits, Policy, PolicyScope},
    },
    store::redis::RedisStore,
};
use svc_kit::clock::ManualClock;

use crate::{
    model::everything,
    support::{
        commands,
        service::{START, forget, random_name, redis_url},
        use_cases::{Sessions, caller, use_cases},
    },
};

fn replica(prefix: &str) -> Sessions<RedisStore> {
    let store = RedisStore::new(&redis_url(), prefix, "test", 1, 1).unwrap();
    use_cases(Arc::new(store), Arc::new(ManualClock::new(START)), &[])
}

async fn cut(sessions: &Sessions<RedisStore>, owner: Owner) {
    let command = RevokeSessions {
        filter: Filter { user: Some(owner.user), ..everything(&owner.tenant) },
        is_dry_run: false,
        reason: EndReason::Admin,
        comment: String::new(),
        idempotency: None,
    };
    assert_eq!(sessions.revoke_many(&caller(None), &command).await.unwrap().count, 1);
}

async fn is_active(sessions: &Sessions<RedisStore>, id: SessionId) -> bool {
    let command = ValidateSession { presented: Presented::Id(id), is_interactive: false, ip_address: String::new() };
    matches!(sessions.validate(&caller(None), &command).await.unwrap(), Verdict::Active(..))
}

/// A replica remembers cutoffs under their version. If the store loses some and gets others, the version must not come again.
#[tokio::test]
async fn a_cutoff_after_a_failover_is_not_taken_for_one_that_was_lost() {
    let prefix = format!("{}:", random_name());
    let (one, two) = (replica(&prefix), replica(&prefix));
    let created = one.create(&caller(None), commands::create("acme", "ada")).await.unwrap();
    let survivor = one.create(&caller(None), commands::create("acme", "grace")).await.unwrap().stored.session.id;
    cut(&one, commands::owner("acme", "ada")).await;
    assert!(!is_active(&one, created.stored.session.id).await && is_active(&one, survivor).await);
    // The promoted server never got the cutoff.
    let mut connection = redis::Client::open(redis_url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let lost = ["v1:{0000}", "e1:{0000}", "d1:{0000}"].map(|key| format!("{prefix}{key}"));
    redis::cmd("DEL").arg(&lost).exec_async(&mut connection).await.unwrap();
    cut(&two, commands::owner("acme", "grace")).await;
    assert!(!is_active(&two, survivor).await);
    assert!(!is_active(&one, survivor).await, "the first replica has to see the new cutoff");
    forget(&prefix);
}

async fn allow_pauses_of(sessions: &Sessions<RedisStore>, seconds: u64) {
    let idle_timeout = Some(Duration::from_secs(seconds));
    let policy = Policy { application: Limits { idle_timeout, ..Limits::default() }, ..Policy::default() };
    let scope = PolicyScope { tenant: commands::owner("acme", "ada").tenant, application: None };
    sessions.put_policy(&caller(None), PutPolicy { scope, policy, expected: None }).await.unwrap();
}

/// The same for the policies that a replica knows.
#[tokio::test]
async fn a_policy_after_a_failover_is_not_taken_for_one_that_was_lost() {
    let prefix = format!("{}:", random_name());
    let (one, two) = (replica(&prefix), replica(&prefix));
    allow_pauses_of(&one, 3600).await;
    let session = one.create(&caller(None), commands::create("acme", "ada")).await.unwrap().stored.session;
    assert!(is_active(&one, session.id).await);
    let mut connection = redis::Client::open(redis_url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let lost = ["v1:{0000}", "p1:{policies}", "q1:{policies}"].map(|key| format!("{prefix}{key}"));
    redis::cmd("DEL").arg(&lost).exec_async(&mut connection).await.unwrap();
    allow_pauses_of(&two, 60).await;
    let explained = one.explain(&caller(None), session.id).await.unwrap();
    let in_force = explained.idle.ends_at.duration_since(session.last_active_at);
    assert_eq!(in_force, Duration::from_secs(60), "the first replica has to see the new policy");
    forget(&prefix);
}

/// Servers of their own, which are killed.
mod heavy {
    use session_svc::{
        app::revoke::RevokeSession,
        ports::SessionStore as _,
        store::redis::{Location, Options},
    };

    use super::*;
    use crate::support::{eventually, redis_server::RedisServer, switch::Switch};

    /// How late a copy learns of what was written.
    const LAG: Duration = Duration::from_millis(30);
    /// Sessions that are ended in a round: half of them one by one, the others of one user at once.
    const ENDED: usize = 6;

    fn rounds(default: usize) -> usize {
        std::env::var("LATCHKEY_FAILOVER_ROUNDS").map_or(default, |rounds| rounds.parse().expect("a number"))
    }

    fn sessions(url: &str, copies: usize) -> Sessions<RedisStore> {
        let clock = Arc::new(ManualClock::new(START));
        let options = Options { copies, clock: clock.clone(), ..Options::new("", "test", 2) };
        let location = Location { url: url.into(), ..Location::default() };
        use_cases(Arc::new(RedisStore::at(&location, &options).unwrap()), clock, &[])
    }

    /// A primary, and a copy of it that lags behind.
    struct Pair {
        primary: RedisServer,
        copy: RedisServer,
        _line: Switch,
    }

    impl Pair {
        async fn of(primary: RedisServer) -> Self {
            let line = Switch::start(primary.port(), LAG).await;
            let port = line.address.port().to_string();
            let copy = ["--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", &port];
            let copy = RedisServer::start_with(&copy).await;
            Self { primary, copy, _line: line }
        }

        async fn is_equal(&self) {
            let offset = async |server: &RedisServer, name: &str| {
                let info: String = server.ask(redis::cmd("INFO").arg("replication")).await.ok()?;
                let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                value.map(str::to_owned)
            };
            eventually("the copy is up to date", || async {
                let up = offset(&self.copy, "master_link_status").await? == "up";
                let written = offset(&self.primary, "master_repl_offset").await?;
                (up && offset(&self.copy, "slave_repl_offset").await? == written).then_some(())
            })
            .await;
        }

        /// The primary dies at once, and the copy takes its place.
        async fn fail_over(mut self, front: &Switch) -> Self {
            self.primary.kill().await;
            self.copy.ask::<()>(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await.unwrap();
            front.turn_to(self.copy.port());
            Self::of(self.copy).await
        }
    }

    /// How many ends came back to life at whom.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Resurrected {
        acknowledged: usize,
        /// At a replica that was not there before, and knows nothing.
        at_a_stranger: usize,
        /// At the replica that ended them.
        at_home: usize,
        /// At the stranger, after the other one looked at the store.
        afterwards: usize,
    }

    async fn end_one(sessions: &Sessions<RedisStore>, id: SessionId) -> bool {
        let command = RevokeSession {
            presented: Presented::Id(id),
            reason: EndReason::Logout,
            comment: String::new(),
            idempotency: None,
        };
        sessions.revoke(&caller(None), &command).await.is_ok()
    }

    async fn end_all(sessions: &Sessions<RedisStore>, owner: Owner) -> bool {
        let command = RevokeSessions {
            filter: Filter { user: Some(owner.user), ..everything(&owner.tenant) },
            is_dry_run: false,
            reason: EndReason::Admin,
            comment: String::new(),
            idempotency: None,
        };
        sessions.revoke_many(&caller(None), &command).await.is_ok()
    }

    async fn alive(sessions: &Sessions<RedisStore>, ids: &[SessionId]) -> usize {
        let mut count = 0;
        for id in ids {
            let look = || async {
                let presented = Presented::Id(*id);
                let command = ValidateSession { presented, is_interactive: false, ip_address: String::new() };
                sessions.validate(&caller(None), &command).await.ok()
            };
            count += usize::from(matches!(eventually("it answers", look).await, Verdict::Active(..)));
        }
        count
    }

    #[expect(clippy::print_stdout, reason = "the figures are what one runs it for")]
    async fn run(rounds: usize, copies: usize) -> Resurrected {
        let primary = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]).await;
        let front = Switch::start(primary.port(), Duration::ZERO).await;
        let url = format!("redis://{}/0", front.address);
        let (mut pair, home) = (Pair::of(primary).await, sessions(&url, copies));
        let mut found = Resurrected::default();
        for round in 0..rounds {
            pair.is_equal().await;
            let (mut ids, user) = (Vec::new(), format!("user{round}"));
            for number in 0..ENDED {
                let user: &str = if number % 2 == 0 { "ada" } else { &user };
                let create = || async { home.create(&caller(None), commands::create("acme", user)).await.ok() };
                let created = eventually("it is created", create).await;
                ids.push(created.stored.session.id);
            }
            pair.is_equal().await;
            let mut acknowledged = Vec::new();
            for id in ids.iter().step_by(2) {
                acknowledged.extend(end_one(&home, *id).await.then_some(*id));
            }
            if end_all(&home, commands::owner("acme", &user)).await {
                acknowledged.extend(ids.iter().skip(1).step_by(2));
            }
            pair = pair.fail_over(&front).await;
            found.acknowledged += acknowledged.len();
            let stranger = sessions(&url, copies);
            found.at_a_stranger += alive(&stranger, &acknowledged).await;
            found.at_home += alive(&home, &acknowledged).await;
            eventually("the store is looked at", || async { home.store.probe().await.ok() }).await;
            found.afterwards += alive(&stranger, &acknowledged).await;
        }
        println!("{rounds} failovers, {copies} copies waited for: {found:?}");
        found
    }

    /// With neither, sessions come back: the loop is one that can fail. What is remembered ends them again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_waiting_ends_are_lost_and_what_is_remembered_ends_them_again() {
        let found = run(rounds(5), 0).await;
        assert!(found.acknowledged > 0 && found.at_a_stranger > 0, "{found:?}");
        assert_eq!((found.at_home, found.afterwards), (0, 0), "{found:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_end_that_a_copy_has_comes_back_to_life() {
        let rounds = rounds(5);
        let found = run(rounds, 1).await;
        assert!(found.acknowledged >= rounds * ENDED / 2, "{found:?}");
        assert_eq!((found.at_a_stranger, found.at_home, found.afterwards), (0, 0, 0), "{found:?}");
    }
}
