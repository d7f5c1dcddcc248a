//! A replica whose clock is not the store's.

use svc_kit::clock::{Clock as _, SystemClock};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::Code;

use crate::support::*;

async fn readiness(service: &Service) -> String {
    let mut stream = TcpStream::connect(service.running.ops_addr).await.unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_a_wrong_clock_serves_nobody_until_it_is_right() {
    let allowed = ("LATCHKEY_STORE__CLOCK_SKEW_MAX", "2s".to_owned());
    let service = Service::start_with(Store::Redis, &[allowed]).await;
    let mut client = service.operator();
    // The clock of the tests stands still, so it has to be set all the while.
    let is_right = || async {
        service.clock.set(SystemClock.now());
        service.operator().create_session(sso(USER)).await.ok()
    };
    for wrong_by in [3_000, -3_000] {
        let session = eventually("a right clock serves", is_right).await.into_inner().session.unwrap();
        eventually("ready", || async {
            service.clock.set(SystemClock.now());
            readiness(&service).await.contains("ok clock").then_some(())
        })
        .await;
        let refused = eventually("a wrong clock is found out", || async {
            let now = SystemClock.now().as_ms() + wrong_by;
            service.clock.set(svc_kit::clock::Timestamp::from_ms(now));
            service.operator().validate_session(by_id(&session.id)).await.err()
        });
        assert_refused::<()>(Err(refused.await), Code::Unavailable, "SKEW");
        let revoked = revoke(&mut client, &session.id).await;
        assert_refused(revoked, Code::Unavailable, "SKEW");
        let answer = readiness(&service).await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("not ok clock"), "{answer}");
    }
    assert!(svc_kit::telemetry::metrics::render().contains("store_clock_skew_seconds"));
}
