//! An endpoint that takes nothing for days: who is warned when, and how it ends.

use std::{ops::Range, sync::Arc, time::Duration};

use prost::Message as _;
use proto::event::v1::{EndpointFailing, Event, event::Data};
use secrecy::SecretString;
use serde_json::json;
use svc_kit::clock::{Clock as _, ManualClock, Timestamp};
use webhook_svc::{
    app::Webhooks,
    domain::{
        delivery::{State, Verdict},
        endpoint::EndpointId,
        limits::Concurrency,
        logout::{LogoutAddress, LogoutNotice},
    },
    ports::{
        DeliveryQuery, DeliveryStore as _, EndpointStore as _, LoggedEvent, LogoutTokens, Means, Receipt, Sender,
        Shipment, TokenError,
    },
    store::memory::MemoryStore,
};

use super::{attempt_all, endpoint, webhooks};
use crate::support::fixtures::{START, TENANT, event, next_due};

const HOUR: Duration = Duration::from_secs(3_600);
/// How long a probe may come after something was due: a pause of the breaker, and its jitter.
const PROBE: Duration = Duration::from_secs(18 * 60);

/// Everything is down, always.
struct Down;

impl Sender for Down {
    async fn send(&self, _: &Shipment) -> Receipt {
        Receipt::without_answer(Verdict::Status(503))
    }
}

impl LogoutTokens for Down {
    async fn mint(&self, _: &LogoutNotice) -> Result<SecretString, TokenError> {
        Ok("token".to_owned().into())
    }
}

/// The end of a session, once in each of these hours.
async fn fail_in(webhooks: &Webhooks<MemoryStore>, clock: &ManualClock, hours: Range<u32>) {
    let means = Means { sender: Down, tokens: Down };
    for hour in hours {
        let session = json!({"id": "sess_1", "user_id": "user_ada", "application_id": "app_shop"});
        let payload = json!({"tenant_id": TENANT, "data": {"session": session}}).to_string();
        let received_at = clock.now();
        let one = LoggedEvent { received_at, payload, ..event(&format!("e{hour}")) };
        webhooks.accept(&[one]).await.unwrap();
        let end = START.saturating_add(HOUR * (hour + 1));
        while let Some(due) = next_due(&*webhooks.store).await.filter(|due| *due < end) {
            clock.set(due.max(clock.now()));
            attempt_all(webhooks, &means, clock).await;
        }
        clock.set(end);
    }
}

/// What was said about endpoints, and when.
fn said(webhooks: &Webhooks<MemoryStore>) -> Vec<(Timestamp, Data)> {
    let events = webhooks.store.outbox.waiting();
    let events = events.iter().map(|event| Event::decode(&event.body[..]).unwrap());
    let about = events.filter(|event| event.r#type.starts_with("endpoint."));
    about.map(|event| (Timestamp::from_proto(&event.occurred_at.unwrap()).unwrap(), event.data.unwrap())).collect()
}

/// Asserts that these are the three warnings, each at its time; returns what each says about the end.
fn assert_warned(said: &[(Timestamp, Data)], id: &EndpointId) -> Vec<Option<Timestamp>> {
    let warnings: Vec<(Timestamp, &EndpointFailing)> = said
        .iter()
        .map(|(at, data)| match data {
            Data::EndpointFailing(failing) => (*at, failing),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for ((number, hours), (at, failing)) in (1..).zip([1, 24, 72]).zip(&warnings) {
        let late = at.duration_since(START.saturating_add(HOUR * hours));
        assert!(*at >= START.saturating_add(HOUR * hours) && late <= PROBE, "{number}: {late:?} late");
        assert_eq!((failing.warning, failing.endpoint_id.as_str()), (number, id.as_str()));
        assert_eq!(failing.failing_since, Some(START.to_proto()));
        assert_eq!((failing.last_verdict.as_str(), failing.last_status_code), ("STATUS", 503));
    }
    let end = |failing: &EndpointFailing| failing.disabled_at.as_ref().map(|at| Timestamp::from_proto(at).unwrap());
    warnings.into_iter().map(|(_, failing)| end(failing)).collect()
}

async fn in_state(webhooks: &Webhooks<MemoryStore>, state: State) -> usize {
    let query =
        DeliveryQuery { tenant: TENANT.to_owned(), endpoint: None, state: Some(state), after: None, limit: 1_000 };
    webhooks.store.deliveries(&query).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_warned_about_three_times_and_disabled_after_five_days() {
    let clock = Arc::new(ManualClock::new(START));
    let webhooks = webhooks(clock.clone());
    let id = endpoint(&webhooks, Concurrency::default()).await.id;
    fail_in(&webhooks, &clock, 0..119).await;
    assert_eq!(said(&webhooks).len(), 3, "nobody ends it early");
    assert!(in_state(&webhooks, State::Pending).await > 0);
    fail_in(&webhooks, &clock, 119..123).await;
    let said = said(&webhooks);
    let (warnings, end) = said.split_at(3);
    let disabled_at = START.saturating_add(HOUR * 120);
    assert_eq!(assert_warned(warnings, &id), [Some(disabled_at); 3]);
    let [(at, Data::EndpointDisabled(disabled))] = end else { panic!("{end:?}") };
    assert_eq!((disabled.endpoint_id.as_str(), disabled.reason.as_str()), (id.as_str(), "FAILING"));
    assert!(*at >= disabled_at && at.duration_since(disabled_at) <= PROBE, "{at:?}");
    let stored = webhooks.store.endpoint(&id).await.unwrap().unwrap();
    assert_eq!(stored.disabled.as_deref(), Some("FAILING"));
    assert!(in_state(&webhooks, State::Cancelled).await > 0);
    assert_eq!((in_state(&webhooks, State::Pending).await, next_due(&*webhooks.store).await), (0, None));
}

/// Whoever is to be logged out must not be forgotten.
#[tokio::test(start_paused = true)]
async fn an_endpoint_for_logouts_is_warned_about_and_never_disabled() {
    let clock = Arc::new(ManualClock::new(START));
    let webhooks = webhooks(clock.clone());
    let url = Some("https://shop.example/logout".to_owned());
    let address = LogoutAddress { tenant: TENANT.to_owned(), application: "app_shop".to_owned(), url, at: START };
    webhooks.store.put_logout_address(&address).await.unwrap();
    let id = address.endpoint().id;
    fail_in(&webhooks, &clock, 0..144).await;
    assert_eq!(assert_warned(&said(&webhooks), &id), [None; 3]);
    assert_eq!(webhooks.store.endpoint(&id).await.unwrap().unwrap().disabled, None);
    assert_eq!(in_state(&webhooks, State::Cancelled).await, 0);
    assert!(next_due(&*webhooks.store).await.is_some(), "it goes on");
}
