//! Devices that wait for their users.

use std::{sync::Arc, time::Duration};

use auth_svc::{
    domain::device::{DEVICE_LIFETIME, Decision, Device, DeviceRequest},
    ports::Store,
};
use svc_kit::clock::Timestamp;

use super::on_both_stores;
use crate::support::at_once;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const RACERS: usize = 16;

on_both_stores!(
    a_device_is_found_by_either_code,
    two_devices_never_show_one_code_at_a_time,
    of_many_changes_at_once_one_counts,
);

fn device(number: u8, user_code: u8) -> Device {
    let request = DeviceRequest {
        tenant: "one".to_owned(),
        client_id: "tv".to_owned(),
        scopes: vec!["openid".to_owned()],
        resources: vec!["https://api.example/".to_owned()],
        interval_s: 5,
        asked_at: Some(NOW),
        decision: Decision::Open,
    };
    let expires_at = NOW.saturating_add(DEVICE_LIFETIME);
    Device { hash: [number; 32], user_code: [user_code; 32], request, expires_at, revision: 0 }
}

async fn a_device_is_found_by_either_code<S: Store>(store: Arc<S>) {
    let one = device(1, 11);
    assert!(store.add_device(&one, NOW).await.unwrap());
    assert!(store.add_device(&device(2, 12), NOW).await.unwrap());
    assert_eq!(store.device([1; 32]).await.unwrap(), Some(one.clone()));
    assert_eq!(store.device_that_shows([11; 32]).await.unwrap(), Some(one));
    assert_eq!(store.device([11; 32]).await.unwrap(), None);
    assert_eq!(store.device_that_shows([1; 32]).await.unwrap(), None);
}

async fn two_devices_never_show_one_code_at_a_time<S: Store>(store: Arc<S>) {
    assert!(store.add_device(&device(1, 11), NOW).await.unwrap());
    assert!(!store.add_device(&device(2, 11), NOW).await.unwrap());
    assert!(!store.add_device(&device(1, 12), NOW).await.unwrap());
    let end = NOW.saturating_add(DEVICE_LIFETIME);
    let just_before = end.saturating_sub(Duration::from_millis(1));
    assert!(!store.add_device(&device(2, 11), just_before).await.unwrap());
    // Those that gave up are forgotten, and their codes free.
    assert!(store.add_device(&device(2, 11), end).await.unwrap());
    assert_eq!(store.device([1; 32]).await.unwrap(), None);
}

async fn of_many_changes_at_once_one_counts<S: Store>(store: Arc<S>) {
    assert!(store.add_device(&device(1, 11), NOW).await.unwrap());
    let read = store.device([1; 32]).await.unwrap().unwrap();
    let work = (0..RACERS).map(|_| {
        let (store, mut device) = (store.clone(), read.clone());
        device.request.decision = Decision::Denied;
        async move { store.replace_device(&device).await.unwrap() }
    });
    assert_eq!(at_once(work).await.into_iter().filter(|is_replaced| *is_replaced).count(), 1);
    let then = store.device([1; 32]).await.unwrap().unwrap();
    assert_eq!((then.request.decision, then.revision), (Decision::Denied, read.revision + 1));
    assert!(!store.replace_device(&device(3, 13)).await.unwrap(), "one that is not there");
}
