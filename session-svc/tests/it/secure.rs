//! A Redis that is reached by TLS, and one that lets us do only what the documentation says we need.

mod heavy {
    use futures::{StreamExt as _, stream};
    use svc_kit::testing::free_port;

    use crate::support::{redis_server::RedisServer, *};

    /// A certificate of this machine, its key, or the certificate of the CA that signed it.
    fn file(name: &str) -> String {
        format!("{}/tests/it/support/tls/{name}.pem", env!("CARGO_MANIFEST_DIR"))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn both_sides_show_certificates() {
        let port = free_port();
        let [tls_port, ca, certificate, key] = [port.to_string(), file("ca"), file("cert"), file("key")];
        let own = ["--tls-port", &tls_port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let others = ["--tls-ca-cert-file", &ca, "--tls-auth-clients", "yes"];
        let _redis = RedisServer::start_with(&[&own[..], &others[..]].concat()).await;
        let url = ("LATCHKEY_STORE__URL", format!("rediss://localhost:{port}/0"));
        let trusting = ("LATCHKEY_STORE__TLS_CA_FILE", ca);
        let shown = [("LATCHKEY_STORE__TLS_CERTIFICATE_FILE", certificate), ("LATCHKEY_STORE__TLS_KEY_FILE", key)];
        let full = [vec![url.clone(), trusting.clone()], shown.to_vec()].concat();
        let service = Service::start_with(Store::Redis, &full).await;
        let (session, _) = created(&mut service.operator(), in_application(USER, APPLICATION)).await;
        service.events.are(&session.id, &["session.created"]).await;
        // Without our certificate the server refuses us; without the CA's we refuse the server.
        assert!(Service::try_start(Store::Redis, &[url.clone(), trusting]).await.is_err());
        assert!(Service::try_start(Store::Redis, &[vec![url], shown.to_vec()].concat()).await.is_err());
    }

    /// The user as the documentation has it, word by word.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_documented_permissions_are_enough() {
        let documentation = include_str!("../../../docs/operations.md");
        let line = documentation.lines().find(|line| line.starts_with("user latchkey ")).expect("it is documented");
        assert!(line.contains("-@all") && !line.contains("+@"), "no more than is needed: {line}");
        let words: Vec<String> = line.split(' ').skip(1).map(|word| word.replace("SECRET", "sesame")).collect();
        let redis = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "no"]).await;
        redis.ask::<()>(redis::cmd("ACL").arg("SETUSER").arg(words)).await.unwrap();
        let url = format!("redis://latchkey:sesame@127.0.0.1:{}/0", redis.port());
        let suite = [
            crate::create::elsewhere,
            crate::list::elsewhere,
            crate::policies::elsewhere,
            crate::refresh::elsewhere,
            crate::revoke_many::elsewhere,
            crate::scope::elsewhere,
            crate::session_limit::elsewhere,
        ];
        let suite: Vec<Elsewhere> = suite.iter().flat_map(|tests| tests(&url)).collect();
        let mut running =
            stream::iter(suite).map(|(name, test)| async move { (name, tokio::spawn(test).await) }).buffer_unordered(4);
        while let Some((name, result)) = running.next().await {
            assert!(result.is_ok(), "{name}");
        }
        let refused: Vec<Vec<(String, redis::Value)>> =
            redis.ask(redis::cmd("ACL").arg("LOG")).await.unwrap_or_default();
        assert!(refused.is_empty(), "{refused:?}");
    }
}
