//! Whether the time of a sign-in tells who has an account.
//!
//! Attempts for a login that somebody has and for one that nobody has take turns, so that whatever else the machine does
//! concerns both alike. Welch's t-test says whether their mean times differ by more than chance; a difference matters when it
//! is a good part of what the password costs, since that is what a shortcut would save.

use std::time::{Duration, Instant};

use proto::{auth::v1::LoginRequest, session::v1::Device};
use reqwest::StatusCode;

use crate::{
    rpc::users::created,
    support::{
        pages::{ADDRESS_HEADER, AUTHORIZE, Pages},
        service::{OPERATOR_KEY, Service, reason_of},
    },
};

/// Attempts of each sort. With fewer, a shortcut in a third of the cases could hide in the noise of a busy machine.
const SAMPLES: usize = 400;
/// Most by which chance alone makes means differ, in standard errors: beyond it lie 7 of a million samples.
const T_MAX: f64 = 4.5;
/// Most by which means may differ, as a part of the greater one.
const DIFFERENCE_MAX: f64 = 0.1;

const SOMEBODY: &str = "somebody@example.com";
const NOBODY: &str = "not-there@example.com";

/// Times of one sort of attempt, in seconds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.count()
    }

    /// The square of the standard error of the mean.
    fn uncertainty(&self) -> f64 {
        let mean = self.mean();
        self.0.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (self.count() - 1.0) / self.count()
    }

    fn count(&self) -> f64 {
        f64::from(u32::try_from(self.0.len()).unwrap())
    }
}

/// Whether times differ so that somebody could use it, and what was found.
fn differ(one: &Times, other: &Times) -> (bool, String) {
    let difference = one.mean() - other.mean();
    let t = difference / (one.uncertainty() + other.uncertainty()).sqrt();
    let part = difference / one.mean().max(other.mean());
    let found =
        format!("{:.2} ms and {:.2} ms: {:.1} %, t = {t:.2}", one.mean() * 1e3, other.mean() * 1e3, part * 100.0);
    (t.abs() > T_MAX && part.abs() > DIFFERENCE_MAX, found)
}

/// Lets attempts take turns; each comes from a network of its own, so that none has to wait.
async fn compare(what: &str, attempt: impl AsyncFn(&'static str, String) -> Duration) {
    let (mut somebody, mut nobody) = (Times::default(), Times::default());
    for number in 0..SAMPLES {
        let address = format!("10.{}.{}.1", number / 256, number % 256);
        // Nobody goes first every other time.
        let mut turns = [(SOMEBODY, &mut somebody), (NOBODY, &mut nobody)];
        turns.rotate_left(number % 2);
        for (login, times) in turns {
            times.0.push(attempt(login, address.clone()).await.as_secs_f64());
        }
    }
    let (is_told, found) = differ(&somebody, &nobody);
    assert!(!is_told, "{what}: somebody and nobody take {found}");
}

async fn started() -> Service {
    let settings = [("LATCHKEY_HTTP__CLIENT_ADDRESS_HEADER", ADDRESS_HEADER.to_owned())];
    let service = Service::start(None, &settings).await;
    created(&service, SOMEBODY).await;
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_call_does_not_tell_who_has_an_account() {
    let service = started().await;
    let client = service.auth(OPERATOR_KEY);
    compare("a call", async |login, address| {
        let request = LoginRequest {
            tenant_id: "default".to_owned(),
            application_id: "backend".to_owned(),
            login: login.to_owned(),
            password: "wrong password".to_owned(),
            device: Some(Device { ip_address: address, ..Device::default() }),
            ..LoginRequest::default()
        };
        let (mut client, started) = (client.clone(), Instant::now());
        let refused = client.login(request).await.unwrap_err();
        let took = started.elapsed();
        assert_eq!(reason_of(&refused), "CREDENTIALS_REFUSED");
        took
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_sign_in_page_does_not_tell_who_has_an_account() {
    let service = started().await;
    let pages = Pages::of(&service).await;
    let form = pages.form(AUTHORIZE).await;
    compare("the page", async |login, address| {
        let (filled, started) = ([("login", login), ("password", "wrong password")], Instant::now());
        let refused = pages.send("/login", &form, &filled, &address).await;
        let took = started.elapsed();
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        took
    })
    .await;
    service.stop().await;
}

#[test]
fn a_shortcut_in_a_third_of_the_cases_is_found() {
    // A hash of 20 ms with noise of a quarter of it, from a sequence without a pattern.
    let mut state = 1_u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) * 0.01
    };
    let mut times = |is_skipped: fn(usize) -> bool| {
        Times((0..SAMPLES).map(|number| noise() + if is_skipped(number) { 0.001 } else { 0.015 }).collect())
    };
    let (full, again, skipping) = (times(|_| false), times(|_| false), times(|number| number % 3 == 0));
    assert!(!differ(&full, &again).0, "{:?}", differ(&full, &again));
    assert!(differ(&full, &skipping).0 && differ(&skipping, &full).0, "{:?}", differ(&full, &skipping));
}
