//! A request to a hosted page: for which tenant, from where, from which browser, and with what.
//!
//! Every page is asked for and answered through it, so that a form of ours comes back to where it belongs, in the browser that
//! it was shown in, and from no other site.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Bytes,
    extract::{ConnectInfo, FromRequest, FromRequestParts as _, Request},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use proto::session::v1::Session;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    HttpState, address,
    cookies::{Cookies, INTERACTION, SSO, add_cookie},
    credentials,
    form::{self, FormError},
    interaction,
    language::Language,
    pages, same_site,
    tenant::Tenant,
};
use crate::{
    app::{Adapters, Auth, oidc::authorize::Credentials},
    domain::{application::Application, authorize::Parameters},
    error::AuthError,
    ports::ApplicationStore as _,
};

/// What a page's handler answers: what failed is shown on a page too.
pub(super) type Page = Result<Response, Failed>;

/// The failure of a use case.
pub(super) struct Failed(pub(super) AuthError);

impl<E: Into<AuthError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        pages::failed(&self.0)
    }
}

/// A request to a page.
pub(super) struct Visit<A: Adapters> {
    /// The use cases.
    pub(super) auth: Arc<Auth<A>>,
    /// The tenant, which exists and is not suspended.
    pub(super) tenant: String,
    /// Where the browser is, as far as that is known.
    pub(super) address: String,
    /// What the form says, or the query of a request without one.
    pub(super) fields: Result<Parameters, FormError>,
    is_form: bool,
    headers: HeaderMap,
    cookies: Cookies,
}

impl<A: Adapters> FromRequest<HttpState<A>> for Visit<A> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &HttpState<A>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Tenant(tenant) = Tenant::from_request_parts(&mut parts, state).await?;
        let connected = ConnectInfo::<SocketAddr>::from_request_parts(&mut parts, state).await;
        let ConnectInfo(peer) = connected.map_err(IntoResponse::into_response)?;
        let headers = parts.headers.clone();
        let is_form = parts.method == Method::POST;
        let fields = if is_form {
            let body = Bytes::from_request(Request::from_parts(parts, body), state).await;
            form::form(&headers, &body.map_err(IntoResponse::into_response)?)
        } else {
            form::query(parts.uri.query())
        };
        let settings = &state.auth.settings;
        Ok(Self {
            address: address::of_browser(&headers, peer, &settings.client_address_header),
            fields,
            cookies: Cookies::new(&settings.base_url, &tenant),
            auth: state.auth.clone(),
            tenant,
            is_form,
            headers,
        })
    }
}

/// A form that is about to be shown: where it is posted, and the hidden field of what it carries.
pub(super) struct Form<'f> {
    pub(super) action: &'f str,
    pub(super) interaction: &'f str,
}

impl<A: Adapters> Visit<A> {
    /// The tenant's issuer: where its pages are.
    pub(super) fn issuer(&self) -> String {
        self.auth.settings.issuer(&self.tenant)
    }

    /// The value of a field; empty when there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.as_ref().map(|fields| fields.text(name)).unwrap_or_default()
    }

    /// Renders a page with a form that is posted to `path` and brings `content` back.
    pub(super) fn show(
        &self,
        path: &str,
        language: Language,
        content: &impl Serialize,
        render: impl FnOnce(Form<'_>) -> Response,
    ) -> Page {
        let shown = interaction::show(&self.auth, &self.context(path), &self.headers, &self.cookies, content)?;
        let action = format!("{}/{path}?ui_locales={}", self.issuer(), language.tag());
        let mut response = render(Form { action: &action, interaction: &shown.field });
        add_cookie(&mut response, &shown.cookie);
        Ok(response)
    }

    /// What a form that is posted to `path` brings back; `None` when it does not come from one of our pages in this browser.
    pub(super) fn back<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let field = self.field("interaction");
        let content = interaction::back(&self.auth, &self.context(path), &self.headers, &self.cookies, field);
        content.filter(|_| form::is_from_us(&self.headers, &self.auth.settings.base_url))
    }

    /// No form of one page passes for that of another, or of another tenant's.
    fn context(&self, path: &str) -> String {
        format!("interaction {path} {}", self.tenant)
    }

    /// Says that a form cannot be used any more.
    pub(super) fn too_old(&self) -> Response {
        pages::say(StatusCode::FORBIDDEN, pages::texts().form_too_old)
    }

    /// Says so where it may be the first form of a browser: one that keeps no cookies is told of them.
    pub(super) fn too_old_or_no_cookies(&self) -> Response {
        if self.cookies.get(&self.headers, INTERACTION).is_some() {
            return self.too_old();
        }
        pages::say(StatusCode::FORBIDDEN, pages::texts().no_cookies)
    }

    /// The answer to a form of another site, which came to `path` without the SSO cookie: it must come again.
    pub(super) fn come_again(&self, path: &str) -> Option<Response> {
        let fields = self.fields.as_ref().ok().filter(|_| self.is_form && self.sso_token().is_none())?;
        Some(same_site::come_again(&format!("{}/{path}", self.issuer()), fields))
    }

    /// The token of the browser's SSO session, as its cookie says.
    pub(super) fn sso_token(&self) -> Option<String> {
        self.cookies.get(&self.headers, SSO)
    }

    /// The browser's SSO session, if it lives.
    pub(super) async fn sso_session(&self) -> Result<Option<Session>, AuthError> {
        self.auth.sso_session(&self.tenant, self.sso_token().as_deref()).await
    }

    /// Gives the browser the token of its SSO session, for `seconds` or until it is closed.
    pub(super) fn keep_sso(&self, response: &mut Response, token: &str, seconds: Option<i64>) {
        add_cookie(response, &self.cookies.set(SSO, token.to_owned(), seconds));
    }

    /// Takes the token away from the browser.
    pub(super) fn drop_sso(&self, response: &mut Response) {
        add_cookie(response, &self.cookies.remove(SSO));
    }

    /// Takes away what the browser has of us. Only what was shown is removed: a request that another site sent without a cookie
    /// must not take it away.
    pub(super) fn drop_all(&self, response: &mut Response) {
        for what in [SSO, INTERACTION].into_iter().filter(|what| self.cookies.get(&self.headers, what).is_some()) {
            add_cookie(response, &self.cookies.remove(what));
        }
    }

    /// What a sign-in form says.
    pub(super) fn credentials(&self) -> Credentials {
        let fields = self.fields.as_ref().ok();
        credentials::read(&self.headers, fields.unwrap_or(&Parameters::default()), self.address.clone())
    }

    /// The application of an id, if it is one of the tenant.
    pub(super) async fn application(&self, id: &str) -> Result<Option<Application>, AuthError> {
        Ok(self.auth.store.application(id).await?.filter(|found| found.tenant == self.tenant))
    }
}
