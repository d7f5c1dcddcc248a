//! A Redis Cluster: everything works on it, also while a primary dies and slots move.

mod heavy {
    use futures::{StreamExt as _, stream};

    use crate::support::{Elsewhere, redis_cluster::RedisCluster};

    /// Tests of the suite that run at the same time.
    const AT_ONCE: usize = 4;

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
