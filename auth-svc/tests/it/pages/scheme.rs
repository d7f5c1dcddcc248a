//! What browsers are told only where the issuer has https, and what they are not told elsewhere.

use crate::{
    rpc::users::{PASSWORD, created},
    support::{
        pages::{AUTHORIZE, Pages, Shown},
        service::Service,
    },
};

/// Least time for which browsers must remember to use https: a year, in seconds.
const HSTS_MIN: u64 = 365 * 24 * 3600;

/// Signs in and out, and visits what is no page; returns all that was shown.
async fn visit(base_url: &str) -> Vec<(&'static str, Shown)> {
    let service = Service::start(None, &[("LATCHKEY_HTTP__BASE_URL", base_url.to_owned())]).await;
    let ada = created(&service, "ada@example.com").await;
    let pages = Pages::of(&service).await;
    let asked = pages.open(AUTHORIZE, "").await;
    let form = asked.form();
    let refused = pages.sign_in(&form, &ada.login, "wrong password").await;
    let signed_in = pages.sign_in(&form, &ada.login, PASSWORD).await;
    let is_sso = |cookie: &&str| cookie.contains("lk_sso_");
    let sso = signed_in.cookies().into_iter().find(is_sso).unwrap().split(';').next().unwrap().to_owned();
    let silent = pages.open(&format!("{AUTHORIZE}&prompt=none"), &sso).await;
    assert!(silent.header("location").contains("code="), "the cookie is the one that is read: {silent:?}");
    let leaving = pages.open("/logout", &sso).await;
    let mut form = leaving.form();
    form.cookie = format!("{}; {sso}", form.cookie);
    let left = pages.send("/logout/confirm", &form, &[], "").await;
    let shown = vec![
        ("sign in", asked),
        ("refused", refused),
        ("signed in", signed_in),
        ("silent", silent),
        ("leaving", leaving),
        ("left", left),
        ("discovery", pages.open("/.well-known/openid-configuration", "").await),
        ("userinfo", pages.open("/userinfo", "").await),
        ("stylesheet", pages.open("/assets/latchkey.css", "").await),
        ("nothing", pages.open("/nothing", "").await),
    ];
    service.stop().await;
    shown
}

/// Cookies of one sort: what sets them, and what takes them away.
fn cookies<'s>(shown: &'s [(&str, Shown)], what: &str) -> Vec<&'s str> {
    let all = shown.iter().flat_map(|(_, shown)| shown.cookies());
    all.filter(|cookie| cookie.contains(&format!("lk_{what}_default="))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_https_browsers_stay_with_it_and_no_other_site_sets_our_cookies() {
    let shown = visit("https://id.example").await;
    for (name, shown) in &shown {
        let policy = shown.header("strict-transport-security");
        let age = policy.split("; ").find_map(|part| part.strip_prefix("max-age=")).unwrap_or_default();
        assert!(age.parse::<u64>().is_ok_and(|age| age >= HSTS_MIN), "{name}: {policy}");
        assert!(policy.split("; ").any(|part| part == "includeSubDomains"), "{name}: {policy}");
        for cookie in shown.cookies() {
            let parts: Vec<&str> = cookie.split("; ").collect();
            // A browser drops a cookie of this name with anything else (RFC 6265bis §4.1.3.2).
            assert!(parts[0].starts_with("__Host-lk_"), "{name}: {cookie}");
            for needed in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(parts.contains(&needed), "{name}: {cookie}");
            }
            assert!(!cookie.contains("Domain"), "{name}: {cookie}");
        }
    }
    assert!(cookies(&shown, "interaction").iter().any(|cookie| !cookie.contains("Max-Age=0")));
    let sso = cookies(&shown, "sso");
    let (removed, set): (Vec<&str>, Vec<&str>) = sso.into_iter().partition(|cookie| cookie.contains("Max-Age=0"));
    assert!(!set.is_empty() && !removed.is_empty(), "set {set:?}, removed {removed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_http_browsers_are_told_nothing_that_would_lock_them_out() {
    let shown = visit("http://id.example").await;
    for (name, shown) in &shown {
        assert_eq!(shown.header("strict-transport-security"), "", "{name}");
        for cookie in shown.cookies() {
            assert!(cookie.starts_with("lk_") && !cookie.contains("Secure"), "{name}: {cookie}");
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{name}: {cookie}");
        }
    }
    assert!(!cookies(&shown, "sso").is_empty() && !cookies(&shown, "interaction").is_empty());
}
