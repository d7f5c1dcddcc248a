//! `SigningKeyService`: keys are shown, and replaced while tokens are signed.

use std::time::Duration;

use auth_svc::domain::keys::PUBLISHED_FOR;
use proto::auth::v1::{
    ListAuditEventsRequest, ListSigningKeysRequest, ListUsersRequest, RevokeKeyRequest, RotateKeyRequest,
    SigningAlgorithm, SigningKey, SigningKeyState,
};
use proto::event::v1::event::Data;
use tonic::Code;

use super::on_both;
use crate::support::service::{OPERATOR_KEY, Service, field_of, reason_of};

on_both!(
    the_keys_of_every_algorithm_are_listed_page_by_page,
    a_key_is_replaced_step_by_step,
    a_key_that_leaked_is_gone_at_once_and_so_is_what_it_signed,
    what_waits_takes_over_and_what_does_not_sign_is_only_removed,
    the_keys_are_nobodys_but_the_operators,
);

async fn listed(service: &Service) -> Vec<SigningKey> {
    let request = ListSigningKeysRequest::default();
    service.signing_keys(OPERATOR_KEY).list_signing_keys(request).await.unwrap().into_inner().keys
}

async fn rotated(service: &Service) -> (SigningKey, bool) {
    let request = RotateKeyRequest { algorithm: SigningAlgorithm::Es256.into() };
    let answer = service.signing_keys(OPERATOR_KEY).rotate_key(request).await.unwrap().into_inner();
    (answer.key.unwrap(), answer.already_pending)
}

async fn published(service: &Service) -> usize {
    let jwks = reqwest::get(format!("{}/jwks", service.running.issuer)).await.unwrap();
    jwks.json::<serde_json::Value>().await.unwrap()["keys"].as_array().unwrap().len()
}

/// The keys of ES256 in a state.
async fn ids(service: &Service, state: SigningKeyState) -> Vec<String> {
    let es256 = listed(service).await.into_iter().filter(|key| key.algorithm() == SigningAlgorithm::Es256);
    es256.filter(|key| key.state() == state).map(|key| key.id).collect()
}

async fn actions(service: &Service) -> Vec<(String, String, String)> {
    let request = ListAuditEventsRequest {
        tenant_id: "default".to_owned(),
        action: "key".to_owned(),
        ..ListAuditEventsRequest::default()
    };
    let entries = service.audit(OPERATOR_KEY).list_audit_events(request).await.unwrap().into_inner().audit_events;
    entries.into_iter().rev().map(|entry| (entry.action, entry.subject, entry.actor)).collect()
}

async fn the_keys_of_every_algorithm_are_listed_page_by_page(service: &Service) {
    let keys = listed(service).await;
    let mut algorithms: Vec<i32> = keys.iter().map(|key| key.algorithm).collect();
    algorithms.sort_unstable();
    assert_eq!(algorithms, [1, 2, 3]);
    for key in &keys {
        assert_eq!(key.state(), SigningKeyState::Active);
        assert!(key.created_at.is_some() && key.state_since.is_some(), "{key:?}");
        let life = key.state_until.unwrap().seconds - key.state_since.unwrap().seconds;
        assert_eq!(life, 90 * 24 * 3600);
    }
    let mut paged = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListSigningKeysRequest { page_size: 2, page_token };
        let page = service.signing_keys(OPERATOR_KEY).list_signing_keys(request).await.unwrap().into_inner();
        paged.extend(page.keys);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, keys);
}

async fn a_key_is_replaced_step_by_step(service: &Service) {
    let old = ids(service, SigningKeyState::Active).await;
    let (next, already) = rotated(service).await;
    assert_eq!((next.state(), already), (SigningKeyState::Pending, false));
    assert_eq!(rotated(service).await, (next.clone(), true), "one waits already");
    assert_eq!(ids(service, SigningKeyState::Active).await, old);
    assert_eq!(published(service).await, 4);
    // When it was published for long enough, it signs; then another one can be made.
    service.clock.advance(PUBLISHED_FOR - Duration::from_millis(1));
    assert_eq!(rotated(service).await, (next.clone(), true));
    service.clock.advance(Duration::from_millis(1));
    let (third, already) = rotated(service).await;
    assert!(third.id != next.id && !already);
    assert_eq!(ids(service, SigningKeyState::Active).await, std::slice::from_ref(&next.id));
    assert_eq!(ids(service, SigningKeyState::Retiring).await, old);
    assert_eq!(published(service).await, 5);
    let event = service.event("key.rotated", &next.id).await;
    assert_eq!((event.tenant_id.as_str(), event.actor.as_str()), ("default", ""));
    let told = actions(service).await;
    for (action, subject, actor) in [
        ("key.created", &old[0], ""),
        ("key.created", &next.id, "operator:dev"),
        ("key.rotated", &next.id, ""),
        ("key.created", &third.id, "operator:dev"),
    ] {
        let entry = (action.to_owned(), subject.clone(), actor.to_owned());
        assert_eq!(told.iter().filter(|told| **told == entry).count(), 1, "{entry:?}: {told:?}");
    }
    // That one was made is on record, and told to nobody.
    assert!(!service.events.all().iter().any(|event| event.r#type == "key.created"));
}

async fn revoked(service: &Service, id: &str) -> SigningKey {
    let request = RevokeKeyRequest { signing_key_id: id.to_owned() };
    let answer = service.signing_keys(OPERATOR_KEY).revoke_key(request).await.unwrap().into_inner();
    answer.active_key.unwrap()
}

async fn a_key_that_leaked_is_gone_at_once_and_so_is_what_it_signed(service: &Service) {
    let is_rs256 = |key: &SigningKey| key.algorithm() == SigningAlgorithm::Rs256;
    let leaked = listed(service).await.into_iter().find(is_rs256).unwrap();
    let token = service.token_of("default", "backend", "backend-secret").await.unwrap();
    let users = || ListUsersRequest { tenant_id: "default".to_owned(), ..ListUsersRequest::default() };
    // Good, and remembered as good.
    for _ in 0..2 {
        service.users(&token).list_users(users()).await.unwrap();
    }
    let next = revoked(service, &leaked.id).await;
    assert!(next.id != leaked.id && next.algorithm() == SigningAlgorithm::Rs256, "{next:?}");
    assert_eq!(next.state(), SigningKeyState::Active);
    let refused = service.users(&token).list_users(users()).await.unwrap_err();
    assert_eq!(reason_of(&refused), "CREDENTIAL_INVALID");
    let jwks = reqwest::get(format!("{}/jwks", service.running.issuer)).await.unwrap().text().await.unwrap();
    assert!(!jwks.contains(&leaked.id) && jwks.contains(&next.id), "{jwks}");
    let good = service.token_of("default", "backend", "backend-secret").await.unwrap();
    service.users(&good).list_users(users()).await.unwrap();
    let event = service.event("key.revoked", &leaked.id).await;
    assert_eq!((event.tenant_id.as_str(), event.actor.as_str()), ("default", "operator:dev"));
    let Some(Data::KeyRevoked(told)) = event.data else { panic!("{event:?}") };
    assert_eq!((told.algorithm.as_str(), told.successor_key_id), ("RS256", next.id));
    let entry = ("key.revoked".to_owned(), leaked.id.clone(), "operator:dev".to_owned());
    assert_eq!(actions(service).await.iter().filter(|told| **told == entry).count(), 1);
    let again = service.signing_keys(OPERATOR_KEY).revoke_key(RevokeKeyRequest { signing_key_id: leaked.id }).await;
    assert_eq!(reason_of(&again.unwrap_err()), "SIGNING_KEY_NOT_FOUND");
}

async fn what_waits_takes_over_and_what_does_not_sign_is_only_removed(service: &Service) {
    let old = ids(service, SigningKeyState::Active).await;
    let (waiting, _) = rotated(service).await;
    assert_eq!(revoked(service, &waiting.id).await.id, old[0], "the other one signs on");
    let (waiting, _) = rotated(service).await;
    assert_eq!(revoked(service, &old[0]).await.id, waiting.id);
    assert_eq!(ids(service, SigningKeyState::Active).await, std::slice::from_ref(&waiting.id));
    rotated(service).await;
    service.clock.advance(PUBLISHED_FOR);
    rotated(service).await;
    assert_eq!(ids(service, SigningKeyState::Retiring).await, std::slice::from_ref(&waiting.id));
    revoked(service, &waiting.id).await;
    assert!(ids(service, SigningKeyState::Retiring).await.is_empty());
    assert_eq!(published(service).await, 4, "three that sign, and one that waits");
}

async fn the_keys_are_nobodys_but_the_operators(service: &Service) {
    let token = service.token_of("default", "backend", "backend-secret").await.unwrap();
    let mut client = service.signing_keys(&token);
    let refused = client.list_signing_keys(ListSigningKeysRequest::default()).await.unwrap_err();
    assert_eq!(reason_of(&refused), "TENANT_MISMATCH");
    let request = RotateKeyRequest { algorithm: SigningAlgorithm::Es256.into() };
    assert_eq!(reason_of(&client.rotate_key(request).await.unwrap_err()), "TENANT_MISMATCH");
    let request = RevokeKeyRequest { signing_key_id: listed(service).await.remove(0).id };
    assert_eq!(reason_of(&client.revoke_key(request).await.unwrap_err()), "TENANT_MISMATCH");
    for id in ["", "../keys", &"k".repeat(65)] {
        let request = RevokeKeyRequest { signing_key_id: id.to_owned() };
        let refused = service.signing_keys(OPERATOR_KEY).revoke_key(request).await.unwrap_err();
        assert_eq!((refused.code(), field_of(&refused)), (Code::InvalidArgument, "signing_key_id".to_owned()));
    }
    for algorithm in [0, 9] {
        let refused = service.signing_keys(OPERATOR_KEY).rotate_key(RotateKeyRequest { algorithm }).await.unwrap_err();
        assert_eq!((refused.code(), field_of(&refused)), (Code::InvalidArgument, "algorithm".to_owned()));
    }
    assert_eq!(listed(service).await.len(), 3);
}
