//! Endpoints: stored whole, changed by one at a time, and gone with what waited for them.

use std::{sync::Arc, time::Duration};

use webhook_svc::{
    domain::{
        delivery::State,
        endpoint::{Endpoint, Manner},
        headers::{CustomHeader, HeaderName, Kept},
        logout::LogoutAddress,
        payload::Profile,
        schedule::Schedule,
        signature::PublicKey,
        signing::{Rotating, SealedKey, Signing},
    },
    ports::{DeliveryQuery, DeliveryStore},
};

use super::on_both_stores;
use crate::support::{
    at_once,
    fixtures::{TENANT, at, claim, endpoint, event, next_due, taken},
};

on_both_stores!(
    an_endpoint_is_read_back_as_it_was_stored,
    what_signs_and_how_is_stored_from_the_start_and_can_be_dropped,
    endpoints_are_listed_by_id_within_their_tenant,
    only_enabled_webhook_endpoints_take_room_in_their_list,
    a_tenant_has_no_more_endpoints_than_allowed,
    of_two_changes_to_the_same_state_one_wins,
    disabling_an_endpoint_cancels_what_waits_for_it,
    deleting_an_endpoint_cancels_what_waits_and_keeps_its_history,
    a_result_after_the_end_of_its_endpoint_does_not_count,
    an_event_racing_with_a_deletion_leaves_nothing_waiting,
);

/// How the deliveries of the tenant stand.
async fn states<S: DeliveryStore>(store: &S) -> Vec<State> {
    let query = DeliveryQuery { tenant: TENANT.to_owned(), endpoint: None, state: None, after: None, limit: 1_000 };
    store.deliveries(&query).await.unwrap().into_iter().map(|delivery| delivery.state).collect()
}

async fn an_endpoint_is_read_back_as_it_was_stored<S: DeliveryStore>(store: Arc<S>) {
    let mut whole = endpoint();
    whole.applications = vec!["app_shop".to_owned(), "app_mail".to_owned()];
    whole.description = "emoji 🎉, quotes ' \" and \u{2028}".to_owned();
    assert!(store.add_endpoint(&whole, 10).await.unwrap());
    assert_eq!(store.endpoint(&whole.id).await.unwrap().as_ref(), Some(&whole));
    let seen = whole.updated_at;
    whole.url = "https://other.example/".to_owned();
    whole.signing = signing();
    whole.manner = manner();
    whole.disabled = Some("GONE".to_owned());
    whole.paused_at = Some(at(7));
    whole.updated_at = at(1);
    assert!(store.put_endpoint(&whole, seen).await.unwrap());
    assert_eq!(store.endpoint(&whole.id).await.unwrap(), Some(whole));
    assert_eq!(store.endpoint(&endpoint().id).await.unwrap(), None);
}

fn signing() -> Signing {
    let key = |byte| SealedKey { public: PublicKey::from_bytes(&[byte; 32]).unwrap(), seed: vec![byte; 60] };
    Signing {
        secrets: Some(Rotating::new(vec![1, 2, 3]).replaced_by(vec![9; 40], at(86_400_000))),
        keys: Some(Rotating::new(key(1)).replaced_by(key(2), at(3_600_000))),
    }
}

fn manner() -> Manner {
    let header = |name, value| CustomHeader { name: HeaderName::parse(name).unwrap(), value };
    Manner {
        headers: vec![
            header("authorization", Kept::Sealed(vec![0, 255, 7])),
            header("x-plain", Kept::Plain("a \"b\" \\ c".to_owned())),
        ],
        profile: Profile::Ids,
        schedule: Some(Schedule::new(vec![Duration::from_secs(1), Duration::from_secs(7 * 86_400)]).unwrap()),
    }
}

async fn what_signs_and_how_is_stored_from_the_start_and_can_be_dropped<S: DeliveryStore>(store: Arc<S>) {
    let keys = signing().keys;
    let mut only_key = Endpoint { signing: Signing { secrets: None, keys }, manner: manner(), ..endpoint() };
    assert!(store.add_endpoint(&only_key, 10).await.unwrap());
    assert_eq!(store.endpoint(&only_key.id).await.unwrap().as_ref(), Some(&only_key));
    let seen = only_key.updated_at;
    let secrets = Some(Rotating::new(vec![4; 40]));
    (only_key.signing, only_key.manner) = (Signing { secrets, keys: None }, Manner::default());
    only_key.updated_at = at(1);
    assert!(store.put_endpoint(&only_key, seen).await.unwrap());
    assert_eq!(store.endpoint(&only_key.id).await.unwrap(), Some(only_key));
}

async fn endpoints_are_listed_by_id_within_their_tenant<S: DeliveryStore>(store: Arc<S>) {
    let mut mine = Vec::new();
    for _ in 0..5 {
        let (own, other) = (endpoint(), Endpoint { tenant: "other".to_owned(), ..endpoint() });
        store.add_endpoint(&own, 10).await.unwrap();
        store.add_endpoint(&other, 10).await.unwrap();
        mine.push(own.id);
    }
    mine.sort();
    let page = async |after: Option<&_>, limit| {
        let page = store.endpoints(TENANT, after, limit).await.unwrap();
        page.into_iter().map(|endpoint| endpoint.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 100).await, mine);
    assert_eq!(page(None, 2).await, mine[..2]);
    assert_eq!(page(Some(&mine[1]), 100).await, mine[2..]);
    assert!(page(Some(&mine[4]), 100).await.is_empty());
}

async fn only_enabled_webhook_endpoints_take_room_in_their_list<S: DeliveryStore>(store: Arc<S>) {
    for n in 0..20 {
        let (tenant, application) = (TENANT.to_owned(), format!("app_{n}"));
        let url = Some("https://shop.example/logout".to_owned());
        store.put_logout_address(&LogoutAddress { tenant, application, url, at: at(1) }).await.unwrap();
        let mut disabled = endpoint();
        assert!(store.add_endpoint(&disabled, 100).await.unwrap());
        (disabled.disabled, disabled.updated_at) = (Some("GONE".to_owned()), at(1));
        assert!(store.put_endpoint(&disabled, endpoint().updated_at).await.unwrap());
    }
    let mut webhooks = [endpoint(), endpoint(), endpoint()];
    webhooks.sort_by(|one, other| one.id.cmp(&other.id));
    for webhook in webhooks.iter().chain([&Endpoint { tenant: "other".to_owned(), ..endpoint() }]) {
        assert!(store.add_endpoint(webhook, 100).await.unwrap());
    }
    assert_eq!(store.webhook_endpoints(TENANT, 3).await.unwrap(), webhooks);
    assert_eq!(store.webhook_endpoints(TENANT, 2).await.unwrap(), webhooks[..2]);
}

async fn a_tenant_has_no_more_endpoints_than_allowed<S: DeliveryStore>(store: Arc<S>) {
    let adds = (0..30).map(|_| {
        let store = store.clone();
        async move { store.add_endpoint(&endpoint(), 7).await.unwrap() }
    });
    let added = at_once(adds).await.into_iter().filter(|is_added| *is_added).count();
    assert_eq!(added, 7);
    let elsewhere = Endpoint { tenant: "other".to_owned(), ..endpoint() };
    assert!(store.add_endpoint(&elsewhere, 7).await.unwrap());
}

async fn of_two_changes_to_the_same_state_one_wins<S: DeliveryStore>(store: Arc<S>) {
    let original = endpoint();
    store.add_endpoint(&original, 10).await.unwrap();
    let puts = (0..20u32).map(|n| {
        let (store, seen) = (store.clone(), original.updated_at);
        let changed = Endpoint { description: n.to_string(), updated_at: at(1), ..original.clone() };
        async move { store.put_endpoint(&changed, seen).await.unwrap() }
    });
    let won: Vec<usize> = (0..).zip(at_once(puts).await).filter(|(_, won)| *won).map(|(n, _)| n).collect();
    assert_eq!(won.len(), 1);
    let stored = store.endpoint(&original.id).await.unwrap().unwrap();
    assert_eq!(stored.description, won[0].to_string());
}

async fn disabling_an_endpoint_cancels_what_waits_for_it<S: DeliveryStore>(store: Arc<S>) {
    let (kept, mut disabled) = (endpoint(), endpoint());
    store.add_endpoint(&kept, 10).await.unwrap();
    store.add_endpoint(&disabled, 10).await.unwrap();
    store.accept(&[event("e1")]).await.unwrap();
    let seen = disabled.updated_at;
    (disabled.disabled, disabled.updated_at) = (Some("DISABLED_BY_CALLER".to_owned()), at(1));
    // A change that lost its race cancels nothing.
    assert!(!store.put_endpoint(&disabled, at(5)).await.unwrap());
    assert_eq!(states(&*store).await, [State::Pending; 2]);
    assert!(store.put_endpoint(&disabled, seen).await.unwrap());
    store.accept(&[event("e2")]).await.unwrap();
    let claimed = claim(&*store, at(2)).await;
    assert_eq!(claimed.len(), 2);
    assert!(claimed.iter().all(|claim| claim.endpoint.id == kept.id));
    assert_eq!(states(&*store).await.iter().filter(|state| **state == State::Cancelled).count(), 1);
}

async fn deleting_an_endpoint_cancels_what_waits_and_keeps_its_history<S: DeliveryStore>(store: Arc<S>) {
    let gone = endpoint();
    store.add_endpoint(&gone, 10).await.unwrap();
    store.accept(&[event("e1"), event("e2")]).await.unwrap();
    let done = claim(&*store, at(1)).await.remove(0);
    assert!(store.record(&done, taken()).await.unwrap());
    assert!(store.delete_endpoint(&gone.id).await.unwrap());
    assert!(!store.delete_endpoint(&gone.id).await.unwrap());
    let mut left = states(&*store).await;
    left.sort_by_key(|state| *state == State::Cancelled);
    assert_eq!(left, [State::Succeeded, State::Cancelled]);
    assert!(claim(&*store, at(1_000_000)).await.is_empty());
    assert_eq!(next_due(&*store).await, None);
}

async fn a_result_after_the_end_of_its_endpoint_does_not_count<S: DeliveryStore>(store: Arc<S>) {
    let gone = endpoint();
    store.add_endpoint(&gone, 10).await.unwrap();
    store.accept(&[event("e1")]).await.unwrap();
    let under_way = claim(&*store, at(1)).await.remove(0);
    store.delete_endpoint(&gone.id).await.unwrap();
    assert!(!store.record(&under_way, taken()).await.unwrap());
    assert_eq!(states(&*store).await, [State::Cancelled]);
}

async fn an_event_racing_with_a_deletion_leaves_nothing_waiting<S: DeliveryStore>(store: Arc<S>) {
    for round in 0..30 {
        let racing = endpoint();
        store.add_endpoint(&racing, 100).await.unwrap();
        let accepting = store.clone();
        let accept = tokio::spawn(async move { accepting.accept(&[event(&format!("e{round}"))]).await.unwrap() });
        store.delete_endpoint(&racing.id).await.unwrap();
        assert_eq!(accept.await.unwrap(), 1);
        assert!(!states(&*store).await.contains(&State::Pending), "round {round}");
        assert_eq!(next_due(&*store).await, None);
    }
}
