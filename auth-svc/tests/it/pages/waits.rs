//! How long whoever guesses passwords is told to wait, wherever a page asks for one.

use std::time::Duration;

use proto::auth::v1::SetPasswordRequest;
use reqwest::StatusCode;

use crate::{
    rpc::users::{PASSWORD, created},
    support::{
        pages::{AUTHORIZE, Form, Pages, Shown},
        service::{OPERATOR_KEY, Service},
    },
};

/// Failures that cost nothing.
const FREE: usize = 5;
/// The waits that follow, in seconds: twice as long each time, a quarter of an hour at most.
const WAITS: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900];

/// Checks that an attempt has to wait so long, and says how.
fn must_wait(shown: &Shown, seconds: u64) {
    assert_eq!(shown.status, StatusCode::TOO_MANY_REQUESTS, "{shown:?}");
    assert_eq!(shown.header("retry-after"), seconds.to_string());
    assert!(shown.html.contains("role=\"alert\"") && shown.html.contains("name=\"password\""), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_page_says_how_long_to_wait() {
    let service = Service::start(None, &[]).await;
    let ada = created(&service, "ada@example.com").await;
    let pages = Pages::of(&service).await;
    for login in [ada.login.as_str(), "nobody@example.com"] {
        // A form does not live as long as the longest wait.
        let attempt = async |password: &str| {
            let form = pages.form(AUTHORIZE).await;
            pages.sign_in(&form, login, password).await
        };
        for _ in 0..FREE {
            let refused = attempt("wrong password").await;
            assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::UNAUTHORIZED, ""), "{login}");
        }
        for wait in WAITS {
            must_wait(&attempt(PASSWORD).await, wait);
            service.clock.advance(Duration::from_secs(wait - 1) + Duration::from_millis(1));
            // 999 ms are left, which is no whole second.
            must_wait(&attempt(PASSWORD).await, 1);
            service.clock.advance(Duration::from_millis(999));
            assert_eq!(attempt("wrong password").await.status, StatusCode::UNAUTHORIZED, "{login}");
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_do_the_pages_of_the_account_and_of_a_new_password() {
    let service = Service::start(None, &[]).await;
    let ada = created(&service, "ada@example.com").await;
    let pages = Pages::of(&service).await;
    let own = pages.form("/account").await;
    let guess = [("login", "ben@example.com"), ("password", "wrong password")];
    for _ in 0..FREE {
        assert_eq!(pages.send("/account/login", &own, &guess, "").await.status, StatusCode::UNAUTHORIZED);
    }
    must_wait(&pages.send("/account/login", &own, &guess, "").await, 1);
    let request =
        SetPasswordRequest { user_id: ada.id, password: "for the first time".to_owned(), change_required: true };
    service.users(OPERATOR_KEY).set_password(request).await.unwrap();
    let entry = pages.form(AUTHORIZE).await;
    let asked = pages.sign_in(&entry, &ada.login, "for the first time").await;
    let step = Form { cookie: entry.cookie, ..asked.form() };
    let guess = [("password", "wrong password"), ("new_password", PASSWORD)];
    for _ in 0..FREE {
        let refused = pages.send("/password", &step, &guess, "").await;
        assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::UNAUTHORIZED, ""));
    }
    for wait in [1, 2] {
        must_wait(&pages.send("/password", &step, &guess, "").await, wait);
        service.clock.advance(Duration::from_secs(wait));
        assert_eq!(pages.send("/password", &step, &guess, "").await.status, StatusCode::UNAUTHORIZED);
    }
    service.stop().await;
}
