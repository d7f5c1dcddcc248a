//! What requests from other sites can do to a browser's sign-in: nothing. Over the development server, by plain HTTP:
//! `SameSite=Lax` is played by leaving the cookie out, as a browser does with a POST from elsewhere.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use latchkey::dev::{self, DevOptions, DevServer, Ports, Seed};
use reqwest::{Client, Response, StatusCode, header, redirect::Policy};
use serde_json::Value;
use url::Url;

const REDIRECT: &str = "http://localhost:8080/cb";
const AFTER: &str = "http://localhost:8080/";

struct Stack {
    server: DevServer,
    http: Client,
}

/// A browser's sign-in: its cookie, and what the application got.
struct SignedIn {
    cookie: String,
    tokens: Value,
}

impl Stack {
    async fn start() -> Self {
        let ports = Ports {
            auth_http: 0,
            auth_grpc: 0,
            auth_ops: 0,
            session_grpc: 0,
            session_ops: 0,
            webhook_grpc: 0,
            webhook_ops: 0,
        };
        let server = dev::start(DevOptions::new(ports, Seed::embedded().unwrap())).await.unwrap();
        Self { server, http: Client::builder().redirect(Policy::none()).build().unwrap() }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.server.addresses.issuer)
    }

    async fn get(&self, address: &str, cookie: &str) -> Response {
        self.http.get(address).header(header::COOKIE, cookie).send().await.unwrap()
    }

    fn authorize(&self, extra: &[(&str, &str)]) -> String {
        let mut url = Url::parse(&self.at("/authorize")).unwrap();
        url.query_pairs_mut().extend_pairs(authorization()).extend_pairs(extra);
        url.into()
    }

    async fn sign_in(&self) -> SignedIn {
        let page = self.get(&self.authorize(&[]), "").await;
        let binding = cookie_of(&page, "interaction").unwrap();
        let html = page.text().await.unwrap();
        let field = html.split("name=\"interaction\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let form = [("interaction", field), ("login", "ada@example.com"), ("password", "correct horse battery staple")];
        let sent = self.http.post(self.at("/login")).header(header::COOKIE, binding).form(&form).send().await.unwrap();
        let cookie = cookie_of(&sent, "sso").unwrap();
        let code = query(&location(&sent), "code").unwrap();
        let exchange = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)];
        let request = self.http.post(self.at("/token")).basic_auth("demo-web", Some("demo-web-secret"));
        let tokens = request.form(&exchange).send().await.unwrap().json().await.unwrap();
        SignedIn { cookie, tokens }
    }

    async fn is_signed_in(&self, cookie: &str) -> bool {
        let answer = self.get(&self.authorize(&[("prompt", "none")]), cookie).await;
        query(&location(&answer), "code").is_some()
    }

    fn logout(&self, id_token: &str) -> String {
        let mut url = Url::parse(&self.at("/logout")).unwrap();
        url.query_pairs_mut().extend_pairs([("id_token_hint", id_token), ("post_logout_redirect_uri", AFTER)]);
        url.into()
    }

    async fn stop(self) {
        self.server.shutdown();
        self.server.wait().await.unwrap();
    }
}

fn authorization() -> [(&'static str, &'static str); 5] {
    [
        ("client_id", "demo-web"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "a b&c"),
    ]
}

fn location(response: &Response) -> Url {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap()
}

fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The cookie that a response sets, as a browser sends it back.
fn cookie_of(response: &Response, what: &str) -> Option<String> {
    let set = response.headers().get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    let pair = set.map(|text| text.split(';').next().unwrap().to_owned());
    pair.into_iter().find(|pair| pair.contains(&format!("lk_{what}_")))
}

fn id_token(signed_in: &SignedIn) -> &str {
    signed_in.tokens["id_token"].as_str().unwrap()
}

#[tokio::test]
async fn posted_authorization_finds_the_sign_in_when_it_comes_again() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let mut form = authorization().to_vec();
    form.push(("prompt", "none"));
    let posted = stack.http.post(stack.at("/authorize")).form(&form).send().await.unwrap();
    let again = location(&posted);
    assert_eq!(again.as_str().split('?').next(), Some(stack.at("/authorize").as_str()));
    let answer = location(&stack.get(again.as_str(), &signed_in.cookie).await);
    assert!(query(&answer, "code").is_some(), "{answer}");
    assert_eq!(query(&answer, "state").as_deref(), Some("a b&c"));
    stack.stop().await;
}

#[tokio::test]
async fn posted_logout_from_elsewhere_takes_no_cookie_and_asks() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let empty: [(&str, &str); 0] = [];
    let posted = stack.http.post(stack.at("/logout")).form(&empty).send().await.unwrap();
    assert!(posted.headers().get(header::SET_COOKIE).is_none());
    let again = location(&posted);
    let page = stack.get(again.as_str(), &signed_in.cookie).await;
    assert_eq!(cookie_of(&page, "sso"), None);
    assert!(page.text().await.unwrap().contains("logout-confirm"));
    assert!(stack.is_signed_in(&signed_in.cookie).await);
    stack.stop().await;
}

#[tokio::test]
async fn logout_without_the_cookie_takes_no_cookie() {
    let stack = Stack::start().await;
    let page = stack.get(&stack.at("/logout"), "").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers().get(header::SET_COOKIE).is_none());
    stack.stop().await;
}

#[tokio::test]
async fn posted_logout_with_a_hint_ends_the_sign_in() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let form = [("id_token_hint", id_token(&signed_in)), ("post_logout_redirect_uri", AFTER), ("state", "s 1")];
    let posted = stack.http.post(stack.at("/logout")).form(&form).send().await.unwrap();
    let ended = stack.get(location(&posted).as_str(), &signed_in.cookie).await;
    assert_eq!(location(&ended).as_str(), "http://localhost:8080/?state=s+1");
    assert_eq!(cookie_of(&ended, "sso").as_deref(), Some("lk_sso_default="));
    assert!(!stack.is_signed_in(&signed_in.cookie).await);
    stack.stop().await;
}

#[tokio::test]
async fn id_token_of_an_earlier_sign_in_does_not_log_out_without_asking() {
    let stack = Stack::start().await;
    let earlier = stack.sign_in().await;
    let ended = stack.get(&stack.logout(id_token(&earlier)), &earlier.cookie).await;
    assert_eq!(location(&ended).as_str(), AFTER);
    let now = stack.sign_in().await;
    let page = stack.get(&stack.logout(id_token(&earlier)), &now.cookie).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("logout-confirm"));
    assert!(stack.is_signed_in(&now.cookie).await);
    stack.stop().await;
}
