//! Authorization codes.

use std::{sync::Arc, time::Duration};

use auth_svc::{
    domain::grant::{CODE_LIFETIME, Grant},
    ports::{Store, TakenCode},
};
use svc_kit::{clock::Timestamp, secret::sha256};

use super::on_both_stores;
use crate::support::at_once;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const RACERS: usize = 16;

on_both_stores!(
    a_code_is_good_once_and_tells_what_it_led_to,
    a_code_ends_with_its_last_moment,
    of_many_that_present_a_code_at_once_one_gets_the_grant,
);

async fn added<S: Store>(store: &S, code: &str) -> ([u8; 32], Box<Grant>) {
    let grant: Grant = serde_json::from_value(serde_json::json!({
        "tenant": "one", "client_id": "web", "user_id": "user_x", "redirect_uri": "https://web.example/cb?x=1",
        "scopes": ["openid"], "nonce": "n", "challenge": "c", "sso_session": "sess_x",
        "authenticated_at": NOW.as_ms(), "epoch": 3
    }))
    .unwrap();
    let hash = sha256(code.as_bytes());
    store.add_code(hash, &grant, NOW, NOW.saturating_add(CODE_LIFETIME)).await.unwrap();
    (hash, Box::new(grant))
}

async fn a_code_is_good_once_and_tells_what_it_led_to<S: Store>(store: Arc<S>) {
    let (hash, grant) = added(&*store, "code").await;
    assert_eq!(store.take_code(sha256(b"other"), NOW).await.unwrap(), TakenCode::Unknown);
    assert_eq!(store.take_code(hash, NOW).await.unwrap(), TakenCode::Good(grant));
    assert_eq!(store.take_code(hash, NOW).await.unwrap(), TakenCode::Spent(String::new()));
    store.code_led_to(hash, "sess_y").await.unwrap();
    let late = NOW.saturating_add(CODE_LIFETIME * 2);
    assert_eq!(store.take_code(hash, late).await.unwrap(), TakenCode::Spent("sess_y".to_owned()));
}

async fn a_code_ends_with_its_last_moment<S: Store>(store: Arc<S>) {
    let end = NOW.saturating_add(CODE_LIFETIME);
    let (early, grant) = added(&*store, "early").await;
    let (late, _) = added(&*store, "late").await;
    assert_eq!(store.take_code(late, end).await.unwrap(), TakenCode::Unknown);
    let just_before = end.saturating_sub(Duration::from_millis(1));
    assert_eq!(store.take_code(early, just_before).await.unwrap(), TakenCode::Good(grant));
}

async fn of_many_that_present_a_code_at_once_one_gets_the_grant<S: Store>(store: Arc<S>) {
    let (hash, _) = added(&*store, "code").await;
    let work = (0..RACERS).map(|_| {
        let store = store.clone();
        async move { matches!(store.take_code(hash, NOW).await.unwrap(), TakenCode::Good(_)) }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|is_good| *is_good).count(), 1);
}
