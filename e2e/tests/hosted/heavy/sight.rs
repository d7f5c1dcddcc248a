//! What people with other eyes, hands and screens need: names, contrast, room.

use super::{Browser, Look, started};

/// Least contrast of text to what is behind it (WCAG 2.2, 1.4.3).
const CONTRAST_MIN: f64 = 4.5;

/// The least contrast of any text on the page, and whose it is.
const CONTRAST: &str = r#"
    const parse = text => { const c = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
        c.fillStyle = text; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
    const behind = element => { for (let e = element; e; e = e.parentElement) {
        const back = getComputedStyle(e).backgroundColor; if (parse(back)[3] == 255) return parse(back); }
        return [255, 255, 255]; };
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    let worst = [99, ""];
    for (const element of document.querySelectorAll("h1, p, li, label, span, strong, button, a, input")) {
        if (!element.getClientRects().length) continue;
        const [one, two] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
        const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
        if (ratio < worst[0]) worst = [ratio, element.outerHTML];
    }
    return worst;
"#;

pub async fn check(browser: &Browser, what: &str) {
    let worst = browser.run(CONTRAST).await;
    assert!(worst[0].as_f64().unwrap() >= CONTRAST_MIN, "{what}: {worst}");
    let overflow =
        browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
    assert_eq!(overflow, 0, "{what}: nothing is cut off at the side");
    let nameless =
        "return [...document.querySelectorAll('input:not([type=hidden])')].filter(e => !e.labels.length).length";
    assert_eq!(browser.run(nameless).await, 0, "{what}");
    assert_eq!(browser.run("return document.querySelectorAll('h1').length").await, 1, "{what}");
    assert_ne!(browser.run("return document.title").await, "", "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_can_be_read_in_light_and_dark_and_on_every_screen() {
    for look in [Look::DESK, Look::DARK, Look::SMALL, Look { is_dark: true, ..Look::SMALL }] {
        let (stack, application) = started().await;
        let browser = Browser::open(look).await;
        let issuer = stack.server.addresses.issuer.clone();
        browser.go(&application.authorize(&issuer, "wants-consent", &[])).await;
        check(&browser, "sign in").await;
        assert_eq!(browser.label("#login").await, "E-mail address");
        assert_eq!(browser.label("#password").await, "Password");
        assert_eq!(browser.label("#remember").await, "Keep me signed in on this device");
        browser.fill("#login", "ada@example.com").await;
        browser.fill("#password", "wrong").await;
        browser.click("#submit").await;
        browser.text("#problem").await;
        check(&browser, "refused").await;
        let described =
            "return document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent";
        assert_eq!(browser.run(described).await, "E-mail address or password is not right.", "read out with the field");
        browser.fill("#password", "correct horse battery staple").await;
        browser.click("#submit").await;
        browser.text("#consent-allow").await;
        check(&browser, "consent").await;
        browser.click("#consent-allow").await;
        browser.arrives_at(&application.cb()).await;
        // It is told of the logout by a frame.
        browser.go(&application.authorize(&issuer, "paper", &[])).await;
        let back = url::Url::parse(&browser.arrives_at(&application.cb()).await).unwrap();
        let code = crate::support::query(&back, "code").unwrap();
        assert!(stack.exchange_at("paper", &code, &application.cb()).await["id_token"].is_string());
        browser.go(&format!("{issuer}/logout?ui_locales=de")).await;
        assert_eq!(browser.run("return document.documentElement.lang").await, "de");
        check(&browser, "sign out").await;
        browser.click("#logout-confirm").await;
        browser.arrives_at(&format!("{issuer}/logout/confirm")).await;
        assert_eq!(browser.text("h1").await, "Sie sind abgemeldet");
        assert!(browser.has("iframe").await);
        check(&browser, "signed out, applications are told").await;
        // Nobody is left to be asked.
        browser.go(&format!("{issuer}/logout?ui_locales=de")).await;
        assert_eq!(browser.text("h1").await, "Sie sind abgemeldet");
        assert!(!browser.has("iframe").await);
        check(&browser, "signed out").await;
        browser.go(&format!("{issuer}/authorize?client_id={}", "x".repeat(300))).await;
        check(&browser, "error").await;
        stack.stop().await;
    }
}
