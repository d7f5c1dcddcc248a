//! The OpenID Provider over HTTP: requests → use cases → answers. Nothing is decided here but what HTTP is about.

mod account;
mod account_view;
mod address;
mod answer;
mod api;
mod authorize;
mod client;
mod consent;
mod cookies;
mod cors;
mod credentials;
mod device;
mod device_pages;
mod discovery;
mod form;
mod interaction;
mod language;
mod layers;
mod login_form;
mod logout;
mod look;
mod pages;
mod password;
mod possession;
mod pushed;
mod registration;
mod resource;
mod retry_after;
mod same_site;
mod signed_out;
mod tenant;
mod texts;
mod token;
mod tokens_about;
mod user_agent;
mod userinfo;
mod visit;

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use svc_kit::{boot::BootError, lifecycle::Lifecycle};
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::{Adapters, Auth};

/// Largest body of a request.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What handlers share.
pub struct HttpState<A: Adapters> {
    /// The use cases.
    pub auth: Arc<Auth<A>>,
}

impl<A: Adapters> Clone for HttpState<A> {
    fn clone(&self) -> Self {
        Self { auth: self.auth.clone() }
    }
}

/// Makes the router: the default tenant at the root, the others under `/t/{tenant}`.
pub fn router<A: Adapters>(state: HttpState<A>) -> Router {
    let of_tenant = || {
        Router::new()
            .route("/.well-known/openid-configuration", get(discovery::configuration::<A>))
            .route("/jwks", get(discovery::jwks::<A>))
            .route("/theme.css", get(look::stylesheet::<A>))
            .route("/authorize", get(authorize::authorize::<A>).post(authorize::authorize::<A>))
            .route("/login", post(authorize::login::<A>).get(pages::post_only))
            .route("/password", post(password::change::<A>).get(pages::post_only))
            .route("/api/login", post(api::login::<A>))
            .route("/api/password", post(api::password::<A>))
            .route("/consent", post(consent::decide::<A>).get(pages::post_only))
            .route("/token", post(token::token::<A>).options(cors::preflight))
            .route("/device_authorization", post(device::begin::<A>))
            .route("/device", get(device_pages::ask::<A>))
            .route("/device/code", post(device_pages::code::<A>).get(pages::post_only))
            .route("/device/login", post(device_pages::login::<A>).get(pages::post_only))
            .route("/device/decide", post(device_pages::decide::<A>).get(pages::post_only))
            .route("/register", post(registration::register::<A>))
            .route(
                "/register/{client_id}",
                get(registration::read::<A>).put(registration::replace::<A>).delete(registration::delete::<A>),
            )
            .route("/par", post(pushed::push::<A>).options(cors::preflight))
            .route("/userinfo", get(userinfo::by_header::<A>).post(userinfo::by_form::<A>).options(cors::preflight))
            .route("/introspect", post(tokens_about::introspect::<A>))
            .route("/revoke", post(tokens_about::revoke::<A>).options(cors::preflight))
            .route("/account", get(account::open::<A>))
            .route("/account/login", post(account::login::<A>).get(pages::post_only))
            .route("/account/end", post(account::end::<A>).get(pages::post_only))
            .route("/logout", get(logout::logout::<A>).post(logout::logout::<A>))
            .route("/logout/confirm", post(logout::confirm::<A>).get(pages::post_only))
    };
    Router::new()
        .merge(of_tenant())
        .nest("/t/{tenant}", of_tenant())
        // RFC 8414 §3.1 puts the well-known part before the path of the issuer.
        .route("/.well-known/oauth-authorization-server", get(discovery::configuration::<A>))
        .route("/.well-known/oauth-authorization-server/t/{tenant}", get(discovery::configuration::<A>))
        .route("/assets/latchkey.css", get(pages::stylesheet))
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(pages::panicked))
        // Outermost: whatever is answered has the headers.
        .layer(from_fn_with_state(state.clone(), layers::around::<A>))
        .with_state(state)
}

/// Serves on a listener as a task of `lifecycle`.
///
/// # Errors
/// Fails when the listener has no address.
pub fn serve(router: Router, listener: TcpListener, lifecycle: &Lifecycle) -> Result<SocketAddr, BootError> {
    let address = listener.local_addr().map_err(BootError::because("the HTTP listener has no address"))?;
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("http", async move {
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, router).with_graceful_shutdown(soft.cancelled_owned()).await.unwrap_or_else(|error| {
            tracing::error!(error = error.to_string(), "the HTTP server failed");
        });
        Ok::<_, Infallible>(())
    });
    Ok(address)
}
