//! A store that acknowledges what a copy has.

mod heavy {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use secrecy::ExposeSecret as _;
    use session_svc::{
        app::{
            refresh::RefreshSession,
            revoke::RevokeSession,
            validate::{Presented, ValidateSession, Verdict},
        },
        domain::{end::EndReason, id::SessionId, refresh::Origin, token::PresentedToken},
        error::SessionError,
        ports::StoreError,
        store::redis::{Location, Options, RedisStore},
    };
    use svc_kit::{clock::ManualClock, error::ServiceError as _};

    use crate::support::{
        commands, eventually,
        proxy::Proxy,
        redis_server::RedisServer,
        service::START,
        use_cases::{Sessions, caller, use_cases},
    };

    fn sessions(url: String) -> Sessions<RedisStore> {
        let clock = Arc::new(ManualClock::new(START));
        let options = Options { copies: 1, clock: clock.clone(), ..Options::new("", "test", 4) };
        let location = Location { url: url.into(), ..Location::default() };
        use_cases(Arc::new(RedisStore::at(&location, &options).unwrap()), clock, &[])
    }

    async fn pair() -> (RedisServer, RedisServer) {
        let primary = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]).await;
        let copy = RedisServer::start_with(&["--replicaof", "127.0.0.1", &primary.port().to_string()]).await;
        // It says that it is in touch before it has loaded what it was sent: ask for something that only it can say.
        eventually("the copy has what is written", || async {
            let mut write = redis::pipe();
            write.set("seen", "").ignore().cmd("WAIT").arg(1).arg(100);
            let (copies,): (u8,) = write.query_async(&mut primary.connection().await).await.ok()?;
            (copies == 1).then_some(())
        })
        .await;
        (primary, copy)
    }

    async fn revoke(sessions: &Sessions<RedisStore>, id: SessionId) -> Result<bool, SessionError> {
        let command = RevokeSession {
            presented: Presented::Id(id),
            reason: EndReason::Logout,
            comment: String::new(),
            idempotency: None,
        };
        sessions.revoke(&caller(None), &command).await.map(|revoked| revoked.already_ended)
    }

    fn is_not_replicated<T>(result: Result<T, SessionError>) {
        let error = result.err().expect("no copy has it");
        assert!(matches!(error, SessionError::Store(StoreError::NotReplicated)), "{error:?}");
        assert_eq!(error.reason(), "STORED_NOT_REPLICATED");
        assert!(error.to_string().contains("stored, not replicated"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_no_copy_has_is_not_acknowledged_and_can_be_asked_for_again() {
        let (primary, copy) = pair().await;
        let sessions = sessions(primary.url());
        let create = async || sessions.create(&caller(None), commands::create("acme", "ada")).await;
        let created = create().await.unwrap();
        let (id, token) = (created.stored.session.id, created.token.unwrap());
        copy.freeze(true).await;
        let presented = PresentedToken::parse(token.expose_secret()).unwrap();
        let refresh = RefreshSession { token: presented, application: None, origin: Origin::default() };
        is_not_replicated(sessions.refresh(&caller(None), &refresh).await);
        is_not_replicated(create().await);
        is_not_replicated(revoke(&sessions, id).await);
        // Again, with nothing left to do: it is still not acknowledged.
        is_not_replicated(revoke(&sessions, id).await);
        copy.freeze(false).await;
        let again = eventually("the copy is back", || async { revoke(&sessions, id).await.ok() }).await;
        assert!(again, "it had ended before");
        copy.ask::<()>(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await.unwrap();
        let promoted = self::sessions(copy.url());
        let look = ValidateSession { presented: Presented::Id(id), is_interactive: false, ip_address: String::new() };
        let verdict = promoted.validate(&caller(None), &look).await.unwrap();
        assert!(matches!(verdict, Verdict::Ended(_, _, EndReason::Logout)), "{verdict:?}");
    }

    /// Whoever waits for a copy has connections of its own.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn reads_do_not_wait_for_copies() {
        let (primary, copy) = pair().await;
        let sessions = sessions(primary.url());
        let id = sessions.create(&caller(None), commands::create("acme", "ada")).await.unwrap().stored.session.id;
        copy.freeze(true).await;
        let validations = async {
            let (mut slowest, mut count) = (Duration::ZERO, 0);
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(300) {
                let started = Instant::now();
                let presented = Presented::Id(id);
                let look = ValidateSession { presented, is_interactive: false, ip_address: String::new() };
                sessions.validate(&caller(None), &look).await.unwrap();
                (slowest, count) = (slowest.max(started.elapsed()), count + 1);
            }
            (slowest, count)
        };
        let (revoked, (slowest, count)) = tokio::join!(revoke(&sessions, id), validations);
        is_not_replicated(revoked);
        assert!(slowest < Duration::from_millis(250), "{slowest:?} for one of {count}");
        copy.freeze(false).await;
    }

    /// The question goes with the commit.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn waiting_for_a_copy_is_no_round_trip_more() {
        let (primary, _copy) = pair().await;
        let proxy = Proxy::start(primary.port()).await;
        let sessions = sessions(format!("redis://{}/0", proxy.address));
        // Each of the connections that wait is made, and the script is loaded.
        for _ in 0..8 {
            sessions.create(&caller(None), commands::create("acme", "ada")).await.unwrap();
        }
        proxy.take();
        sessions.create(&caller(None), commands::create("acme", "ada")).await.unwrap();
        let trips = proxy.take();
        assert!(trips <= 2, "{trips} round trips");
    }
}
