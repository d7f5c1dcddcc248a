//! A sign-in at npm's `oidc-provider` and at ours, by the same script: statuses, headers, members and claims are the
//! same, or the difference is meant and stands in [`MEANT`].

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

use super::{
    oracle::other_provider,
    oracle_meant::{MEANT, Meant, row},
    started,
};
use crate::support::{Browser, CHALLENGE, Client, Page, SPA, VERIFIER, WEB, claims, header};

/// What is so at a place: a header's value, or the kind of a member.
type Facts = BTreeMap<String, String>;

const HEADERS: [&str; 5] =
    ["cache-control", "pragma", "content-type", "access-control-allow-origin", "www-authenticate"];

/// Both applications ask for the same.
const SCOPE: &str = "openid email offline_access";

/// An application that walks through a provider, and what it sees.
struct Walk<'a> {
    issuer: &'a str,
    client: Client,
    http: reqwest::Client,
    facts: Facts,
}

impl<'a> Walk<'a> {
    /// Does all that an application does with a user; returns what it saw.
    async fn through(issuer: &'a str, client: Client) -> Facts {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut walk = Self { issuer, client, http, facts: Facts::new() };
        walk.look_around().await;
        let code = walk.sign_in().await;
        let tokens = walk.use_code(&code).await;
        walk.use_tokens(&tokens).await;
        walk.fail(&code).await;
        walk.facts
    }

    async fn look_around(&mut self) {
        self.ask("discovery", self.get(".well-known/openid-configuration")).await;
        self.ask("JWKS", self.get("jwks")).await;
    }

    /// Sends a browser through the provider's own pages, as Ada, who agrees; returns the code.
    async fn sign_in(&mut self) -> String {
        let asked =
            [("scope", SCOPE), ("prompt", "consent"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        let browser = Browser::new();
        let mut page = browser.get(&format!("{}/authorize", self.issuer), &self.client.request(&asked)).await;
        while let Some(next) = self.goes_on(&browser, &page).await {
            page = next;
        }
        for (name, _) in url::Url::parse(&page.location()).unwrap().query_pairs() {
            self.note("authorization", &name, "a parameter");
        }
        self.note("authorization", "cache-control", page.headers["cache-control"].to_str().unwrap());
        assert_eq!((page.answer("iss"), page.answer("state")), (self.issuer.to_owned(), "some state".to_owned()));
        page.answer("code")
    }

    /// What comes after a page, unless it leads to the application.
    async fn goes_on(&self, browser: &Browser, page: &Page) -> Option<Page> {
        if page.status == 303 {
            let next = url::Url::parse(self.issuer).unwrap().join(&page.location()).unwrap();
            let stays = next.as_str().starts_with(self.issuer);
            return if stays { Some(browser.get(next.as_str(), &[]).await) } else { None };
        }
        assert_eq!(page.status, 200, "{}", page.html);
        Some(if page.html.contains("name=\"password\"") {
            browser.sign_in(page).await
        } else {
            browser.submit(page, &[("decision", "allow")]).await
        })
    }

    async fn use_code(&mut self, code: &str) -> Value {
        let tokens = self.ask("token", self.exchange(code)).await;
        let id = tokens["id_token"].as_str().unwrap_or_else(|| panic!("{tokens}"));
        self.note_members("ID token's header", &header(id));
        self.note_members("ID token", &claims(id));
        let claims = claims(id);
        assert_eq!((&claims["iss"], &claims["aud"]), (&self.issuer.into(), &self.client.id.into()));
        assert_eq!((&claims["nonce"], &tokens["token_type"]), (&"some nonce".into(), &"Bearer".into()));
        tokens
    }

    async fn use_tokens(&mut self, tokens: &Value) {
        let [access, refresh] = ["access_token", "refresh_token"].map(|name| tokens[name].as_str().unwrap());
        let user = self.ask("UserInfo", self.get("userinfo").bearer_auth(access)).await;
        let signed_in = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!((&user["sub"], &user["email"]), (&signed_in["sub"], &"ada@example.com".into()));
        if !self.client.secret.is_empty() {
            let found = self.ask("introspection", self.post("introspect", &[("token", access)])).await;
            assert_eq!((&found["active"], &found["scope"]), (&true.into(), &SCOPE.into()));
            self.ask("introspection of a refresh token", self.post("introspect", &[("token", refresh)])).await;
        }
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let fresh = self.ask("refresh", self.post("token", &fields)).await;
        self.note_members("refreshed ID token", &claims(fresh["id_token"].as_str().unwrap()));
        let fresh = fresh["access_token"].as_str().unwrap();
        self.ask("revocation", self.post("revoke", &[("token", fresh)])).await;
        if !self.client.secret.is_empty() {
            self.ask("introspection of a revoked token", self.post("introspect", &[("token", fresh)])).await;
        }
    }

    async fn fail(&mut self, used: &str) {
        self.ask("used code", self.exchange(used)).await;
        self.ask("wrong token at UserInfo", self.get("userinfo").bearer_auth("x")).await;
        if !self.client.secret.is_empty() {
            let request = self.as_a_page(self.post("introspect", &[("token", "x")]));
            self.ask("introspection by a page", request).await;
        }
        self.client.secret = "wrong";
        self.ask("wrong secret at token", self.exchange("x")).await;
        self.ask("wrong secret at introspection", self.post("introspect", &[("token", "x")])).await;
    }

    fn exchange(&self, code: &str) -> RequestBuilder {
        let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", self.client.redirect_uri)];
        self.post("token", &[&fields[..], &[("code_verifier", VERIFIER)]].concat())
    }

    fn as_a_page(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("origin", self.client.redirect_uri.trim_end_matches("/cb"))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}/{path}", self.issuer))
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let request = self.http.post(format!("{}/{path}", self.issuer));
        match self.client.secret {
            "" => request.form(&[fields, &[("client_id", self.client.id)]].concat()),
            secret => request.basic_auth(self.client.id, Some(secret)).form(fields),
        }
    }

    /// Sends a request as the application does, which without a secret is a page; notes the answer.
    async fn ask(&mut self, place: &str, request: RequestBuilder) -> Value {
        let request = if self.client.id == SPA.id { self.as_a_page(request) } else { request };
        let response = request.send().await.unwrap();
        self.note(place, "status", response.status().as_str());
        for name in HEADERS {
            let Some(value) = said(response.headers(), name) else { continue };
            if name == "access-control-allow-origin" {
                let place = if self.client.id == SPA.id { format!("{place} for a page") } else { place.to_owned() };
                self.note(&place, name, if value == "*" { "any" } else { "the page's" });
            } else {
                self.note(place, name, &value);
            }
        }
        let body = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
        self.note_members(place, &body);
        body
    }

    fn note_members(&mut self, place: &str, object: &Value) {
        for (name, value) in object.as_object().into_iter().flatten() {
            let kind = match value {
                Value::String(_) => "text",
                Value::Number(_) => "a number",
                Value::Bool(_) => "true or false",
                Value::Array(_) => "a list",
                Value::Object(_) => "an object",
                Value::Null => "null",
            };
            self.note(place, name, kind);
        }
    }

    fn note(&mut self, place: &str, what: &str, value: &str) {
        self.facts.insert(format!("{place}: {what}"), value.to_owned());
    }
}

/// A header; of a challenge only the scheme and what it names, of a content only the type.
fn said(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().unwrap();
    if name != "www-authenticate" {
        return Some(value.trim_end_matches("; charset=utf-8").to_owned());
    }
    let (scheme, parameters) = value.split_once(' ').unwrap();
    let names: BTreeSet<&str> =
        parameters.split("\",").map(|parameter| parameter.split('=').next().unwrap().trim()).collect();
    Some(format!("{scheme} {}", names.into_iter().collect::<Vec<_>>().join(" ")))
}

/// All that is not the same, in rows.
fn differences(ours: &Facts, theirs: &Facts) -> BTreeSet<String> {
    let value = |facts: &Facts, name: &String| facts.get(name).map_or("–", String::as_str).to_owned();
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differ = names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name));
    differ.map(|name| row(name, &value(ours, name), &value(theirs, name))).collect()
}

#[tokio::test]
async fn a_sign_in_at_another_provider_looks_the_same_where_no_difference_is_meant() {
    let server = started().await;
    let (_running, other) = other_provider().await;
    let mut found = BTreeSet::new();
    for client in [WEB, SPA] {
        let ours = Walk::through(&server.addresses.issuer, client).await;
        found.extend(differences(&ours, &Walk::through(&other, client).await));
    }
    let expected: BTreeSet<String> = MEANT.iter().flat_map(Meant::rows).collect();
    let unexplained: Vec<&String> = found.difference(&expected).collect();
    let gone: Vec<&String> = expected.difference(&found).collect();
    assert!(unexplained.is_empty() && gone.is_empty(), "unexplained: {unexplained:#?}; gone: {gone:#?}");
    server.shutdown();
    server.wait().await.unwrap();
}
