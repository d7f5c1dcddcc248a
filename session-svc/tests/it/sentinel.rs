//! Sentinel: the primary dies, another one takes over, and nobody restarts the service.

mod heavy {
    use crate::support::{sentinels::Sentinels, *};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_service_follows_the_primary() {
        let mut sentinels = Sentinels::start("sesame").await;
        let settings =
            [("LATCHKEY_STORE__URL", sentinels.url("")), ("LATCHKEY_STORE__SENTINEL_PASSWORD", "sesame".to_owned())];
        let service = Service::start_with(Store::Redis, &settings).await;
        let mut client = service.operator();
        for round in 0..2 {
            let (session, token) = created(&mut client, in_application(USER, APPLICATION)).await;
            let primary = sentinels.primary().await;
            // Both copies have it: what this shows is the way back, not what a failover may lose.
            sentinels.are_equal().await;
            sentinels.servers[primary].kill().await;
            let look = || async { service.operator().validate_session(by_id(&session.id)).await.ok() };
            let validated = eventually("the service is back", look).await.into_inner();
            assert!(validated.active, "round {round}");
            let refreshed =
                eventually("commits are back", || async { refresh(&mut service.operator(), &token).await.ok() });
            assert_eq!(refreshed.await.session.unwrap().generation, 2);
            let types = ["session.created", "session.refreshed"];
            service.events.are(&session.id, &types).await;
            sentinels.servers[primary].restart().await;
            sentinels.are_equal().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_wrong_password_or_name_is_found_at_the_start() {
        let sentinels = Sentinels::start("sesame").await;
        let wrong = [("LATCHKEY_STORE__URL", sentinels.url("")), ("LATCHKEY_STORE__SENTINEL_PASSWORD", "x".to_owned())];
        assert!(Service::try_start(Store::Redis, &wrong).await.is_err());
        let url = sentinels.url("").replace("/main/", "/other/");
        let wrong = [("LATCHKEY_STORE__URL", url), ("LATCHKEY_STORE__SENTINEL_PASSWORD", "sesame".to_owned())];
        assert!(Service::try_start(Store::Redis, &wrong).await.is_err());
    }
}
