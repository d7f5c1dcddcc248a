//! Frames: those by which applications are told of a logout, and those that nobody may make of our pages.

use std::time::{Duration, Instant};

use super::{Browser, Look, started};

/// The wait for applications that never answer, and time to spare for a slow machine.
const WAIT_MIN: Duration = Duration::from_millis(2_500);
const WAIT_MAX: Duration = Duration::from_secs(8);

async fn sign_in(browser: &Browser) {
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", "correct horse battery staple").await;
    browser.click("#submit").await;
}

/// Signs in to each application, and leaves by the first one's link; returns how long the browser took to come back.
async fn told(look: Look, applications: &[&str]) -> Duration {
    let (stack, application) = started().await;
    let browser = Browser::open(look).await;
    let issuer = stack.server.addresses.issuer.clone();
    let mut hint = String::new();
    for (number, id) in applications.iter().enumerate() {
        browser.go(&application.authorize(&issuer, id, &[])).await;
        if number == 0 {
            sign_in(&browser).await;
        }
        let back = url::Url::parse(&browser.arrives_at(&application.cb()).await).unwrap();
        let code = crate::support::query(&back, "code").unwrap();
        let tokens = stack.exchange_at(id, &code, &application.cb()).await;
        hint = tokens["id_token"].as_str().unwrap().to_owned();
    }
    let mut leave = url::Url::parse(&format!("{issuer}/logout")).unwrap();
    let after = format!("{}/", application.base);
    let asked = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", &after), ("state", "left")];
    leave.query_pairs_mut().extend_pairs(asked);
    let started = Instant::now();
    // By a link of a page, as in life: opening an address waits until its frames have loaded.
    browser.run(&format!("setTimeout(() => location.assign({leave:?}))", leave = leave.as_str())).await;
    browser.arrives_at(&format!("{after}?state=left")).await;
    let took = started.elapsed();
    let path = if applications.contains(&"paper") { "/out" } else { "/never" };
    let seen = application.seen();
    let told = seen.iter().find(|seen| seen.starts_with(path)).unwrap_or_else(|| panic!("{seen:?}"));
    assert!(told.contains("iss=") && told.contains("&sid=sess_"), "{told}");
    browser.go(&application.authorize(&issuer, "paper", &[("prompt", "none")])).await;
    assert!(browser.arrives_at(&application.cb()).await.contains("error=login_required"));
    stack.stop().await;
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn application_is_told_before_the_browser_goes_on() {
    told(Look::DESK, &["paper"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn application_that_never_answers_holds_nobody_up() {
    let took = told(Look::DESK, &["stuck", "paper"]).await;
    assert!((WAIT_MIN..WAIT_MAX).contains(&took), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_frames_our_pages() {
    let (stack, application) = started().await;
    let browser = Browser::open(Look::DESK).await;
    let issuer = stack.server.addresses.issuer.clone();
    for (address, id) in [
        (application.authorize(&issuer, "paper", &[]), "login"),
        (format!("{issuer}/authorize"), "problem"),
        (format!("{issuer}/logout"), "logout-confirm"),
    ] {
        browser.go(&address).await;
        let title = browser.run("return document.title").await;
        browser.go(&format!("{}/frame?{}", application.base, address)).await;
        browser.enter_frame().await;
        assert!(!browser.has(&format!("#{id}")).await && !browser.has(".card").await, "{address}");
        assert_ne!(browser.run("return document.title").await, title, "{address}");
    }
    stack.stop().await;
}
