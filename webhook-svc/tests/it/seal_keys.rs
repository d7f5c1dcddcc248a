//! A sealing key is replaced while endpoints have secrets that were sealed under the one before.

use proto::webhook::v1::{CreateEndpointRequest, EndpointHeader, RotateSecretRequest, UpdateEndpointRequest};
use sqlx::PgPool;

use crate::support::{
    database,
    sink::{Received, Sink},
    stack::{StackBuilder, session_revoked},
};

const HEADER: &str = "Bearer hunter2-and-more";

fn key(id: u8, digit: char) -> String {
    format!("{id}:{}", digit.to_string().repeat(64))
}

fn is_signed(received: &Received, secret: &str) -> bool {
    let webhook = standardwebhooks::Webhook::new(secret).unwrap();
    webhook.verify(&received.body, &received.headers).is_ok() && received.header("authorization") == HEADER
}

/// The endpoints that still need this key, as docs/operations.md asks for them.
async fn needing(pool: &PgPool, key: i32) -> Vec<String> {
    let document = include_str!("../../../docs/operations.md");
    let (_, rest) = document.split_once("```sql\n-- Endpoints that still need a sealing key").unwrap();
    let (_, statement) = rest.split_once('\n').unwrap();
    let (statement, _) = statement.split_once("```").unwrap();
    let statement = statement.replace(":key", "$1").replace(';', "");
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(key).fetch_all(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_before_is_opened_and_what_is_made_now_is_sealed_under_the_new_key() {
    database::with_database(|url| async move {
        let (sink, one, two) = (Sink::start().await, key(1, 'a'), key(2, 'b'));
        let start = async |keys: String| StackBuilder::postgres(&url).set("SEAL__KEYS", keys).start().await;
        let header = EndpointHeader { name: "authorization".to_owned(), value: HEADER.to_owned(), secret: true };
        let stack = start(one.clone()).await;
        let create = CreateEndpointRequest {
            tenant_id: "acme".to_owned(),
            url: sink.url.clone(),
            headers: vec![header.clone()],
            ..Default::default()
        };
        let created = stack.endpoints().create_endpoint(create).await.unwrap().into_inner();
        let (endpoint, first) = (created.endpoint.unwrap(), created.secret);
        stack.stop().await;

        let stack = start(format!("{two},{one}")).await;
        stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
        assert!(is_signed(&sink.wait_for(1).await[0], &first));
        let pool = database::pool(&url).await;
        assert_eq!((needing(&pool, 1).await, needing(&pool, 2).await.len()), (vec![endpoint.id.clone()], 0));
        let rotate = RotateSecretRequest {
            endpoint_id: endpoint.id.clone(),
            overlap: Some(prost_types::Duration { seconds: 0, nanos: 0 }),
        };
        let second = stack.endpoints().rotate_secret(rotate).await.unwrap().into_inner().secret;
        let sealed_under: i32 =
            sqlx::query_scalar("SELECT get_byte(secret, 1) FROM endpoint").fetch_one(&pool).await.unwrap();
        assert_eq!(sealed_under, 2);
        stack.publish(&[session_revoked("acme", "e2", "sess_2")]).await;
        assert!(is_signed(&sink.wait_for(2).await[1], &second));
        assert_eq!(needing(&pool, 1).await, [endpoint.id.as_str()], "its header");
        let mut changed = endpoint.clone();
        changed.headers = vec![header];
        let update_mask = Some(prost_types::FieldMask { paths: vec!["headers".to_owned()] });
        let change = UpdateEndpointRequest { endpoint: Some(changed), update_mask };
        stack.endpoints().update_endpoint(change).await.unwrap();
        assert!(needing(&pool, 1).await.is_empty());
        pool.close().await;
        stack.stop().await;

        // Now the old key can go.
        let stack = start(two).await;
        stack.publish(&[session_revoked("acme", "e3", "sess_3")]).await;
        assert!(is_signed(&sink.wait_for(3).await[2], &second));
        stack.stop().await;
    })
    .await;
}
