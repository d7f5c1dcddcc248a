//! A Redis Cluster: everything works on it, also while a primary dies and slots move.

mod heavy {
    use std::{
        sync::{Arc, atomic::Ordering::SeqCst},
        time::{Duration, Instant},
    };

    use futures::{StreamExt as _, future::join_all, stream};
    use session_svc::domain::id::SessionId;
    use tokio::sync::{Notify, Semaphore};
    use tonic::{Code, Status};

    use crate::{
        crash::{Acknowledged, store},
        support::{
            Elsewhere, Service, Store, USER, assert_refused,
            broker::Broker,
            created, end_of, is_active,
            process::Process,
            redis_cluster::RedisCluster,
            refresh,
            service::{OPERATOR_KEY, Setting},
            sso,
        },
    };

    /// The server's deadline, and what a busy machine adds to it.
    const IN_TIME: Duration = Duration::from_secs(4);

    /// Tests of the suite that run at the same time.
    const AT_ONCE: usize = 4;

    /// A deployment that waits for copies.
    fn ha() -> Vec<Setting<'static>> {
        let hash: String =
            svc_kit::secret::sha256(OPERATOR_KEY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        vec![
            ("LATCHKEY_PROFILE", "ha".to_owned()),
            ("LATCHKEY_SESSION__SERVER_KEYS", format!("1:{hash}")),
            ("LATCHKEY_ACCESS__OPERATOR_KEYS", format!("[{{ name = \"test\", token_sha256 = \"{hash}\" }}]")),
        ]
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_acknowledged_is_lost_when_primaries_die_under_load() {
        let mut cluster = RedisCluster::start().await;
        let broker = Broker::start();
        let settings = [ha(), store(cluster.url(), ""), broker.settings().to_vec()].concat();
        let process = Process::start(&settings).await;
        let acknowledged = Acknowledged::default();
        let workers: Vec<_> = (0..6).map(|n| acknowledged.work(&process, format!("user{n}"))).collect();
        for shard in 0..2 {
            acknowledged.grows_by(40).await;
            let mut slot = redis::cmd("CLUSTER");
            slot.arg("KEYSLOT").arg(format!("v1:{{{shard:04x}}}"));
            let slot = cluster.nodes[0].ask(&slot).await.unwrap();
            let victim = cluster.holder(slot).await;
            cluster.nodes[victim].kill().await;
            // Another node takes over; the dead one comes back as its copy.
            cluster.holder(slot).await;
            cluster.is_whole(2).await;
            acknowledged.grows_by(40).await;
            cluster.nodes[victim].restart().await;
            cluster.is_whole(3).await;
        }
        acknowledged.stop.store(true, SeqCst);
        join_all(workers).await;
        assert!(acknowledged.slowest() < IN_TIME, "a call took {:?}", acknowledged.slowest());
        acknowledged.stands(&process).await;
        acknowledged.all_arrive(&broker.events).await;
        process.kill().await;
        broker.stop().await;
    }

    /// A call, and how long it took.
    async fn timed<T>(call: impl Future<Output = Result<T, Status>>) -> (Result<(), Status>, Duration) {
        let began = Instant::now();
        (call.await.map(drop), began.elapsed())
    }

    /// Half of its keys are here and half are there, and no script may touch both.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_changes_sessions_waits_for_a_slot_that_moves_but_not_for_long() {
        let cluster = Arc::new(RedisCluster::start().await);
        let service = Service::start_with(Store::Redis, &[("LATCHKEY_STORE__URL", cluster.url())]).await;
        let mut client = service.operator();
        let mut sessions = Vec::new();
        for _ in 0..10 {
            sessions.push(created(&mut client, sso(USER)).await);
        }
        let (first, token) = sessions[0].clone();
        let mut slot = redis::cmd("CLUSTER");
        slot.arg("KEYSLOT").arg(format!("v1:{{{:04x}}}", SessionId::parse(&first.id).unwrap().shard().0));
        let slot = cluster.nodes[0].ask(&slot).await.unwrap();
        let (half_way, may_end) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let moving = tokio::spawn({
            let (cluster, half_way, may_end) = (cluster.clone(), half_way.clone(), may_end.clone());
            async move {
                let wait = || async {
                    half_way.notify_one();
                    let _ = may_end.acquire().await;
                };
                cluster.move_slot(slot, wait).await;
            }
        });
        half_way.notified().await;
        for (session, _) in &sessions {
            assert!(is_active(&mut client, &session.id).await, "reads go on");
        }
        let [mut creating, mut refreshing, mut revoking] = [client.clone(), client.clone(), client.clone()];
        let (created, refreshed, revoked) = tokio::join!(
            timed(creating.create_session(sso(USER))),
            timed(refresh(&mut refreshing, &token)),
            timed(revoking.revoke_session(end_of(&first.id))),
        );
        for (result, took) in [created, refreshed, revoked] {
            assert_refused(result, Code::Unavailable, "STORE_UNAVAILABLE");
            assert!((Duration::from_secs(1)..IN_TIME).contains(&took), "{took:?}");
        }
        // Nothing of it happened; and what waits when the move ends is done.
        let waiting = tokio::spawn(async move { refresh(&mut refreshing, &token).await });
        may_end.close();
        moving.await.unwrap();
        waiting.await.unwrap().unwrap();
        assert!(is_active(&mut client, &first.id).await);
    }

    /// Every test of an RPC that runs on one Redis runs on six nodes too.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_whole_suite_passes() {
        let cluster = RedisCluster::start().await;
        let url = cluster.url();
        let suite: Vec<Elsewhere> = [
            crate::count::elsewhere,
            crate::create::elsewhere,
            crate::explain::elsewhere,
            crate::get::elsewhere,
            crate::hostile::elsewhere,
            crate::idle_schedule::elsewhere,
            crate::list::elsewhere,
            crate::policies::elsewhere,
            crate::policy_times::elsewhere,
            crate::reauthenticate::elsewhere,
            crate::refresh::elsewhere,
            crate::revoke::elsewhere,
            crate::revoke_many::elsewhere,
            crate::scope::elsewhere,
            crate::session_limit::elsewhere,
            crate::touch::elsewhere,
            crate::update::elsewhere,
            crate::validate::elsewhere,
        ]
        .iter()
        .flat_map(|tests| tests(&url))
        .collect();
        assert!(suite.len() > 90, "{} tests", suite.len());
        let mut running = stream::iter(suite)
            .map(|(name, test)| async move { (name, tokio::spawn(test).await) })
            .buffer_unordered(AT_ONCE);
        let mut failed = Vec::new();
        while let Some((name, result)) = running.next().await {
            failed.extend(result.err().map(|_| name));
        }
        assert!(failed.is_empty(), "{failed:?}");
    }
}
