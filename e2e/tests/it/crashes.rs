//! Services are killed (SIGKILL) where it hurts: what was acknowledged is told, every event at least once, under one id.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use proto::{
    session::v1::{
        CreateSessionRequest, RefreshSessionRequest, RevokeSessionRequest, SessionKind, revoke_session_request,
    },
    webhook::v1::ListEventsRequest,
};
use tokio::sync::Mutex;
use tonic::Status;

use crate::support::{DEFAULT_TENANT, Real, Receiver, Service, Stack, eventually, with_real, within};

/// Nothing listens there.
const NOWHERE: &str = "amqp://guest:guest@127.0.0.1:1/%2f";
const EVERYTHING: [&str; 2] = ["session.*", "session.refreshed"];
/// Longer than the lease of a claim, after which another worker takes over.
const LEASE_ENDS_WITHIN: Duration = Duration::from_secs(100);

/// How many changes of each session were acknowledged.
pub type Acknowledged = BTreeMap<String, u64>;

/// Creates, refreshes and ends a session; notes what is acknowledged.
async fn live(stack: &Stack, user: &str, noted: &Mutex<Acknowledged>) -> Result<(), Status> {
    let create = CreateSessionRequest {
        tenant_id: DEFAULT_TENANT.to_owned(),
        user_id: user.to_owned(),
        application_id: "demo-spa".to_owned(),
        kind: SessionKind::Application.into(),
        ..CreateSessionRequest::default()
    };
    let mut sessions = stack.sessions();
    let created = sessions.create_session(create).await?.into_inner();
    let (id, token) = (created.session.unwrap_or_default().id, created.token);
    noted.lock().await.insert(id.clone(), 1);
    sessions.refresh_session(RefreshSessionRequest { token, ..RefreshSessionRequest::default() }).await?;
    noted.lock().await.insert(id.clone(), 2);
    let session = Some(revoke_session_request::Session::SessionId(id.clone()));
    sessions.revoke_session(RevokeSessionRequest { session, ..RevokeSessionRequest::default() }).await?;
    noted.lock().await.insert(id, 3);
    Ok(())
}

/// Makes `count` sessions live and die; every change must be acknowledged.
pub async fn lives(stack: &Stack, count: usize) -> Acknowledged {
    let noted = Mutex::default();
    for number in 0..count {
        live(stack, &format!("user{}", number % 20), &noted).await.unwrap();
    }
    noted.into_inner()
}

/// Waits until the receiver knows of every change; none may be missing, and the log has each session's in order.
pub async fn all_told(stack: &Stack, receiver: &Receiver, acknowledged: &Acknowledged, deadline: Duration) {
    within(deadline, "every event arrives", || async {
        let mut told: BTreeMap<String, u64> = BTreeMap::new();
        let mut seen = std::collections::BTreeSet::new();
        for received in receiver.all() {
            if seen.insert(received.event_id()) {
                let id = received.json()["data"]["session"]["id"].as_str().unwrap_or_default().to_owned();
                *told.entry(id).or_default() += 1;
            }
        }
        acknowledged.iter().all(|(id, count)| told.get(id) >= Some(count)).then_some(())
    })
    .await;
    // One id, one content.
    assert!(receiver.counts().len() >= acknowledged.len());
    for (session, sequences) in logged(stack).await {
        let dense: Vec<u64> = (1..).take(sequences.len()).collect();
        assert_eq!(sequences, dense, "events of {session} are in order and without gaps");
    }
}

/// The sequences of each session, in the order of the event log.
async fn logged(stack: &Stack) -> BTreeMap<String, Vec<u64>> {
    let (mut logged, mut page_token): (BTreeMap<String, Vec<u64>>, String) = Default::default();
    loop {
        let request = ListEventsRequest {
            tenant_id: DEFAULT_TENANT.to_owned(),
            types: EVERYTHING.map(str::to_owned).into(),
            page_size: 500,
            page_token,
        };
        let page = stack.events().list_events(request).await.unwrap().into_inner();
        for event in page.events {
            let body: serde_json::Value = serde_json::from_str(&event.payload).unwrap();
            let Some(id) = body["data"]["session"]["id"].as_str() else { continue };
            logged.entry(id.to_owned()).or_default().push(body["sequence"].as_u64().unwrap());
        }
        if !page.has_more {
            return logged;
        }
        page_token = page.next_page_token;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_svc_dies_between_commit_and_publish() {
    with_real(async |real| {
        let (receiver, secret) = Receiver::registered(&real.stack, &EVERYTHING).await;
        real.kill(Service::Session).await;
        real.set(Service::Session, "LATCHKEY_BUS__URLS", Some(NOWHERE));
        real.start(Service::Session).await;
        let acknowledged = lives(&real.stack, 50).await;
        assert!(receiver.all().is_empty(), "nothing can have been published");
        real.kill(Service::Session).await;
        real.set(Service::Session, "LATCHKEY_BUS__URLS", None);
        real.start(Service::Session).await;
        all_told(&real.stack, &receiver, &acknowledged, Duration::from_secs(60)).await;
        receiver.verify(&secret);
        assert_eq!(receiver.counts().len(), 150);
    })
    .await;
}

/// Lets clients work while `disturb` does its worst.
async fn under_load(real: &mut Real, disturb: impl AsyncFnOnce(&mut Real, &Mutex<Acknowledged>)) -> Acknowledged {
    let noted: Arc<Mutex<Acknowledged>> = Arc::default();
    let stack = Arc::new(Stack::elsewhere(
        real.stack.issuer.clone(),
        [real.stack.auth.clone(), real.stack.session.clone(), real.stack.webhook.clone()],
    ));
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (stack, noted) = (stack.clone(), noted.clone());
            tokio::spawn(async move {
                loop {
                    // What fails was not acknowledged; the next one may be.
                    let _ = live(&stack, &format!("worker{worker}"), &noted).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    disturb(real, &noted).await;
    workers.iter().for_each(tokio::task::JoinHandle::abort);
    join_all(workers).await;
    let noted = noted.lock().await;
    noted.clone()
}

/// Waits for some more acknowledged sessions.
async fn grows(noted: &Mutex<Acknowledged>) {
    let before = noted.lock().await.len();
    eventually("calls are acknowledged", || async { (noted.lock().await.len() >= before + 25).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn session_svc_dies_again_and_again_under_load() {
    with_real(async |real| {
        let (receiver, _) = Receiver::registered(&real.stack, &EVERYTHING).await;
        let acknowledged = under_load(real, async |real, noted| {
            for _ in 0..4 {
                grows(noted).await;
                real.kill(Service::Session).await;
                real.start(Service::Session).await;
            }
            grows(noted).await;
        })
        .await;
        all_told(&real.stack, &receiver, &acknowledged, Duration::from_secs(60)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_svc_dies_again_and_again_under_load() {
    with_real(async |real| {
        let (receiver, _) = Receiver::registered(&real.stack, &EVERYTHING).await;
        let acknowledged = under_load(real, async |real, noted| {
            for _ in 0..3 {
                grows(noted).await;
                real.kill(Service::Webhook).await;
                grows(noted).await;
                real.start(Service::Webhook).await;
            }
        })
        .await;
        // What was being sent at the moment of a kill is sent again when its claim ends.
        all_told(&real.stack, &receiver, &acknowledged, LEASE_ENDS_WITHIN).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_svc_dies_between_delivery_and_acknowledgement() {
    with_real(async |real| {
        let (receiver, secret) = Receiver::registered(&real.stack, &EVERYTHING).await;
        receiver.answer(false);
        let acknowledged = lives(&real.stack, 2).await;
        eventually("deliveries are under way", || async { (receiver.all().len() >= 6).then_some(()) }).await;
        real.kill(Service::Webhook).await;
        receiver.answer(true);
        real.start(Service::Webhook).await;
        within(LEASE_ENDS_WITHIN, "everything is sent again", || async {
            let counts = receiver.counts();
            (counts.len() == 6 && counts.values().all(|count| *count >= 2)).then_some(())
        })
        .await;
        all_told(&real.stack, &receiver, &acknowledged, Duration::from_secs(10)).await;
        receiver.verify(&secret);
    })
    .await;
}
