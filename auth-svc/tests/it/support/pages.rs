//! The hosted pages, as a browser without scripts has them.

use proto::auth::v1::{Application, ClientType, CreateApplicationRequest};
use reqwest::{Client, RequestBuilder, StatusCode, header::HeaderMap, redirect::Policy};

use super::service::{OPERATOR_KEY, Service};

/// The header by which [`Pages`] says where it is, where the service is set to believe it.
pub const ADDRESS_HEADER: &str = "x-browser-address";

/// Where an application sends its user.
pub const AUTHORIZE: &str = "/authorize?client_id=web&response_type=code&scope=openid\
    &redirect_uri=https%3A%2F%2Fweb.example%2Fcb\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// A way to the pages of a service.
#[derive(Clone)]
pub struct Pages {
    http: Client,
    base: String,
}

/// What came back.
#[derive(Debug)]
pub struct Shown {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

/// A form, and the browser's cookie that goes with it.
#[derive(Clone)]
pub struct Form {
    pub cookie: String,
    pub field: String,
}

impl Pages {
    /// The pages of a service, which gets an application `web` that uses them.
    pub async fn of(service: &Service) -> Self {
        let application = Application {
            id: "web".to_owned(),
            tenant_id: "default".to_owned(),
            name: "Web".to_owned(),
            client_type: ClientType::Confidential.into(),
            redirect_uris: vec!["https://web.example/cb".to_owned()],
            ..Application::default()
        };
        let request = CreateApplicationRequest { application: Some(application) };
        service.applications(OPERATOR_KEY).create_application(request).await.unwrap();
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { http, base: format!("http://{}", service.running.http_addr) }
    }

    /// Opens an address with a cookie, or with an empty text for none.
    pub async fn open(&self, path: &str, cookie: &str) -> Shown {
        receive(self.http.get(format!("{}{path}", self.base)).header("cookie", cookie)).await
    }

    /// Opens a page with a form.
    pub async fn form(&self, path: &str) -> Form {
        self.open(path, "").await.form()
    }

    /// Sends a form, filled in, from an address of the network.
    pub async fn send(&self, path: &str, form: &Form, filled: &[(&str, &str)], address: &str) -> Shown {
        let fields = [&[("interaction", form.field.as_str())], filled].concat();
        let request = self.http.post(format!("{}{path}", self.base)).header("cookie", &form.cookie);
        receive(request.header(ADDRESS_HEADER, address).form(&fields)).await
    }

    /// Sends the sign-in form.
    pub async fn sign_in(&self, form: &Form, login: &str, password: &str) -> Shown {
        self.send("/login", form, &[("login", login), ("password", password)], "").await
    }
}

async fn receive(request: RequestBuilder) -> Shown {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Shown { status, headers, html: response.text().await.unwrap() }
}

impl Shown {
    /// The cookies that it sets, with all that is said of them.
    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect()
    }

    /// A header; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Its form.
    pub fn form(&self) -> Form {
        let cookie = self.cookies().first().unwrap_or_else(|| panic!("{self:?}")).split(';').next().unwrap();
        let field = self.html.split("name=\"interaction\" value=\"").nth(1).unwrap_or_else(|| panic!("{self:?}"));
        Form { cookie: cookie.to_owned(), field: field.split('"').next().unwrap().to_owned() }
    }
}
