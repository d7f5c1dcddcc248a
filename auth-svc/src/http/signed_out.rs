//! The page after a logout, and the frames by which it tells applications (OpenID Connect Front-Channel Logout 1.0).
//!
//! It may frame those applications and nothing else. Where the browser must go on, it does so when all frames have loaded
//! or after [`FRAMES_SECONDS_MAX`], whichever comes first. Without a script it goes on that long after they have loaded, and
//! by the link at any time.

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

/// How long the browser waits for applications that do not answer.
const FRAMES_SECONDS_MAX: u32 = 3;

/// The script that goes on early; it runs by its hash and nothing else does.
const SCRIPT_HASH: &str = "sha256-taPbjU4p1AYCGeC9uPu6QQIM9PgViC+LVUIQFu8/QoA=";

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage<'a> {
    language: Language,
    frames: &'a [Url],
    next: &'a str,
    seconds: u32,
}

/// Answers after a logout: on to `next`, or our own page; through a page with frames when applications must be told.
pub(super) fn answer(frames: &[Url], next: Option<&str>) -> Response {
    let location = next.and_then(|next| HeaderValue::from_str(next).ok());
    if let (true, Some(location)) = (frames.is_empty(), location) {
        return (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    }
    let next = next.unwrap_or_default();
    let page = SignedOutPage { language: language::current(), frames, next, seconds: FRAMES_SECONDS_MAX };
    let mut response = pages::page(StatusCode::OK, &page);
    if let Ok(policy) = HeaderValue::from_str(&policy(frames)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn policy(frames: &[Url]) -> String {
    let mut origins: Vec<String> = frames.iter().map(|url| url.origin().ascii_serialization()).collect();
    origins.sort_unstable();
    origins.dedup();
    let origins = if origins.is_empty() { "'none'".to_owned() } else { origins.join(" ") };
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src '{SCRIPT_HASH}'; frame-src {origins}; \
         base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use svc_kit::secret;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_the_origins_of_the_applications_may_be_framed() {
        let frames =
            [url("https://b.example/x?iss=i&sid=s"), url("https://a.example:8443/"), url("https://b.example/y")];
        assert!(policy(&frames).contains("; frame-src https://a.example:8443 https://b.example; "));
        assert!(policy(&[]).contains("; frame-src 'none'; "));
    }

    #[test]
    fn the_script_of_the_page_is_the_one_that_may_run() {
        let page = SignedOutPage {
            language: Language::German,
            frames: &[],
            next: "https://a.example/\"><script>",
            seconds: 3,
        };
        let html = page.render().unwrap();
        assert_eq!(html.matches("<script").count(), 1, "{html}");
        let script = html.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
        assert_eq!(SCRIPT_HASH, format!("sha256-{}", STANDARD.encode(secret::sha256(script.as_bytes()))));
    }
}
