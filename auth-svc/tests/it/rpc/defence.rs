//! What a stranger learns from signing in, and what a flood of sign-ins does to everybody else.

use std::time::{Duration, Instant};

use proto::auth::v1::{GetUserRequest, LoginRequest};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::users::{PASSWORD, created};
use crate::support::{
    at_once,
    service::{OPERATOR_KEY, Service, reason_of},
};

/// Attempts of each sort whose times are compared.
const SAMPLES: usize = 15;
/// Sign-ins at once, far more than may wait.
const FLOOD: usize = 40;

fn login(login: &str, password: &str) -> LoginRequest {
    LoginRequest {
        tenant_id: "default".to_owned(),
        application_id: "backend".to_owned(),
        login: login.to_owned(),
        password: password.to_owned(),
        ..LoginRequest::default()
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_login_takes_as_long_as_a_wrong_password() {
    let service = Service::start(None, &[]).await;
    for number in 0..SAMPLES {
        created(&service, &format!("user{number}@example.com")).await;
    }
    let (mut somebody, mut nobody) = (Vec::new(), Vec::new());
    // By turns, so that whatever else the machine does concerns both alike.
    for number in 0..SAMPLES {
        for (name, times) in [("user", &mut somebody), ("none", &mut nobody)] {
            let request = login(&format!("{name}{number}@example.com"), "wrong password");
            let started = Instant::now();
            let refused = service.auth(OPERATOR_KEY).login(request).await.unwrap_err();
            times.push(started.elapsed());
            assert_eq!(reason_of(&refused), "CREDENTIALS_REFUSED");
        }
    }
    let ratio = median(somebody).as_secs_f64() / median(nobody).as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "somebody takes {ratio} times as long as nobody");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_is_refused_and_leaves_the_rest_alone() {
    let settings =
        [("LATCHKEY_PASSWORDS__THREADS", "1".to_owned()), ("LATCHKEY_PASSWORDS__WAITING_MAX", "3".to_owned())];
    let service = Service::start(None, &settings).await;
    let ada = created(&service, "ada@example.com").await;
    let flood = (0..FLOOD).map(|number| {
        let mut client = service.auth(OPERATOR_KEY);
        let request = login(&format!("{number}@example.com"), "wrong password");
        async move { client.login(request).await.map(drop).unwrap_err() }
    });
    let flood = tokio::spawn(at_once(flood.collect::<Vec<_>>()));
    for _ in 0..20 {
        let request = GetUserRequest { user_id: ada.id.clone() };
        service.users(OPERATOR_KEY).get_user(request).await.unwrap();
    }
    let refused: Vec<Status> = flood.await.unwrap();
    let overloaded: Vec<&Status> = refused.iter().filter(|status| reason_of(status) == "OVERLOADED").collect();
    assert!(overloaded.len() >= FLOOD / 2, "{} of {FLOOD}", overloaded.len());
    for status in overloaded {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.get_details_retry_info().and_then(|retry| retry.retry_delay).is_some());
    }
    // What was refused unchecked does not count as a guess.
    service.auth(OPERATOR_KEY).login(login(&ada.login, PASSWORD)).await.unwrap();
    service.stop().await;
}
