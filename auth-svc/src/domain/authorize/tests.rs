//! What is accepted, what goes to a page, what goes back.

use super::*;
use crate::domain::application::{Client, SecretHash};

fn application(client: Client) -> Application {
    Application {
        redirect_uris: vec!["https://app.example.com/cb".into()],
        ..Application::new("app", "default", client)
    }
}

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn parse(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, AuthorizeError> {
    let mut pairs: BTreeMap<String, String> = [
        ("client_id", "app"),
        ("redirect_uri", "https://app.example.com/cb"),
        ("response_type", "code"),
        ("scope", "openid profile"),
        ("state", "xyz"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    pairs.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    AuthorizationRequest::parse(&Parameters::collect(pairs).unwrap(), &application(Client::Public))
}

fn error(changes: &[(&str, &str)]) -> &'static str {
    match parse(changes) {
        Err(AuthorizeError::Redirect(error)) => {
            assert_eq!((error.redirect_uri.as_str(), error.state.as_str()), ("https://app.example.com/cb", "xyz"));
            error.error
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_request_is_read() {
    let request = parse(&[("nonce", "n"), ("unknown", "ignored"), ("max_age", "60")]).unwrap();
    assert_eq!((request.scopes, request.max_age_s), (vec!["openid".to_owned(), "profile".to_owned()], Some(60)));
}

#[test]
fn an_address_that_is_not_registered_is_never_redirected_to() {
    for address in [
        "",
        "https://app.example.com/cb/",
        "https://app.example.com/cb?x=1",
        "https://APP.example.com/cb",
        "https://app.example.com/cb#",
        "https://app.example.com%2f@evil.example/cb",
        "//evil.example/cb",
        "https://evil.example/cb",
        "https://app.example.com/../cb",
        "https://app.example.com\\@evil.example/cb",
        "javascript:alert(1)",
        " https://app.example.com/cb",
        "https://app.example.com:443/cb",
        "https://app.example.com./cb",
    ] {
        assert!(matches!(parse(&[("redirect_uri", address)]), Err(AuthorizeError::Page(_))), "{address:?}");
    }
}

#[test]
fn errors_go_back_with_their_code() {
    let long = "x".repeat(1025);
    for (name, value, expected) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "", "invalid_scope"),
        ("scope", "unknown", "invalid_scope"),
        ("nonce", &long, "invalid_request"),
        ("login_hint", &long, "invalid_request"),
        ("id_token_hint", &"x".repeat(16 * 1024 + 1), "invalid_request"),
        ("request", "x", "request_not_supported"),
        ("request_uri", "x", "request_uri_not_supported"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
    ] {
        assert_eq!(error(&[(name, value)]), expected, "{name}={value}");
    }
    assert_eq!(error(&[("code_challenge", ""), ("code_challenge_method", "")]), "invalid_request");
}

#[test]
fn an_error_goes_back_the_way_that_was_asked_for() {
    for (mode, expected) in
        [("query", ResponseMode::Query), ("form_post", ResponseMode::FormPost), ("fragment", ResponseMode::Query)]
    {
        match parse(&[("response_mode", mode), ("response_type", "token")]) {
            Err(AuthorizeError::Redirect(error)) => assert_eq!(error.response_mode, expected, "{mode}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_confidential_client_may_do_without_pkce() {
    let pairs = [("redirect_uri", "https://app.example.com/cb"), ("response_type", "code"), ("scope", "openid")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let client = Client::Confidential(SecretHash::of("s"));
    assert!(AuthorizationRequest::parse(&Parameters::collect(pairs).unwrap(), &application(client)).is_ok());
}

#[test]
fn a_repeated_parameter_is_named() {
    let pairs = [("a", "1"), ("b", "2"), ("a", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(Parameters::collect(pairs).unwrap_err(), "a");
}

#[test]
fn an_old_sign_in_is_not_good_enough_for_max_age() {
    let (then, now) = (Timestamp::from_ms(0), Timestamp::from_ms(61_000));
    assert!(!parse(&[("max_age", "60")]).unwrap().accepts(then, now));
    assert!(parse(&[("max_age", "61")]).unwrap().accepts(then, now));
    assert!(!parse(&[("max_age", "0")]).unwrap().accepts(now, now));
    assert!(!parse(&[("prompt", "login")]).unwrap().accepts(now, now));
}
