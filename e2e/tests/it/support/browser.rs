//! A browser without JavaScript: follows links when told to, keeps cookies, fills in forms.

use std::collections::BTreeMap;

use reqwest::{
    Client, RequestBuilder,
    header::{COOKIE, LOCATION, SET_COOKIE},
    redirect::Policy,
};

/// What a server answered.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    /// Where the browser is sent.
    pub location: Option<String>,
    pub html: String,
}

/// One person's browser.
pub struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
    traceparent: String,
}

impl Browser {
    /// A fresh one, whose requests belong to the trace of `traceparent`.
    pub fn new(traceparent: &str) -> Self {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { client, cookies: BTreeMap::new(), traceparent: traceparent.to_owned() }
    }

    pub async fn open(&mut self, url: &str) -> Page {
        self.send(self.client.get(url)).await
    }

    /// Sends the form of `page` with these fields and its hidden ones.
    pub async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let action = attribute(&page.html, "<form ", "action");
        let mut filled: Vec<(String, String)> = page
            .html
            .split("<input type=\"hidden\"")
            .skip(1)
            .map(|rest| (attribute(rest, "", "name"), attribute(rest, "", "value")))
            .collect();
        filled.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.send(self.client.post(&action).form(&filled)).await
    }

    async fn send(&mut self, request: RequestBuilder) -> Page {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header(COOKIE, cookies.join("; ")).header("traceparent", &self.traceparent);
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = response.headers().get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
        Page { status: response.status().as_u16(), location, html: response.text().await.unwrap() }
    }
}

/// The value of an attribute of the first element that begins with `start`.
fn attribute(html: &str, start: &str, name: &str) -> String {
    let element = html.split_once(start).and_then(|(_, rest)| rest.split_once('>')).map_or("", |(element, _)| element);
    let value = element.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
    value.unwrap_or_else(|| panic!("no {name} in {element:?} of {html}")).0.replace("&amp;", "&")
}
