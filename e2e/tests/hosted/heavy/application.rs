//! An application that a browser can open: it takes codes, is told of logouts, and can be asked what it saw.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::Uri,
    response::Html,
    routing::{get, post},
};
use tokio::net::TcpListener;

use super::single_page;

#[derive(Clone)]
pub struct Application {
    pub base: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Application {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let application = Self { base, seen: Arc::default() };
        let router = Router::new()
            .route("/", get(page))
            .route("/cb", get(page).post(posted))
            .route("/out", get(page))
            .route("/never", get(never))
            .route("/frame", get(framing))
            .route("/attack", post(posted))
            .merge(single_page::router())
            .with_state(application.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        application
    }

    /// Applications of the directory that live at this address.
    pub fn seed(&self) -> String {
        let base = &self.base;
        let entry = |id: &str, more: &str| {
            format!(
                "[[applications]]\nid = \"{id}\"\ntenant = \"default\"\nname = \"Paper & Pencil\"\nsecret = \"{id}-secret\"\n\
                 redirect_uris = [\"{base}/cb\"]\npost_logout_redirect_uris = [\"{base}/\"]\n{more}\n"
            )
        };
        entry("paper", &format!("frontchannel_logout_uri = \"{base}/out\""))
            + &entry("stuck", &format!("frontchannel_logout_uri = \"{base}/never\""))
            + &entry("wants-consent", "consent_required = true")
            + &single_page::seed(self)
    }

    /// The requests so far, path and query or body.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn note(&self, what: String) {
        self.seen.lock().unwrap().push(what);
    }

    /// Where the application sends its user.
    pub fn authorize(&self, issuer: &str, id: &str, extra: &[(&str, &str)]) -> String {
        let mut url = url::Url::parse(&format!("{issuer}/authorize")).unwrap();
        let usual = [("client_id", id), ("response_type", "code"), ("state", "s"), ("redirect_uri", &self.cb())];
        url.query_pairs_mut().extend_pairs(usual).extend_pairs(extra);
        if !extra.iter().any(|(name, _)| *name == "scope") {
            url.query_pairs_mut().append_pair("scope", "openid profile email");
        }
        url.into()
    }

    pub fn cb(&self) -> String {
        format!("{}/cb", self.base)
    }
}

async fn page(State(application): State<Application>, uri: Uri) -> Html<&'static str> {
    application.note(uri.to_string());
    Html("<!doctype html><title>Paper</title><h1 id=\"home\">At the application</h1>")
}

async fn posted(State(application): State<Application>, uri: Uri, body: String) -> Html<&'static str> {
    application.note(format!("{uri} {body}"));
    Html("<!doctype html><title>Paper</title><h1 id=\"home\">At the application</h1>")
}

async fn never(State(application): State<Application>, uri: Uri) {
    application.note(uri.to_string());
    std::future::pending().await
}

/// A page of another site that frames what its query names.
async fn framing(uri: Uri) -> Html<String> {
    let source = uri.query().unwrap_or_default();
    Html(format!("<!doctype html><title>Frame</title><iframe id=\"victim\" src=\"{source}\"></iframe>"))
}
