//! A browser without scripts: keeps cookies, reads forms, and stops at what leads to an application.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use reqwest::{RequestBuilder, header::HeaderMap};

/// A browser.
#[derive(Default)]
pub struct Browser {
    cookies: Mutex<BTreeMap<String, String>>,
    http: Option<reqwest::Client>,
}

/// What came back.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

impl Browser {
    /// A browser that has been nowhere.
    pub fn new() -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http: Some(http), ..Self::default() }
    }

    /// Opens an address.
    pub async fn get(&self, address: &str, query: &[(&str, &str)]) -> Page {
        self.send(self.http.as_ref().unwrap().get(address).query(query)).await
    }

    /// Sends a form.
    pub async fn post(&self, address: &str, fields: &[(&str, &str)]) -> Page {
        self.send(self.http.as_ref().unwrap().post(address).form(fields)).await
    }

    /// Sends a form as another site's page would: without the cookies that are only for visits.
    pub async fn post_from_elsewhere(&self, address: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.http.as_ref().unwrap().post(address).form(fields);
        receive(request.header("sec-fetch-site", "cross-site")).await
    }

    /// Fills in the sign-in form as Ada.
    pub async fn sign_in(&self, page: &Page) -> Page {
        self.sign_in_as(page, "ada@example.com", "correct horse battery staple").await
    }

    /// Sends the form of a page, filled in.
    pub async fn submit(&self, page: &Page, filled: &[(&str, &str)]) -> Page {
        let hidden = page.hidden_fields();
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(&str, &str)> = hidden.chain(filled.iter().copied()).collect();
        self.post(&page.action(), &fields).await
    }

    /// Fills in the sign-in form.
    pub async fn sign_in_as(&self, page: &Page, login: &str, password: &str) -> Page {
        let mut fields = page.hidden_fields();
        fields.extend([("login".to_owned(), login.to_owned()), ("password".to_owned(), password.to_owned())]);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&page.action(), &fields).await
    }

    async fn send(&self, request: RequestBuilder) -> Page {
        let cookies: Vec<String> = self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let page = receive(request.header("cookie", cookies.join("; "))).await;
        for cookie in page.headers.get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies().insert(name.to_owned(), value.to_owned());
        }
        page
    }

    fn cookies(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(request: RequestBuilder) -> Page {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Page { status, headers, html: response.text().await.unwrap() }
}

impl Page {
    /// Says whether it asks for a password.
    pub fn is_sign_in(&self) -> bool {
        self.html.contains("id=\"password\"")
    }

    /// Where it leads; panics when it is a page to look at.
    pub fn location(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.html);
        self.headers["location"].to_str().unwrap().to_owned()
    }

    /// A parameter of the answer to the application, in the query or in a form.
    pub fn find(&self, name: &str) -> Option<String> {
        if self.status == 200 {
            return self.hidden_fields().into_iter().find(|(field, _)| field == name).map(|(_, value)| value);
        }
        let url = url::Url::parse(&self.location()).unwrap();
        url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }

    /// The same, which must be there.
    pub fn answer(&self, name: &str) -> String {
        self.find(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    /// Where its form goes.
    pub fn action(&self) -> String {
        attribute(self.html.split("<form").nth(1).unwrap(), "action")
    }

    /// Fields that are filled in already.
    pub fn hidden_fields(&self) -> Vec<(String, String)> {
        let inputs = self.html.split("<input type=\"hidden\"").skip(1);
        inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
    }
}

fn attribute(html: &str, name: &str) -> String {
    let value = html.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
    let plain = value.replace("&#38;", "&").replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"");
    plain.replace("&#39;", "'").replace("&#x2f;", "/")
}
