//! Brings a form that came without the SSO cookie back as a GET.
//!
//! The cookie is `SameSite=Lax`: a POST from another site arrives without it, whoever is signed in. What such a request
//! says about the browser is therefore nothing. Answered with 303, the browser comes again by GET, as a navigation of
//! its own, and shows the cookie if it has one. The path of the answer is fixed, so that nothing can be redirected with it.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::domain::authorize::Parameters;

/// Sends the browser to `endpoint` with the same parameters.
pub(super) fn come_again(endpoint: &str, parameters: &Parameters) -> Response {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters.pairs()).finish();
    let location = if query.is_empty() { endpoint.to_owned() } else { format!("{endpoint}?{query}") };
    match HeaderValue::from_str(&location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back_as_they_were() {
        let pairs = [("state", "a b&c=ü\"\r\n"), ("redirect_uri", "https://rp.example/cb?x=1#"), ("empty", "")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let response = come_again("https://op.example/authorize", &Parameters::collect(pairs).unwrap());
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let location = url::Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap();
        assert_eq!(location.as_str().split('?').next(), Some("https://op.example/authorize"));
        let back: Vec<(String, String)> = location.query_pairs().into_owned().collect();
        assert_eq!(
            back,
            [
                ("redirect_uri".to_owned(), "https://rp.example/cb?x=1#".to_owned()),
                ("state".to_owned(), "a b&c=ü\"\r\n".to_owned()),
            ]
        );
    }

    #[test]
    fn nothing_to_say_is_the_plain_endpoint() {
        let response = come_again("https://op.example/logout", &Parameters::default());
        assert_eq!(response.headers()[header::LOCATION], "https://op.example/logout");
    }
}
