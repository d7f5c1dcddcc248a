//! Frames: those by which applications are told of a logout, and those that nobody may make of our pages.

use std::time::{Duration, Instant};

use super::{Application, Browser, Look, sight::check, started};

/// The wait for applications that never answer, and time to spare for a slow machine.
const WAIT_MIN: Duration = Duration::from_millis(2_500);
const WAIT_MAX: Duration = Duration::from_secs(8);

async fn sign_in(browser: &Browser) {
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", "correct horse battery staple").await;
    browser.click("#submit").await;
}

/// Where the browser signs out, and where it gets to then.
fn way_out(issuer: &str, application: &Application, hint: &str) -> (String, String) {
    let mut leave = url::Url::parse(&format!("{issuer}/logout")).unwrap();
    let after = format!("{}/", application.base);
    let asked = [("id_token_hint", hint), ("post_logout_redirect_uri", &after), ("state", "left")];
    leave.query_pairs_mut().extend_pairs(asked);
    (leave.into(), format!("{after}?state=left"))
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
    let (leave, after) = way_out(&issuer, &application, &hint);
    let started = Instant::now();
    if look.has_scripts {
        // By a link of a page, as in life: opening an address waits until its frames have loaded.
        browser.run(&format!("setTimeout(() => location.assign({leave:?}))")).await;
    } else {
        browser.go(&leave).await;
    }
    browser.arrives_at(&after).await;
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
async fn without_scripts_the_page_goes_on_when_applications_have_had_their_time() {
    let took = told(Look::WITHOUT_SCRIPTS, &["paper"]).await;
    assert!((WAIT_MIN..WAIT_MAX).contains(&took), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_the_link_leads_on_although_an_application_never_answers() {
    let (stack, application) = started().await;
    let browser = Browser::open_impatient(Look::WITHOUT_SCRIPTS).await;
    let issuer = stack.server.addresses.issuer.clone();
    browser.go(&application.authorize(&issuer, "stuck", &[])).await;
    sign_in(&browser).await;
    let back = url::Url::parse(&browser.arrives_at(&application.cb()).await).unwrap();
    let code = crate::support::query(&back, "code").unwrap();
    let tokens = stack.exchange_at("stuck", &code, &application.cb()).await;
    let (leave, after) = way_out(&issuer, &application, tokens["id_token"].as_str().unwrap());
    browser.go(&leave).await;
    assert_eq!(browser.text("#continue").await, "Continue");
    check(&browser, "applications are told").await;
    assert!(browser.has("iframe").await && browser.url().await.starts_with(&issuer));
    browser.picture("without-scripts-telling").await;
    browser.click("#continue").await;
    browser.arrives_at(&after).await;
    assert!(application.seen().iter().any(|seen| seen.starts_with("/never?iss=")), "{:?}", application.seen());
    browser.go(&application.authorize(&issuer, "stuck", &[("prompt", "none")])).await;
    assert!(browser.arrives_at(&application.cb()).await.contains("error=login_required"));
    stack.stop().await;
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
