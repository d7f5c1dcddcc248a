//! How the pages of a request look: the theme, the picture and the language of its tenant.
//!
//! It is known once the tenant is, and holds for every page of the request from then on, error pages included.

use std::{future::Future, sync::OnceLock};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use url::Url;

use super::{HttpState, language::Language, tenant::Tenant};
use crate::{app::Adapters, domain::tenant};

/// What every policy of ours says of pictures; the origin of a tenant's picture is added to it.
const PICTURES: &str = "img-src 'self' data:";

/// A look.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Where the theme is; empty for none.
    pub(super) stylesheet: String,
    /// Where the picture is; empty for ours.
    pub(super) logo: String,
    /// What the picture shows.
    pub(super) name: String,
    language: Option<Language>,
}

tokio::task_local! {
    static CURRENT: OnceLock<Look>;
}

/// The look of the request that is being answered; the plain one outside of one, or before its tenant is known.
pub(super) fn current() -> Look {
    CURRENT.try_with(|look| look.get().cloned()).ok().flatten().unwrap_or_default()
}

/// The language of the request's tenant, if it prefers one.
pub(super) fn language() -> Option<Language> {
    current().language
}

/// Answers a request that may get a look.
pub(super) fn dressed<F: Future>(answer: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(OnceLock::new(), answer)
}

/// Gives the request the look of a tenant; `path` is where the tenant's routes begin.
pub(super) fn wear(tenant: &tenant::Tenant, path: &str) {
    let theme = &tenant.settings.theme;
    let has_theme = !theme.light.is_empty() || !theme.dark.is_empty();
    let look = Look {
        // The address changes with the theme, so that it can be kept for long.
        stylesheet: if has_theme { format!("{path}/theme.css?v={}", tenant.revision) } else { String::new() },
        logo: theme.logo_url.clone(),
        name: tenant.name.clone(),
        language: Language::named(&tenant.settings.default_language),
    };
    // Outside of a request there are no pages, and the first look stays.
    let _ = CURRENT.try_with(|current| current.set(look));
}

/// Lets the policy of an answer show the picture of the look.
pub(super) fn admit_logo(headers: &mut HeaderMap) {
    let logo = current().logo;
    let Ok(url) = Url::parse(&logo) else { return };
    let Some(policy) = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok()) else {
        return;
    };
    let wider = policy.replace(PICTURES, &format!("{PICTURES} {}", url.origin().ascii_serialization()));
    if let Ok(wider) = HeaderValue::from_str(&wider) {
        headers.insert(header::CONTENT_SECURITY_POLICY, wider);
    }
}

/// The theme of a tenant, as a stylesheet.
pub(super) async fn stylesheet<A: Adapters>(State(state): State<HttpState<A>>, tenant: Tenant) -> Response {
    let theme = match state.auth.open_tenant(&tenant.0).await {
        Ok(tenant) => tenant.settings.theme.stylesheet(),
        Err(error) => return super::pages::failed(&error),
    };
    let kept = "public, max-age=86400";
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, kept)];
    (headers, theme).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_picture_of_the_tenant_may_be_shown_and_nothing_else() {
        let mut tenant = tenant::Tenant::new("acme", "Acme", svc_kit::clock::Timestamp::EPOCH);
        tenant.settings.theme.logo_url = "https://cdn.example:8443/logo.svg?x=1".to_owned();
        let policy = async |is_dressed: bool| {
            let mut headers = HeaderMap::new();
            let plain = HeaderValue::from_static("default-src 'none'; img-src 'self' data:; base-uri 'none'");
            headers.insert(header::CONTENT_SECURITY_POLICY, plain);
            if is_dressed {
                wear(&tenant, "/t/acme");
            }
            admit_logo(&mut headers);
            headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        let expected = "default-src 'none'; img-src 'self' data: https://cdn.example:8443; base-uri 'none'";
        assert_eq!(dressed(policy(true)).await, expected);
        assert_eq!(dressed(policy(false)).await, "default-src 'none'; img-src 'self' data:; base-uri 'none'");
    }
}
