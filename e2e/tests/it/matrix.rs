//! The crash matrix of webhook-svc: it is killed (SIGKILL) at each step from the bus to the recorded attempt, again and
//! again, with connections cut and servers restarted in between. Every event reaches every endpoint, nothing is stuck, each
//! repetition is explained by an attempt that was under way at a kill, and order is kept where it is promised.
//!
//! `LATCHKEY_MATRIX_ROUNDS` says how often the matrix is gone through (1), `LATCHKEY_MATRIX_EVENTS` with how many events at
//! each step (150).

mod heavy {
    use std::{
        collections::{BTreeMap, BTreeSet},
        time::Duration,
    };

    use prost::Message as _;
    use proto::{event::v1 as pb, webhook::v1::CreateEndpointRequest};
    use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
    use svc_kit::{
        boot::Parts,
        bus::{BusPublisher, Message, Publisher as _, routing_key, shard_of},
        clock::{Clock as _, SystemClock},
        config::{BusConfig, BusKind},
        telemetry::TraceContext,
    };

    use crate::support::{
        DEFAULT_TENANT, OwnPostgres, OwnRabbit, Proxy, Real, Receiver, Servers, Service, eventually, with_real,
        with_servers, within,
    };

    const SESSIONS: usize = 40;
    /// The advisory lock under which webhook-svc claims.
    const CLAIM_LOCK: i64 = 0x636c_6169_6d00_0000;
    /// How long webhook-svc claims for.
    const LEASE_MS: i64 = 60_000;
    const ALL_WITHIN: Duration = Duration::from_secs(90);

    fn number(name: &str, usual: usize) -> usize {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    /// Where webhook-svc is killed.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Events are off the bus and not logged: their log is locked.
        BeforeLog,
        /// Events are logged, their deliveries are not: not committed.
        AfterLog,
        /// Logged with their deliveries; the broker does not hear of it.
        BeforeAck,
        /// The broker has heard of it, and nobody has claimed them: somebody else claims just now.
        BeforeClaim,
        /// Claimed; the requests are on their way.
        AfterClaim,
        /// The receiver has them and does not answer.
        BeforeAnswer,
        /// The receiver took them; the attempts are not recorded.
        BeforeRecord,
        /// Everything is recorded.
        AfterRecord,
    }

    const STEPS: [Step; 8] = [
        Step::BeforeLog,
        Step::AfterLog,
        Step::BeforeAck,
        Step::BeforeClaim,
        Step::AfterClaim,
        Step::BeforeAnswer,
        Step::BeforeRecord,
        Step::AfterRecord,
    ];

    /// A receiver behind a proxy.
    struct Told {
        receiver: Receiver,
        proxy: Proxy,
    }

    impl Told {
        async fn register(real: &Real, ordered: bool) -> Self {
            let receiver = Receiver::start().await;
            let target = receiver.url.trim_start_matches("http://").trim_end_matches("/hook").to_owned();
            let proxy = Proxy::start(&target).await;
            let request = CreateEndpointRequest {
                tenant_id: DEFAULT_TENANT.to_owned(),
                url: format!("http://{}/hook", proxy.addr),
                event_types: vec!["session.revoked".to_owned()],
                ordered,
                // Fewer than the failures in a row that open a breaker: connections are cut together.
                max_concurrency: 5,
                ..CreateEndpointRequest::default()
            };
            real.stack.endpoints().create_endpoint(request).await.unwrap();
            Self { receiver, proxy }
        }

        /// The numbers of each session, in the order of their arrival, repetitions included.
        fn sequences(&self) -> BTreeMap<String, Vec<u64>> {
            let mut sequences: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            for received in self.receiver.all() {
                let body = received.json();
                let session = body["data"]["session"]["id"].as_str().unwrap().to_owned();
                sequences.entry(session).or_default().push(body["sequence"].as_u64().unwrap());
            }
            sequences
        }
    }

    /// What the test does it with.
    struct Matrix {
        publisher: BusPublisher,
        bus: Proxy,
        told: [Told; 2],
        published: usize,
        under_way: i64,
    }

    impl Matrix {
        async fn start(real: &mut Real) -> Self {
            let authority = real.servers().amqp.rsplit_once('@').unwrap().1.to_owned();
            let bus = Proxy::start(authority.split('/').next().unwrap()).await;
            real.kill(Service::Webhook).await;
            let through = format!("amqp://guest:guest@{}/%2f", bus.addr);
            real.set(Service::Webhook, "LATCHKEY_BUS__URLS", Some(&through));
            real.start(Service::Webhook).await;
            let config = BusConfig {
                kind: BusKind::Rabbitmq,
                urls: vec![real.servers().amqp.clone().into()],
                prefix: real.prefix(),
            };
            let publisher = BusPublisher::new(&config, &Parts::system()).unwrap();
            let told = [Told::register(real, false).await, Told::register(real, true).await];
            Self { publisher, bus, told, published: 0, under_way: 0 }
        }

        /// Puts more events on the bus: of each session the next ones.
        async fn publish(&mut self, count: usize) {
            let events = self.published..self.published + count;
            let messages: Vec<Message> = events.map(|n| message(n % SESSIONS, n / SESSIONS + 1)).collect();
            for some in messages.chunks(100) {
                // What was not confirmed is published again, as a relay does.
                eventually("the bus takes the events", || async { self.publisher.publish(some).await.ok() }).await;
            }
            self.published += count;
        }

        /// Puts more events on the bus and waits until both receivers have requests that they do not answer.
        async fn publish_unanswered(&mut self, count: usize) {
            let came: Vec<_> = self.told.iter().map(|told| told.receiver.all().len()).collect();
            self.told.iter().for_each(|told| told.receiver.answer(false));
            self.publish(count).await;
            for (told, came) in self.told.iter().zip(came) {
                let has_come = || async { (told.receiver.all().len() > came).then_some(()) };
                eventually("requests have come", has_come).await;
            }
        }

        fn answer(&self) {
            self.told.iter().for_each(|told| told.receiver.answer(true));
        }

        /// Brings the service to a step and kills it there.
        async fn die(&mut self, real: &mut Real, step: Step, count: usize) {
            match step {
                Step::BeforeLog => self.die_at_lock(real, "event", "INSERT INTO event", count).await,
                Step::AfterLog => self.die_at_lock(real, "delivery", "INSERT INTO delivery", count).await,
                Step::BeforeRecord => self.die_at_lock(real, "attempt", "INSERT INTO attempt", count).await,
                Step::BeforeAck => {
                    self.bus.pass(false);
                    let held = self.bus.held();
                    self.publish(count).await;
                    eventually("acknowledgements are held", || async { (self.bus.held() > held).then_some(()) }).await;
                    real.kill(Service::Webhook).await;
                    self.bus.cut();
                    self.bus.pass(true);
                }
                Step::BeforeClaim => self.die_before_claim(real, count).await,
                Step::AfterClaim => {
                    let held: Vec<_> = self.told.iter().map(|told| told.proxy.held()).collect();
                    self.told.iter().for_each(|told| told.proxy.pass(false));
                    self.publish(count).await;
                    for (told, held) in self.told.iter().zip(held) {
                        eventually("requests are held", || async { (told.proxy.held() > held).then_some(()) }).await;
                    }
                    real.kill(Service::Webhook).await;
                    self.told.iter().for_each(|told| told.proxy.cut());
                    self.told.iter().for_each(|told| told.proxy.pass(true));
                }
                Step::BeforeAnswer => {
                    self.publish_unanswered(count).await;
                    real.kill(Service::Webhook).await;
                    self.answer();
                }
                Step::AfterRecord => {
                    self.publish(count).await;
                    self.all_ended(real).await;
                    real.kill(Service::Webhook).await;
                }
            }
        }

        /// Kills the service when it waits for a table.
        async fn die_at_lock(&mut self, real: &mut Real, table: &str, statement: &str, count: usize) {
            let pool = database(real);
            let mut lock = pool.begin().await.unwrap();
            let locking = format!("LOCK TABLE {table} IN EXCLUSIVE MODE");
            sqlx::query(AssertSqlSafe(locking)).execute(&mut *lock).await.unwrap();
            self.publish(count).await;
            waiting(&pool, statement).await;
            real.kill(Service::Webhook).await;
            lock.rollback().await.unwrap();
        }

        /// Kills the service when all events are logged and acknowledged, and it waits for its turn to claim.
        async fn die_before_claim(&mut self, real: &mut Real, count: usize) {
            let pool = database(real);
            let mut lock = pool.begin().await.unwrap();
            let locking = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CLAIM_LOCK);
            locking.execute(&mut *lock).await.unwrap();
            self.publish(count).await;
            let expected = i64::try_from(self.published).unwrap();
            let logged = "SELECT count(*) FROM event WHERE type = 'session.revoked'";
            let are_logged = || async { (counted(&pool, logged).await == expected).then_some(()) };
            within(ALL_WITHIN, "all events are logged", are_logged).await;
            waiting(&pool, "pg_advisory_xact_lock($1)").await;
            real.kill(Service::Webhook).await;
            lock.rollback().await.unwrap();
        }

        /// Starts the service again. The leases of the dead one end now instead of in a minute, and are noted: each may have
        /// been an attempt that the receiver took.
        async fn revive(&mut self, real: &mut Real) {
            let pool = database(real);
            // Those who served the dead one find out when they speak to it.
            let others = "SELECT count(*) FROM pg_stat_activity
                          WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'";
            let are_gone = || async { (counted(&pool, others).await == 0).then_some(()) };
            within(ALL_WITHIN, "the connections of the dead are gone", are_gone).await;
            self.end_leases(&pool, SystemClock.now().as_ms()).await;
            real.start(Service::Webhook).await;
        }

        /// Ends the leases that were taken before a moment, and notes how many: their attempts are over.
        async fn end_leases(&mut self, pool: &PgPool, before_ms: i64) -> i64 {
            let end = format!(
                "WITH ended AS (UPDATE delivery SET next_attempt_at_ms = 0
                                WHERE is_claimed AND next_attempt_at_ms < {before_ms} + {LEASE_MS} RETURNING 1)
                 SELECT count(*) FROM ended"
            );
            let ended = counted(pool, &end).await;
            self.under_way += ended;
            ended
        }

        /// Waits until every event is logged and nothing is pending.
        async fn all_ended(&self, real: &Real) {
            let pool = database(real);
            let query = "SELECT (SELECT count(*) FROM event WHERE type = 'session.revoked'),
                                (SELECT count(*) FROM delivery WHERE state = 2), (SELECT count(*) FROM delivery WHERE state <> 2)";
            let expected = i64::try_from(self.published).unwrap();
            within(ALL_WITHIN, "everything is delivered", || async {
                let counts = sqlx::query_as::<_, (i64, i64, i64)>(query).fetch_one(&pool).await.ok()?;
                (counts == (expected, 2 * expected, 0)).then_some(())
            })
            .await;
        }

        /// Looks at what the receivers saw.
        #[expect(clippy::print_stdout, reason = "figures to read")]
        fn judge(&self, retried: usize) {
            let expected: BTreeSet<String> = (0..self.published).map(|n| id(n % SESSIONS, n / SESSIONS + 1)).collect();
            let mut repeated = 0;
            for told in &self.told {
                let counts = told.receiver.counts();
                assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), expected, "every event, and no other");
                repeated += counts.values().map(|count| count - 1).sum::<usize>();
            }
            let explained = usize::try_from(self.under_way).unwrap() + retried;
            println!("{} events, {repeated} repetitions, {explained} attempts cut off", self.published);
            assert!(repeated <= explained, "{repeated} repetitions, {explained} explained");
            for (session, sequence) in self.told[1].sequences() {
                assert!(sequence.is_sorted(), "{session} out of order: {sequence:?}");
            }
        }
    }

    fn database(real: &Real) -> PgPool {
        PgPoolOptions::new().max_connections(2).connect_lazy(&real.webhook_database()).unwrap()
    }

    /// Waits until somebody who runs such a statement waits for a lock.
    async fn waiting(pool: &PgPool, statement: &str) {
        let waits = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND position('{statement}' IN query) > 0"
        );
        within(ALL_WITHIN, statement, || async { (counted(pool, &waits).await > 0).then_some(()) }).await;
    }

    async fn counted(pool: &PgPool, query: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(pool).await.unwrap()
    }

    fn id(session: usize, sequence: usize) -> String {
        format!("matrix-{session}-{sequence}")
    }

    fn message(session: usize, sequence: usize) -> Message {
        let name = format!("sess_matrix{session}");
        let data = pb::SessionRevoked {
            session: Some(proto::session::v1::Session {
                id: name.clone(),
                tenant_id: DEFAULT_TENANT.to_owned(),
                ..Default::default()
            }),
        };
        let event = pb::Event {
            id: id(session, sequence),
            r#type: "session.revoked".to_owned(),
            tenant_id: DEFAULT_TENANT.to_owned(),
            occurred_at: Some(SystemClock.now().to_proto()),
            aggregate_id: name.clone(),
            sequence: sequence as u64,
            data: Some(pb::event::Data::SessionRevoked(data)),
            ..pb::Event::default()
        };
        Message {
            id: event.id.clone(),
            routing_key: routing_key(shard_of(&name), &event.r#type),
            body: event.encode_to_vec().into(),
            trace: TraceContext::root(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn webhook_svc_dies_at_every_step() {
        with_real(async |real| {
            let mut matrix = Matrix::start(real).await;
            let events = number("LATCHKEY_MATRIX_EVENTS", 150);
            for _ in 0..number("LATCHKEY_MATRIX_ROUNDS", 1) {
                for step in STEPS {
                    matrix.die(real, step, events).await;
                    matrix.revive(real).await;
                }
            }
            matrix.publish(events).await;
            matrix.all_ended(real).await;
            matrix.judge(0);
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn connections_are_cut_and_servers_restarted_under_thousands_of_events() {
        let (mut postgres, mut rabbit) = tokio::join!(OwnPostgres::start(), OwnRabbit::start());
        let servers = Servers { amqp: rabbit.url(), postgres: postgres.url(), ..Servers::shared() };
        with_servers(servers, async |real| {
            let mut matrix = Matrix::start(real).await;
            let events = number("LATCHKEY_MATRIX_EVENTS", 150) * 2;
            for _ in 0..number("LATCHKEY_MATRIX_ROUNDS", 1) {
                matrix.publish(events).await;
                // The bus loses its consumer, in the middle of whatever it does.
                for _ in 0..5 {
                    matrix.bus.cut();
                    matrix.publish(events / 5).await;
                }
                // Receivers drop connections: tried again, in order where that is promised.
                matrix.publish_unanswered(events).await;
                matrix.told.iter().for_each(|told| told.proxy.cut());
                matrix.answer();
                // Attempts end that cannot be recorded.
                matrix.publish_unanswered(events).await;
                // A claim waits for no disk: of some the killed PostgreSQL may know nothing.
                let claimed = counted(&database(real), "SELECT count(*) FROM delivery WHERE is_claimed").await;
                postgres.kill().await;
                let killed_at = SystemClock.now().as_ms();
                matrix.answer();
                matrix.publish(events).await;
                postgres.restart().await;
                rabbit.kill().await;
                rabbit.restart().await;
                matrix.publish(events).await;
                // What the killed PostgreSQL did not learn of is tried again when its lease ends.
                let known = matrix.end_leases(&database(real), killed_at).await;
                matrix.under_way += (claimed - known).max(0);
            }
            matrix.all_ended(real).await;
            let retried = counted(&database(real), "SELECT count(*) FROM attempt WHERE verdict <> 'OK'").await;
            matrix.judge(usize::try_from(retried).unwrap());
        })
        .await;
    }
}
