//! Servers that Latchkey stands on are killed, frozen and started again: calls are refused in time or go on, and nobody has
//! to restart a service.

mod heavy {
    use std::{
        future::Future,
        time::{Duration, Instant},
    };

    use proto::{
        auth::v1::LoginRequest,
        session::v1::{GetSessionRequest, ListSessionsRequest, SessionFilter},
        webhook::v1::ListEndpointsRequest,
    };
    use tonic::{Code, Response, Status};

    use crate::{
        crashes::{all_told, lives},
        support::{
            DEFAULT_TENANT, OwnPostgres, OwnRabbit, OwnRedis, Receiver, Servers, Stack, reason_of, with_servers, within,
        },
    };

    /// The longest deadline of a call (5 s in auth-svc), and a little for a busy machine.
    const IN_TIME: Duration = Duration::from_secs(8);
    const BACK_WITHIN: Duration = Duration::from_secs(60);

    async fn list_sessions(stack: &Stack) -> Result<(), Status> {
        let filter = SessionFilter {
            tenant_id: DEFAULT_TENANT.to_owned(),
            user_id: "somebody".to_owned(),
            ..SessionFilter::default()
        };
        let request = ListSessionsRequest { filter: Some(filter), ..ListSessionsRequest::default() };
        stack.sessions().list_sessions(request).await.map(drop)
    }

    async fn list_endpoints(stack: &Stack) -> Result<(), Status> {
        let request = ListEndpointsRequest { tenant_id: DEFAULT_TENANT.to_owned(), ..ListEndpointsRequest::default() };
        stack.endpoints().list_endpoints(request).await.map(drop)
    }

    async fn login(stack: &Stack) -> Result<(), Status> {
        let request = LoginRequest {
            tenant_id: DEFAULT_TENANT.to_owned(),
            application_id: "demo-spa".to_owned(),
            login: "ada@example.com".to_owned(),
            password: "correct horse battery staple".to_owned(),
            ..LoginRequest::default()
        };
        stack.login().login(request).await.map(Response::into_inner).map(drop)
    }

    async fn authorize(stack: &Stack) -> u16 {
        let url = format!(
            "{}/authorize?response_type=code&client_id=demo-web&redirect_uri=http://localhost:8080/cb&scope=openid",
            stack.issuer
        );
        let client = reqwest::Client::builder().timeout(IN_TIME).build().unwrap();
        client.get(url).send().await.unwrap().status().as_u16()
    }

    /// Refused in time, with a reason; nothing hangs and nothing is a fault of ours.
    async fn refused(what: &str, call: impl Future<Output = Result<(), Status>>) {
        let started = Instant::now();
        let Err(status) = call.await else { panic!("{what}: answered") };
        let took = started.elapsed();
        assert!(took < IN_TIME, "{what}: {took:?}");
        let reason = reason_of(&status);
        assert!([Code::Unavailable, Code::DeadlineExceeded].contains(&status.code()), "{what}: {status:?}");
        assert!(!reason.starts_with("no reason"), "{what}: {reason}");
    }

    async fn back<F: Future<Output = Result<(), Status>>>(what: &str, mut call: impl FnMut() -> F) {
        within(BACK_WITHIN, what, || {
            let call = call();
            async { call.await.ok() }
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_server_goes_away_and_comes_back() {
        let (mut redis, mut postgres, mut rabbit) =
            tokio::join!(OwnRedis::start(), OwnPostgres::start(), OwnRabbit::start());
        let servers = Servers { redis: redis.url(), amqp: rabbit.url(), postgres: postgres.url() };
        with_servers(servers, async |real| {
            let stack = &real.stack;
            let (receiver, secret) = Receiver::registered(stack, &["session.*", "session.refreshed"]).await;

            // Redis: sessions are refused, the directory goes on.
            redis.kill().await;
            refused("a list without Redis", list_sessions(stack)).await;
            refused("a sign-in without Redis", login(stack)).await;
            list_endpoints(stack).await.unwrap();
            redis.restart().await;
            back("sessions after Redis is back", || list_sessions(stack)).await;
            back("sign-in after Redis is back", || login(stack)).await;
            redis.freeze(true);
            refused("a list while Redis hangs", list_sessions(stack)).await;
            redis.freeze(false);
            back("sessions after Redis goes on", || list_sessions(stack)).await;

            // PostgreSQL: sign-ins and endpoints are refused, sessions go on.
            postgres.kill().await;
            refused("a sign-in without PostgreSQL", login(stack)).await;
            refused("endpoints without PostgreSQL", list_endpoints(stack)).await;
            assert_eq!(authorize(stack).await, 503);
            let mut acknowledged = lives(stack, 5).await;
            postgres.restart().await;
            back("sign-in after PostgreSQL is back", || login(stack)).await;
            back("endpoints after PostgreSQL is back", || list_endpoints(stack)).await;
            all_told(stack, &receiver, &acknowledged, BACK_WITHIN).await;

            // RabbitMQ: calls go on, events follow.
            rabbit.kill().await;
            acknowledged.extend(lives(stack, 30).await);
            login(stack).await.unwrap();
            let told = receiver.counts().len();
            rabbit.restart().await;
            all_told(stack, &receiver, &acknowledged, BACK_WITHIN).await;
            assert!(receiver.counts().len() >= told + 90);
            receiver.verify(&secret);
            let get = GetSessionRequest { session_id: acknowledged.keys().next().unwrap().clone() };
            assert!(stack.sessions().get_session(get).await.is_ok());
        })
        .await;
    }
}
