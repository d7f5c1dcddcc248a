//! auth-svc as it runs in production, but for its bus, whose events are thrown away.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{
    auth::v1::{
        CreateUserRequest, LoginRequest, auth_service_client::AuthServiceClient, user_service_client::UserServiceClient,
    },
    session::v1::Device,
};
use reqwest::{Client, Response, Url, header};
use serde::Deserialize;
use svc_kit::{
    boot::Parts,
    cli::{self, Booting, Service},
};
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use super::{
    broker::Bus,
    database::Database,
    http::{self, Asking},
    session::{self, Key, SessionSvc},
};
use crate::{failure::Failure, load::Target, process};

/// The password of every user.
pub const PASSWORD: &str = "correct horse battery staple";
/// Users.
pub const USERS: usize = 64;
/// Applications: their ID tokens are signed by RS256, and by ES256.
pub const RS256: &str = "bench-rs256";
/// See [`RS256`].
pub const ES256: &str = "bench-es256";
const SECRET: &str = "bench-secret";
const REDIRECT_URI: &str = "http://localhost/cb";
const SCOPE: &str = "openid offline_access";

/// Serves auth-svc as the whole of a process.
pub fn serve() -> ExitCode {
    let service = auth_svc::boot::service();
    cli::run_with(&Service { start, ..service }, ["auth-svc".into()])
}

fn start(config: auth_svc::config::Config, parts: Parts) -> Booting {
    Box::pin(async move {
        auth_svc::boot::migrate(&config).await?;
        let parts = session::with_sink(&config.bus, parts)?;
        auth_svc::boot::start(config, None, parts).await.map(drop)
    })
}

/// A running auth-svc with a database of its own.
pub struct AuthSvc {
    /// The process.
    pub server: process::Server,
    /// Its database.
    pub database: Database,
    grpc: Endpoint,
    http: SocketAddr,
}

/// What an application gets for a code.
#[derive(Deserialize)]
pub struct Tokens {
    /// Access token.
    pub access_token: String,
    /// ID token.
    pub id_token: String,
    /// Refresh token.
    pub refresh_token: String,
}

/// The header of a JWT.
#[derive(Deserialize)]
struct JwtHeader {
    alg: String,
}

/// By what a JWT is signed.
///
/// # Errors
/// [`Failure::Unexpected`] when it is none.
pub fn algorithm_of(jwt: &str) -> Result<String, Failure> {
    let header = jwt.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok()).unwrap_or_default();
    let header: Result<JwtHeader, _> = serde_json::from_slice(&header);
    header.map(|header| header.alg).map_err(|_| Failure::Unexpected("a token is no JWT".into()))
}

impl AuthSvc {
    /// Starts one that keeps its sessions in `sessions`, with so many threads for passwords, or as many as it takes by itself.
    ///
    /// # Errors
    /// [`Failure`] when it does not come up.
    pub async fn start(sessions: &SessionSvc, threads: Option<usize>) -> Result<Self, Failure> {
        let database = Database::create().await?;
        let seed = process::directory()?.join("auth-seed.toml");
        std::fs::write(&seed, seed_text())?;
        let (grpc, ops, http) = (process::free_address(), process::free_address(), process::free_address());
        let mut command = process::myself()?;
        command.arg("auth-svc").envs(Bus::Memory.settings());
        for (name, value) in [
            ("LATCHKEY_POSTGRES__URL", database.url()),
            ("LATCHKEY_GRPC__LISTEN", grpc.to_string()),
            ("LATCHKEY_OPS__LISTEN", ops.to_string()),
            ("LATCHKEY_HTTP__LISTEN", http.to_string()),
            ("LATCHKEY_HTTP__BASE_URL", format!("http://{http}")),
            ("LATCHKEY_SESSIONS__URL", sessions.url()),
            ("LATCHKEY_SEED__FILE", seed.display().to_string()),
        ] {
            command.env(name, value);
        }
        if let Some(threads) = threads {
            command.env("LATCHKEY_PASSWORDS__THREADS", threads.to_string());
        }
        let mut server = process::Server::start("auth-svc", &mut command)?;
        server.up(async || process::is_ready(ops).await).await?;
        let grpc = Endpoint::from_shared(format!("http://{grpc}"))?.tcp_nodelay(true);
        Ok(Self { server, database, grpc, http })
    }

    /// Makes the users.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn add_users(&self) -> Result<(), Failure> {
        let mut client = UserServiceClient::with_interceptor(self.grpc.connect().await?, Key::operator());
        for user in 0..USERS {
            let request = CreateUserRequest {
                tenant_id: "default".into(),
                login: login(user),
                name: "User".into(),
                password: PASSWORD.into(),
            };
            client.create_user(request).await?;
        }
        Ok(())
    }

    /// Threads that it has for passwords.
    pub fn password_threads(&self) -> usize {
        self.server.watched().threads_named("password-")
    }

    /// The token endpoint, as an application asks it.
    pub fn asking(&self, application: &'static str) -> Asking {
        Asking { url: format!("http://{}/token", self.http), id: application, secret: SECRET }
    }

    /// Signs a user in with a browser; returns the cookie that the browser is known by from then on.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sign_in(&self, client: &Client, user: usize) -> Result<String, Failure> {
        let page = client.get(self.authorize(RS256)?).send().await?.error_for_status()?;
        let browser = cookie(&page, "lk_interaction_default")?;
        let html = page.text().await?;
        let field = html.split_once("name=\"interaction\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
        let (field, _) = field.ok_or_else(|| Failure::Unexpected("the page is not the sign-in form".into()))?;
        let login = login(user);
        let fields = [("interaction", field), ("login", login.as_str()), ("password", PASSWORD)];
        let posted = client.post(format!("http://{}/login", self.http)).header(header::COOKIE, browser).form(&fields);
        cookie(&posted.send().await?, "lk_sso_default")
    }

    /// Has a browser whose user is signed in fetch a code for an application.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn code(&self, client: &Client, cookie: &str, application: &str) -> Result<String, Failure> {
        let answer = client.get(self.authorize(application)?).header(header::COOKIE, cookie).send().await?;
        let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let url = location.and_then(|location| Url::parse(location).ok());
        let code = url.and_then(|url| url.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into()));
        code.ok_or_else(|| Failure::Unexpected(format!("no code, but {}", answer.status())))
    }

    /// Exchanges a code.
    ///
    /// # Errors
    /// [`Failure::Http`].
    pub async fn exchange(&self, client: &Client, application: &'static str, code: &str) -> Result<Tokens, Failure> {
        let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT_URI)];
        let answer = self.asking(application).request(client, &fields).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    }

    fn authorize(&self, application: &str) -> Result<Url, Failure> {
        let fields = [
            ("client_id", application),
            ("redirect_uri", REDIRECT_URI),
            ("response_type", "code"),
            ("scope", SCOPE),
            ("state", "s"),
            ("nonce", "n"),
        ];
        let url = Url::parse_with_params(&format!("http://{}/authorize", self.http), fields);
        url.map_err(|_| Failure::Unexpected("the authorization endpoint has no URL".into()))
    }
}

fn login(user: usize) -> String {
    format!("user{user}@example.com")
}

/// A cookie that an answer sets, as it is sent back.
fn cookie(answer: &Response, name: &str) -> Result<String, Failure> {
    let set = answer.headers().get_all(header::SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let mut pairs = set.filter_map(|cookie| cookie.split(';').next());
    let found = pairs.find(|pair| pair.split_once('=').is_some_and(|(found, _)| found == name));
    found.map(str::to_owned).ok_or_else(|| Failure::Unexpected(format!("no cookie {name}, but {}", answer.status())))
}

fn seed_text() -> String {
    let mut text = "[[tenants]]\nid = \"default\"\nname = \"Default\"\n".to_owned();
    for (id, algorithm) in [(RS256, "RS256"), (ES256, "ES256")] {
        text += &format!(
            "[[applications]]\nid = \"{id}\"\ntenant = \"default\"\nname = \"{id}\"\nsecret = \"{SECRET}\"\n\
             redirect_uris = [\"{REDIRECT_URI}\"]\nsigning_algorithm = \"{algorithm}\"\n"
        );
    }
    text
}

/// Signs users in by their passwords, without a browser.
pub struct LoginTarget(pub Arc<AuthSvc>);

impl Target for LoginTarget {
    type Connection = AuthServiceClient<InterceptedService<Channel, Key>>;

    async fn connect(&self) -> Result<Self::Connection, Failure> {
        Ok(AuthServiceClient::with_interceptor(self.0.grpc.connect().await?, Key::operator()))
    }

    async fn call(&self, client: &mut Self::Connection, slot: usize, _turn: usize) -> Result<(), Failure> {
        // Each user from a network of their own: whoever signs in so often from one place looks like somebody who guesses.
        let device = Device { ip_address: format!("10.0.{}.1", slot % USERS), ..Device::default() };
        let request = LoginRequest {
            tenant_id: "default".into(),
            application_id: RS256.into(),
            login: login(slot % USERS),
            password: PASSWORD.into(),
            device: Some(device),
            ..LoginRequest::default()
        };
        client.login(request).await?;
        Ok(())
    }
}

/// Browsers whose users are signed in.
pub struct Browsers {
    service: Arc<AuthSvc>,
    client: Client,
    cookies: Vec<String>,
}

impl Browsers {
    /// Signs every user in.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sign_in(service: Arc<AuthSvc>) -> Result<Self, Failure> {
        let client = http::client()?;
        let mut cookies = Vec::with_capacity(USERS);
        for user in 0..USERS {
            cookies.push(service.sign_in(&client, user).await?);
        }
        Ok(Self { service, client, cookies })
    }

    /// Fetches codes for an application, of all users in turn.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn codes(&self, application: &str, count: usize) -> Result<Vec<String>, Failure> {
        let one = |n: usize| self.service.code(&self.client, &self.cookies[n % USERS], application);
        stream::iter((0..count).map(one)).buffer_unordered(USERS).try_collect().await
    }

    /// Exchanges one of them.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn exchange(&self, application: &'static str, code: String) -> Result<Tokens, Failure> {
        self.service.exchange(&self.client, application, &code).await
    }
}
