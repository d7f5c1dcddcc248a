//! People who sign in with browsers, over and over, and an application that refreshes their tokens and checks each by the
//! published keys, as any relying party would.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use proto::{
    auth::v1::{Tenant, UpdateTenantRequest},
    session::v1::Policy,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header, redirect};
use serde_json::Value;
use tokio::task::JoinHandle;
use url::Url;

use crate::support::{DEFAULT_TENANT, Stack, eventually};

/// Login and password.
type Person = (&'static str, &'static str);
const ADA: Person = ("ada@example.com", "correct horse battery staple");
const GRACE: Person = ("grace@example.com", "nanoseconds matter too");
const REDIRECT: &str = "http://localhost:8081/cb";
/// The example of RFC 7636.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// How long trying again may take to help: a service starts, a database recovers.
const CURED_WITHIN: Duration = Duration::from_secs(30);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// What must have been done for somebody to say that things go on.
const SOME: usize = 20;
/// Refreshes of one sign-in before the next.
const REFRESHES: usize = 10;

/// Why something was not done.
enum Failed {
    /// It may be done the next time.
    Again(String),
    /// A token that was given is refused.
    Refused(String),
}

/// What everybody did so far.
#[derive(Default)]
struct Tally {
    sign_ins: AtomicUsize,
    refreshes: AtomicUsize,
    /// What did not work at once.
    failures: AtomicUsize,
    /// Tokens that were refused although they were given.
    refusals: Mutex<Vec<String>>,
    /// What nothing cured.
    incurable: Mutex<Option<String>>,
}

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Act<'a> {
    SignIn(Person),
    Refresh(&'a Tokens),
}

/// Tokens of a user.
#[derive(Debug)]
struct Tokens {
    access: String,
    refresh: String,
}

/// An application and the browsers of its users.
struct Party {
    issuer: String,
    http: Client,
    keys: Mutex<HashMap<String, DecodingKey>>,
    tally: Arc<Tally>,
}

/// People at work.
pub struct People {
    tally: Arc<Tally>,
    work: Vec<JoinHandle<()>>,
}

impl People {
    /// Lets six people begin.
    pub async fn begin(stack: &Stack) -> Self {
        // A reply may be lost for as long as a service takes to start on a busy machine.
        let rotation_grace = Some(prost_types::Duration { seconds: 60, nanos: 0 });
        let session_policy = Some(Policy { rotation_grace, ..Policy::default() });
        let tenant = Some(Tenant { id: DEFAULT_TENANT.to_owned(), session_policy, ..Tenant::default() });
        let update_mask = Some(prost_types::FieldMask { paths: vec!["session_policy".to_owned()] });
        stack.tenants().update_tenant(UpdateTenantRequest { tenant, update_mask }).await.unwrap();
        let tally = Arc::new(Tally::default());
        let work = [ADA, GRACE].into_iter().cycle().take(6).map(|person| {
            let party = Party::new(stack, tally.clone());
            tokio::spawn(async move { party.live(person).await })
        });
        Self { work: work.collect(), tally }
    }

    /// Waits until some more signed in and refreshed.
    pub async fn go_on(&self) {
        let so_far = || (self.tally.sign_ins.load(SeqCst), self.tally.refreshes.load(SeqCst));
        let before = so_far();
        eventually("people sign in and refresh", || async {
            if let Some(problem) = self.tally.incurable.lock().unwrap().clone() {
                panic!("{problem}");
            }
            let now = so_far();
            (now.0 >= before.0 + SOME && now.1 >= before.1 + SOME).then_some(())
        })
        .await;
    }

    /// Waits until so much of what they try has failed.
    pub async fn meet_an_outage(&self) {
        let before = self.tally.failures.load(SeqCst);
        eventually("people meet an outage", || async {
            (self.tally.failures.load(SeqCst) >= before + SOME).then_some(())
        })
        .await;
    }

    /// Checks that no token was refused that was given.
    pub fn have_met_no_refusal(&self) {
        let refusals = self.tally.refusals.lock().unwrap();
        assert!(refusals.is_empty(), "{} refusals: {:?}", refusals.len(), refusals.first());
    }

    pub async fn end(self) {
        for person in self.work {
            person.abort();
            // It did not end by itself: it never does unless it panics.
            assert!(person.await.unwrap_err().is_cancelled());
        }
    }
}

impl Party {
    fn new(stack: &Stack, tally: Arc<Tally>) -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).timeout(ANSWERS_WITHIN).build().unwrap();
        Self { issuer: stack.issuer.clone(), http, keys: Mutex::default(), tally }
    }

    /// Signs in, refreshes a few times, and signs in again, for ever.
    async fn live(&self, person: Person) {
        loop {
            let mut tokens = self.cured(Act::SignIn(person)).await;
            self.tally.sign_ins.fetch_add(1, SeqCst);
            for _ in 0..REFRESHES {
                tokens = self.cured(Act::Refresh(&tokens)).await;
                self.tally.refreshes.fetch_add(1, SeqCst);
            }
        }
    }

    /// Does something, however often it takes.
    async fn cured(&self, act: Act<'_>) -> Tokens {
        let started = Instant::now();
        loop {
            let done = match act {
                Act::SignIn(person) => self.sign_in(person).await,
                Act::Refresh(tokens) => self.refresh(tokens).await,
            };
            let why = match done {
                Ok(done) => return done,
                Err(Failed::Again(why)) => why,
                Err(Failed::Refused(why)) => {
                    self.tally.refusals.lock().unwrap().push(format!("{act:?}: {why}"));
                    why
                }
            };
            self.tally.failures.fetch_add(1, SeqCst);
            if started.elapsed() > CURED_WITHIN {
                *self.tally.incurable.lock().unwrap() = Some(format!("{act:?}: {why}"));
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
    }

    /// A sign-in at the hosted page, from the first request to tokens that are good.
    async fn sign_in(&self, (login, password): Person) -> Result<Tokens, Failed> {
        let mut url = Url::parse(&format!("{}/authorize", self.issuer)).unwrap();
        url.query_pairs_mut().extend_pairs([
            ("client_id", "demo-spa"),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("scope", "openid email offline_access"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let page = send(self.http.get(url)).await?;
        let cookies: Vec<String> = page.headers().get_all(header::SET_COOKIE).iter().map(pair_of).collect();
        let html = text(page).await?;
        let carried = html.split("name=\"interaction\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let carried = carried.ok_or_else(|| Failed::Refused(format!("no form: {html}")))?;
        let form = [("interaction", carried), ("login", login), ("password", password)];
        let request = self.http.post(format!("{}/login", self.issuer)).header(header::COOKIE, cookies.join("; "));
        let answer = send(request.form(&form)).await?;
        let to = answer.headers().get(header::LOCATION).and_then(|to| Url::parse(to.to_str().ok()?).ok());
        let code = to.as_ref().and_then(|to| to.query_pairs().find(|(name, _)| name == "code"));
        let Some((_, code)) = code else { return Err(Failed::Refused(format!("no code: {answer:?}"))) };
        let exchange = [
            ("grant_type", "authorization_code"),
            ("client_id", "demo-spa"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.tokens(&exchange).await
    }

    async fn refresh(&self, tokens: &Tokens) -> Result<Tokens, Failed> {
        let form =
            [("grant_type", "refresh_token"), ("client_id", "demo-spa"), ("refresh_token", tokens.refresh.as_str())];
        self.tokens(&form).await
    }

    /// Asks for tokens, and tries what it gets.
    async fn tokens(&self, form: &[(&str, &str)]) -> Result<Tokens, Failed> {
        let answer = send(self.http.post(format!("{}/token", self.issuer)).form(form)).await?;
        let (status, text) = (answer.status(), text(answer).await?);
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let member = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let (tokens, id) =
            (Tokens { access: member("access_token"), refresh: member("refresh_token") }, member("id_token"));
        if status != StatusCode::OK || tokens.refresh.is_empty() {
            return Err(Failed::Refused(format!("no tokens: {status} {text}")));
        }
        for token in [&tokens.access, &id] {
            self.verify(token).await?;
        }
        let userinfo = send(self.http.get(format!("{}/userinfo", self.issuer)).bearer_auth(&tokens.access)).await?;
        match userinfo.status() {
            StatusCode::OK => Ok(tokens),
            other => Err(Failed::Refused(format!("userinfo: {other}"))),
        }
    }

    /// Checks a signature as relying parties do: by the keys that it has, and by those published now where it lacks one.
    async fn verify(&self, jwt: &str) -> Result<(), Failed> {
        let kid = decode_header(jwt).unwrap().kid.unwrap();
        if !self.keys.lock().unwrap().contains_key(&kid) {
            let published = send(self.http.get(format!("{}/jwks", self.issuer))).await?;
            let set: JwkSet = serde_json::from_str(&text(published).await?).unwrap();
            let keys =
                set.keys.iter().map(|key| (key.common.key_id.clone().unwrap(), DecodingKey::from_jwk(key).unwrap()));
            *self.keys.lock().unwrap() = keys.collect();
        }
        let keys = self.keys.lock().unwrap();
        let key = keys.get(&kid).ok_or_else(|| Failed::Refused(format!("no key {kid}")))?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_aud = false;
        let verified = decode::<Value>(jwt, key, &validation);
        verified.map(drop).map_err(|error| Failed::Refused(format!("the signature: {error}")))
    }
}

/// Sends a request; no answer, and the answer that there is none now, may be another one the next time.
async fn send(request: RequestBuilder) -> Result<Response, Failed> {
    let answer = request.send().await.map_err(|error| Failed::Again(svc_kit::error::chain(&error)))?;
    match answer.status() {
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(Failed::Again(format!("{}: {status}", answer.url().path())))
        }
        _ => Ok(answer),
    }
}

async fn text(answer: Response) -> Result<String, Failed> {
    answer.text().await.map_err(|error| Failed::Again(error.to_string()))
}

fn pair_of(cookie: &header::HeaderValue) -> String {
    cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}
