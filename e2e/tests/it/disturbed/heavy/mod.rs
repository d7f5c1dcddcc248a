//! What disturbs people, and that they get on.

mod people;

use std::time::Duration;

use proto::auth::v1::{
    ListSigningKeysRequest, RevokeKeyRequest, RotateKeyRequest, SigningAlgorithm, SigningKey, SigningKeyState,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use self::people::People;
use crate::support::{OwnPostgres, Proxy, Real, Servers, Service, Stack, with_real, with_servers, within};

/// Longest until each process has looked after its keys again.
const LOOKED_WITHIN: Duration = Duration::from_secs(30);

async fn sql(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
}

/// The key of access tokens in a state, if there is one.
async fn key(stack: &Stack, state: SigningKeyState) -> Option<SigningKey> {
    let listed = stack.signing_keys().list_signing_keys(ListSigningKeysRequest::default()).await.unwrap();
    let is_it = |key: &SigningKey| key.algorithm() == SigningAlgorithm::Rs256 && key.state() == state;
    listed.into_inner().keys.into_iter().find(is_it)
}

/// Makes the next key, and lets it sign as if it had been published for long enough.
async fn rotate(real: &Real) {
    let before = key(&real.stack, SigningKeyState::Active).await.unwrap().id;
    let request = RotateKeyRequest { algorithm: SigningAlgorithm::Rs256.into() };
    real.stack.signing_keys().rotate_key(request).await.unwrap();
    let later = "UPDATE signing_key SET since_ms = since_ms - 900000 WHERE state = 'pending'";
    sql(&real.auth_database(), later).await;
    within(LOOKED_WITHIN, "the next key signs", || async {
        let active = key(&real.stack, SigningKeyState::Active).await;
        active.filter(|active| active.id != before).map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_and_revoked() {
    with_real(async |real| {
        let people = People::begin(&real.stack).await;
        people.go_on().await;
        for _ in 0..2 {
            rotate(real).await;
            people.go_on().await;
        }
        people.have_met_no_refusal();
        // What a revoked key signed is refused; signing in or refreshing once more helps.
        for _ in 0..2 {
            let leaked = key(&real.stack, SigningKeyState::Active).await.unwrap().id;
            let request = RevokeKeyRequest { signing_key_id: leaked };
            real.stack.signing_keys().revoke_key(request).await.unwrap();
            people.go_on().await;
        }
        people.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_killed() {
    with_real(async |real| {
        let people = People::begin(&real.stack).await;
        for service in [Service::Session, Service::Auth, Service::Session, Service::Session, Service::Auth] {
            people.go_on().await;
            real.kill(service).await;
            real.start(service).await;
        }
        people.go_on().await;
        people.have_met_no_refusal();
        people.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_breaks_connections_and_crashes() {
    let mut postgres = OwnPostgres::start().await;
    let servers = Servers { postgres: postgres.url(), ..Servers::shared() };
    with_servers(servers, async |real| {
        let people = People::begin(&real.stack).await;
        let everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
                         AND backend_type = 'client backend'";
        for _ in 0..5 {
            people.go_on().await;
            sql(&postgres.url(), everybody).await;
        }
        for _ in 0..2 {
            people.go_on().await;
            postgres.kill().await;
            postgres.restart().await;
        }
        people.go_on().await;
        people.have_met_no_refusal();
        people.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_fails_over() {
    let mut primary = OwnPostgres::start().await;
    let standby = primary.standby().await;
    let proxy = Proxy::start(&primary.address()).await;
    let servers = Servers { postgres: format!("postgres://root@{}/postgres", proxy.addr), ..Servers::shared() };
    with_servers(servers, async |real| {
        let people = People::begin(&real.stack).await;
        people.go_on().await;
        primary.kill().await;
        // Whoever comes now finds one that can only be read.
        proxy.lead_to(&standby.address());
        proxy.cut();
        people.meet_an_outage().await;
        standby.promote().await;
        people.go_on().await;
        people.have_met_no_refusal();
        people.end().await;
    })
    .await;
}
