//! How the answer to an authorization request reaches the application: a redirect, or a form that the browser posts.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use url::Url;

use super::{
    language::{self, Language},
    pages,
};
use crate::domain::authorize::{AuthorizationRequest, RedirectError, ResponseMode};

/// The one script that we have; it runs by its hash and nothing else does.
const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
    script-src 'sha256-kJd/po0ibbDkLAGT/xICQiAx79nz37e4AzVx9nhNBsY='; base-uri 'none'; object-src 'none'; \
    frame-ancestors 'none'";

/// A form that posts itself, or that the user posts where no script runs.
#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPostPage<'a> {
    language: Language,
    action: &'a str,
    fields: &'a [(&'a str, &'a str)],
}

/// Answers with a code (RFC 6749 §4.1.2, RFC 9207).
pub(super) fn code(issuer: &str, request: &AuthorizationRequest, code: &str) -> Response {
    let fields = [("code", code), ("state", &request.state), ("iss", issuer)];
    deliver(request.response_mode, &request.redirect_uri, &fields)
}

/// Answers with an error (RFC 6749 §4.1.2.1, RFC 9207).
pub(super) fn error(issuer: &str, error: &RedirectError) -> Response {
    let fields = [
        ("error", error.error),
        ("error_description", error.description),
        ("state", error.state.as_str()),
        ("iss", issuer),
    ];
    deliver(error.response_mode, &error.redirect_uri, &fields)
}

fn deliver(mode: ResponseMode, uri: &str, fields: &[(&str, &str)]) -> Response {
    let fields: Vec<(&str, &str)> = fields.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
    match mode {
        ResponseMode::Query => redirect(uri, &fields),
        ResponseMode::FormPost => {
            let mut response = pages::page(
                StatusCode::OK,
                &FormPostPage { language: language::current(), action: uri, fields: &fields },
            );
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
            response
        }
    }
}

/// 303: the browser must come with GET, whatever it came here with.
pub(super) fn redirect(uri: &str, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut url) = Url::parse(uri) else { return malformed() };
    url.query_pairs_mut().extend_pairs(parameters);
    match HeaderValue::from_str(url.as_str()) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => malformed(),
    }
}

fn malformed() -> Response {
    pages::explain(StatusCode::BAD_REQUEST, pages::texts().bad_sign_in_link, "The redirect address is malformed.")
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use svc_kit::secret;

    use super::*;

    #[test]
    fn the_script_of_the_form_is_the_one_that_may_run() {
        let html = FormPostPage {
            language: Language::German,
            action: "https://a.example/cb",
            fields: &[("state", "\"><script>x")],
        }
        .render()
        .unwrap();
        assert_eq!(html.matches("<script").count(), 1, "{html}");
        let script = html.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
        let hash = STANDARD.encode(secret::sha256(script.as_bytes()));
        assert!(CSP.contains(&format!("script-src 'sha256-{hash}'")), "{hash}");
    }
}
