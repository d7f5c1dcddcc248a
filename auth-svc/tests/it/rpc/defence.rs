//! What a flood of sign-ins does to everybody else.

use futures::future::join_all;
use proto::auth::v1::{GetUserRequest, ImportUsersRequest, ImportedUser, LoginRequest};
use reqwest::StatusCode;
use tokio::task::JoinHandle;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::users::{PASSWORD, created};
use crate::support::{
    eventually,
    pages::{AUTHORIZE, Pages},
    service::{OPERATOR_KEY, Service, reason_of},
};

/// Password threads, passwords that may wait for one, and how many of both there are.
const THREADS: usize = 1;
const WAITING: usize = 3;
const PLACES: usize = THREADS + WAITING;
/// Sign-ins at once, far more than may wait.
const FLOOD: usize = 40;
/// A hash of the greatest cost that may be imported; checking it takes some fifty times as long as one of ours.
const COSTLY: &str = "$2b$14$.MOcGmYOh/UIayMJOfuBWOHC4ZgZO/gadji2YwnMVkE5DwL2ETPwS";

fn login(login: &str, password: &str) -> LoginRequest {
    LoginRequest {
        tenant_id: "default".to_owned(),
        application_id: "backend".to_owned(),
        login: login.to_owned(),
        password: password.to_owned(),
        ..LoginRequest::default()
    }
}

/// Signs in many at once with a wrong password.
fn guesses(service: &Service, count: usize, name: &str) -> Vec<JoinHandle<Status>> {
    let guess = |number| {
        let mut client = service.auth(OPERATOR_KEY);
        let request = login(&format!("{name}{number}@example.com"), "wrong password");
        tokio::spawn(async move { client.login(request).await.map(drop).unwrap_err() })
    };
    (0..count).map(guess).collect()
}

fn answered(guesses: &[JoinHandle<Status>]) -> usize {
    guesses.iter().filter(|guess| guess.is_finished()).count()
}

/// Takes every thread and every place with passwords that take long.
async fn all_taken(service: &Service) -> Vec<JoinHandle<Status>> {
    let slow = |number| ImportedUser {
        login: format!("slow{number}@example.com"),
        password_hash: COSTLY.to_owned(),
        ..ImportedUser::default()
    };
    let users = (0..2 * PLACES).map(slow).collect();
    let request = ImportUsersRequest { tenant_id: "default".to_owned(), users };
    service.users(OPERATOR_KEY).import_users(request).await.unwrap();
    let slow = guesses(service, 2 * PLACES, "slow");
    // There is no place for half of them; the others have all there are.
    eventually("half of them are refused", async || (answered(&slow) >= PLACES).then_some(())).await;
    slow
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_is_refused_and_leaves_the_rest_alone() {
    let settings = [
        ("LATCHKEY_PASSWORDS__THREADS", THREADS.to_string()),
        ("LATCHKEY_PASSWORDS__WAITING_MAX", WAITING.to_string()),
    ];
    let service = Service::start(None, &settings).await;
    let ada = created(&service, "ada@example.com").await;
    let pages = Pages::of(&service).await;
    let form = pages.form(AUTHORIZE).await;
    let slow = all_taken(&service).await;
    // The rest is answered while not one of them is.
    for _ in 0..20 {
        let request = GetUserRequest { user_id: ada.id.clone() };
        service.users(OPERATOR_KEY).get_user(request).await.unwrap();
    }
    service.token_of("default", "backend", "backend-secret").await.unwrap();
    assert_eq!(pages.open(AUTHORIZE, "").await.status, StatusCode::OK);
    let flood = join_all(guesses(&service, FLOOD, "flood")).await;
    let page = pages.sign_in(&form, &ada.login, PASSWORD).await;
    assert_eq!(answered(&slow), PLACES, "the others waited for a password");
    let (early, held): (Vec<_>, Vec<_>) = slow.into_iter().partition(JoinHandle::is_finished);
    // All of the flood was refused, so that nothing of it waits anywhere.
    for status in flood.into_iter().chain(join_all(early).await).map(Result::unwrap) {
        assert_eq!((status.code(), reason_of(&status).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
        let wait = status.get_details_retry_info().and_then(|retry| retry.retry_delay).unwrap();
        assert!(!wait.is_zero(), "{status:?}");
    }
    assert_eq!((page.status, page.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert!(page.html.contains("role=\"alert\"") && page.html.contains("name=\"password\""), "{page:?}");
    held.iter().for_each(JoinHandle::abort);
    // What was refused unchecked does not count as a guess.
    eventually("a place is free again", async || {
        service.auth(OPERATOR_KEY).login(login(&ada.login, PASSWORD)).await.ok()
    })
    .await;
    service.stop().await;
}
