//! The same requests to npm's `oidc-provider`, which is certified: status, error and way back are the same, or the
//! difference is meant and stands here and in `docs/conformance.md`.

use std::process::Stdio;

use reqwest::{Method, header};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::{
    party::{at, node},
    started,
};
use crate::support::CHALLENGE;

type Fields = &'static [(&'static str, &'static str)];

/// A request, and how both answer it.
struct Case {
    method: Method,
    path: &'static str,
    /// Client id and secret, for the header.
    client: Option<(&'static str, &'static str)>,
    header: Option<(&'static str, &'static str)>,
    fields: Vec<(&'static str, &'static str)>,
    ours: &'static str,
    /// The same, unless the difference is meant.
    theirs: &'static str,
}

impl Case {
    fn new(method: Method, path: &'static str, fields: Fields, ours: &'static str) -> Self {
        Self { method, path, client: None, header: None, fields: fields.to_vec(), ours, theirs: ours }
    }

    /// An authorization request of an application, with changes; an empty value leaves a parameter out.
    fn authorize(application: Fields, changes: Fields, ours: &'static str) -> Self {
        let usual = application.iter().chain(&[("response_type", "code"), ("scope", "openid"), ("state", "s")]);
        let kept = usual.filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let fields = kept.chain(changes.iter().filter(|(_, value)| !value.is_empty())).copied().collect();
        Self { fields, ..Self::new(Method::GET, "authorize", &[], ours) }
    }

    /// A form of application `demo-web`.
    fn web(path: &'static str, fields: Fields, ours: &'static str) -> Self {
        Self { client: Some(("demo-web", "demo-web-secret")), ..Self::new(Method::POST, path, fields, ours) }
    }

    fn form(path: &'static str, fields: Fields, ours: &'static str) -> Self {
        Self::new(Method::POST, path, fields, ours)
    }

    fn by(self, id: &'static str, secret: &'static str) -> Self {
        Self { client: Some((id, secret)), ..self }
    }

    fn with(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    fn but_theirs(self, theirs: &'static str) -> Self {
        Self { theirs, ..self }
    }

    async fn answer(&self, http: &reqwest::Client, issuer: &str) -> String {
        let request = http.request(self.method.clone(), format!("{issuer}/{}", self.path));
        let mut request =
            if self.method == Method::POST { request.form(&self.fields) } else { request.query(&self.fields) };
        if let Some((id, secret)) = self.client {
            request = request.basic_auth(id, Some(secret));
        }
        if let Some((name, value)) = self.header {
            request = request.header(name, value);
        }
        summary(request.send().await.unwrap()).await
    }
}

/// What matters of an answer: status, error, scheme of a challenge; or where a redirect leads.
async fn summary(response: reqwest::Response) -> String {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    if status.is_redirection() {
        let location = text(header::LOCATION);
        let Ok(url) = url::Url::parse(location) else { return "asks the user".to_owned() };
        let find =
            |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        let Some(error) = find("error").filter(|_| find("iss").is_some() && find("state").is_some()) else {
            return if url.fragment().is_some() { "back in the fragment" } else { "elsewhere" }.to_owned();
        };
        return format!("back with {error}");
    }
    let (challenge, kind) = (text(header::WWW_AUTHENTICATE), text(header::CONTENT_TYPE));
    if kind.starts_with("text/html") {
        return format!("{} page", status.as_u16());
    }
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
    let in_challenge = challenge.split("error=\"").nth(1).and_then(|rest| rest.split('"').next());
    let error = body["error"].as_str().or(in_challenge).unwrap_or_default();
    let scheme = challenge.split(' ').next().unwrap_or_default();
    let parts = [status.as_str(), error, scheme];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

const WEB: Fields = &[("client_id", "demo-web"), ("redirect_uri", "http://localhost:8080/cb")];
const SPA: Fields = &[("client_id", "demo-spa"), ("redirect_uri", "http://localhost:8081/cb")];
const CODE: Fields =
    &[("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", "http://localhost:8080/cb")];
const PUSHED: Fields = &[
    ("client_id", "demo-web"),
    ("redirect_uri", "http://localhost:8080/cb"),
    ("response_type", "code"),
    ("scope", "openid"),
];

fn at_the_authorization_endpoint() -> Vec<Case> {
    let invalid = "back with invalid_request";
    vec![
        Case::authorize(WEB, &[("prompt", "none")], "back with login_required"),
        Case::authorize(WEB, &[("response_type", "")], invalid),
        // Theirs offers hybrid flows, and answers them in the fragment.
        Case::authorize(WEB, &[("response_type", "token")], "back with unsupported_response_type")
            .but_theirs("back in the fragment"),
        // No registered code says it better; theirs has one of its own.
        Case::authorize(WEB, &[("response_mode", "x")], invalid).but_theirs("back with unsupported_response_mode"),
        Case::authorize(WEB, &[("prompt", "none login")], invalid),
        Case::authorize(WEB, &[("max_age", "x")], invalid),
        Case::authorize(WEB, &[("redirect_uri", "https://evil.example/")], "400 page"),
        // OpenID Connect requires it; OAuth lets a client with one address leave it out.
        Case::authorize(WEB, &[("redirect_uri", "")], "400 page").but_theirs("asks the user"),
        Case::authorize(WEB, &[("client_id", "nobody")], "400 page"),
        Case::authorize(WEB, &[("client_id", "")], "400 page"),
        Case::authorize(WEB, &[("request", "eyJhbGciOiJub25lIn0.e30.")], "back with request_not_supported"),
        Case::authorize(WEB, &[("request_uri", "https://a.example/r")], "back with request_uri_not_supported"),
        // Nothing in the browser's address counts beside a reference, so there is no address to go back to.
        Case::authorize(WEB, &[("request_uri", "urn:ietf:params:oauth:request_uri:x")], "400 page")
            .but_theirs("back with invalid_request_uri"),
        Case::authorize(SPA, &[], invalid),
        Case::authorize(SPA, &[("code_challenge", CHALLENGE), ("code_challenge_method", "plain")], invalid),
        Case::authorize(SPA, &[("code_challenge", "x"), ("code_challenge_method", "S256")], invalid),
        Case::authorize(WEB, &[("id_token_hint", "x.y.z")], invalid),
        Case::authorize(WEB, &[("claims", "{")], invalid),
        Case::authorize(WEB, &[("resource", "https://api.example/")], "back with invalid_target"),
        // Better now than when the code is exchanged.
        Case::authorize(WEB, &[("dpop_jkt", "x")], invalid).but_theirs("asks the user"),
    ]
}

fn at_the_token_endpoint() -> Vec<Case> {
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let fields = |pairs: &[(&'static str, &'static str)]| pairs.to_vec();
    vec![
        // Whoever shows nothing is not authenticated (RFC 6749 §5.2).
        Case::form("token", CODE, "401 invalid_client Basic").but_theirs("400 invalid_request"),
        Case::web("token", CODE, "401 invalid_client Basic").by("demo-web", "wrong"),
        Case::web("token", CODE, "401 invalid_client Basic").by("nobody", "x"),
        Case::web("token", &[("client_secret", "demo-web-secret")], "400 invalid_request"),
        Case::web("token", &[("scope", "openid")], "400 invalid_request"),
        Case::web("token", &[("grant_type", "password")], "400 unsupported_grant_type"),
        Case::web("token", CODE, "400 invalid_grant"),
        Case::web("token", &[("grant_type", "authorization_code")], "400 invalid_request"),
        Case::web("token", &[("grant_type", "refresh_token"), ("refresh_token", "x")], "400 invalid_grant"),
        Case::web("token", &[("grant_type", "refresh_token")], "400 invalid_request"),
        // RFC 6749 §5.2 has a code for a grant that is not the client's.
        Case::form(
            "token",
            &[("grant_type", "client_credentials"), ("client_id", "demo-spa")],
            "400 unauthorized_client",
        )
        .but_theirs("400 invalid_request"),
        Case {
            fields: fields(&[("grant_type", device), ("device_code", "x"), ("client_id", "tv")]),
            ..Case::form("token", &[], "400 invalid_grant")
        },
        Case::web("token", CODE, "400 invalid_dpop_proof").with("dpop", "x"),
        // The address is there, the method is wrong.
        Case::new(Method::GET, "token", &[], "405").but_theirs("404"),
        Case::form("device_authorization", &[("client_id", "tv"), ("scope", "openid")], "200"),
        Case::web("device_authorization", &[("scope", "openid")], "400 unauthorized_client")
            .but_theirs("400 invalid_request"),
    ]
}

fn at_its_neighbours() -> Vec<Case> {
    vec![
        Case::web("par", PUSHED, "201"),
        Case::web("par", PUSHED, "401 invalid_client Basic").by("demo-web", "wrong"),
        Case::web(
            "par",
            &[("redirect_uri", "https://evil.example/"), ("response_type", "code")],
            "400 invalid_request",
        ),
        // RFC 9126 §2.1 names the error.
        Case::web("par", &[("request_uri", "urn:ietf:params:oauth:request_uri:x")], "400 invalid_request")
            .but_theirs("400 request_uri_not_supported"),
        Case::web("introspect", &[("token", "x")], "200"),
        Case::web("introspect", &[("scope", "x")], "400 invalid_request"),
        Case::form("introspect", &[("token", "x")], "401 invalid_client Basic").but_theirs("400 invalid_request"),
        // Whoever can ask without proving anything could fish for tokens (RFC 7662 §2.1).
        Case::form("introspect", &[("token", "x"), ("client_id", "demo-spa")], "401 invalid_client").but_theirs("200"),
        Case::web("revoke", &[("token", "x")], "200"),
        Case::web("revoke", &[("scope", "x")], "400 invalid_request"),
        Case::web("revoke", &[("token", "x")], "401 invalid_client Basic").by("demo-web", "wrong"),
        // Who shows no token is told of no error (RFC 6750 §3).
        Case::new(Method::GET, "userinfo", &[], "401 Bearer").but_theirs("401 invalid_token Bearer"),
        Case::new(Method::GET, "userinfo", &[], "401 invalid_token Bearer").with("authorization", "Bearer x"),
        // Theirs misses the proof first.
        Case::new(Method::GET, "userinfo", &[], "401 invalid_token Bearer")
            .with("authorization", "DPoP x")
            .but_theirs("400 invalid_request DPoP"),
        Case::new(Method::GET, "jwks", &[], "200"),
        Case::new(Method::GET, ".well-known/openid-configuration", &[], "200"),
    ]
}

/// Starts the other provider, which runs as long as what is returned first; its issuer comes second.
pub(super) async fn other_provider() -> (Child, String) {
    let modules = at(".tools/relying-parties/node/node_modules");
    let mut running = Command::new(node())
        .args([at("e2e/relying-parties/oracle.mjs"), modules])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let line = BufReader::new(running.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    (running, said["issuer"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn another_provider_answers_the_same_where_no_difference_is_meant() {
    let server = started().await;
    let (_running, issuer) = other_provider().await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for case in [at_the_authorization_endpoint(), at_the_token_endpoint(), at_its_neighbours()].into_iter().flatten() {
        let what = format!("{} {} {:?}", case.method, case.path, case.fields);
        assert_eq!(case.answer(&http, &server.addresses.issuer).await, case.ours, "ours: {what}");
        assert_eq!(case.answer(&http, &issuer).await, case.theirs, "theirs: {what}");
    }
    server.shutdown();
    server.wait().await.unwrap();
}
