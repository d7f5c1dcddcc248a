//! The token endpoint and its neighbours.

use serde_json::json;

use super::support::{Browser, Client, MANAGED, OTHER, Provider, SECOND, SPA, Tokens, VERIFIER, WEB, claims, header};

const BACKEND: Client = Client { id: "demo-backend", secret: "demo-backend-secret", redirect_uri: "", ..WEB };

#[tokio::test]
async fn endpoints_take_forms_by_post_and_nothing_else() {
    let provider = Provider::start().await;
    for endpoint in ["token", "introspect", "revoke", "par"] {
        let address = format!("{}/{endpoint}", provider.issuer);
        for method in [reqwest::Method::GET, reqwest::Method::PUT, reqwest::Method::DELETE] {
            let response = provider.http.request(method, &address).send().await.unwrap();
            assert_eq!(response.status(), 405, "{endpoint}");
            assert!(response.headers()["allow"].to_str().unwrap().contains("POST"), "{endpoint}");
        }
        let json = provider.http.post(&address).json(&json!({ "token": "x" })).send().await.unwrap();
        assert_eq!(json.status(), 415, "{endpoint}");
        let large = provider.http.post(&address).form(&[("token", "x".repeat(65 * 1024))]).send().await.unwrap();
        assert_eq!(large.status(), 413, "{endpoint}");
        let twice = [("token", "a"), ("token", "b"), ("client_id", WEB.id)];
        assert_eq!(provider.post(&WEB, endpoint, &twice).await.1["error"], "invalid_request", "{endpoint}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_prove_itself_gets_401() {
    let provider = Provider::start().await;
    let wrong = [
        Client { secret: "wrong", ..WEB },
        Client { secret: "", ..WEB },
        Client { id: "nobody", ..WEB },
        Client { secret: "any", ..SPA },
        Client { tenant: "other", ..WEB },
    ];
    for client in wrong {
        for endpoint in ["token", "introspect", "revoke"] {
            let (status, answer) = provider.post(&client, endpoint, &[("token", "x")]).await;
            assert_eq!((status, &answer["error"]), (401, &"invalid_client".into()), "{} {endpoint}", client.id);
        }
    }
    let address = format!("{}/token", provider.issuer);
    let response =
        provider.http.post(&address).basic_auth("demo-web", Some("no")).form(&[("a", "b")]).send().await.unwrap();
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    assert_eq!(response.headers()["pragma"], "no-cache");
    let both = provider.http.post(&address).basic_auth(WEB.id, Some(WEB.secret)).form(&[("client_secret", WEB.secret)]);
    let both = both.send().await.unwrap();
    assert_eq!(both.status(), 400);
}

#[tokio::test]
async fn grants_that_do_not_exist_are_refused_by_name() {
    let provider = Provider::start().await;
    for (fields, expected) in [
        (vec![], "invalid_request"),
        (
            vec![("grant_type", "password"), ("username", "ada@example.com"), ("password", "x")],
            "unsupported_grant_type",
        ),
        (vec![("grant_type", "authorization_code")], "invalid_request"),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
        (vec![("grant_type", "client_credentials")], "unauthorized_client"),
        (vec![("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", "x")], "invalid_grant"),
        (vec![("grant_type", "refresh_token"), ("refresh_token", "lkr_x")], "invalid_grant"),
    ] {
        let (status, answer) = provider.post(&WEB, "token", &fields).await;
        assert_eq!((status, &answer["error"]), (400, &expected.into()), "{fields:?}");
    }
    let fields = [("grant_type", "client_credentials"), ("scope", "sessions.read root")];
    assert_eq!(provider.post(&BACKEND, "token", &fields).await.1["error"], "invalid_scope");
}

#[tokio::test]
async fn a_code_is_good_for_its_client_address_verifier_and_minute() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    SPA.sign_in(&provider, &browser, &[]).await;
    let refused = async |client: &Client, fields: &[(&str, &str)], code: &str| {
        let fields = [&[("grant_type", "authorization_code"), ("code", code)], fields].concat();
        let (status, answer) = provider.post(client, "token", &fields).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()), "{fields:?}");
    };
    let of_spa = async || SPA.authorize(&provider, &browser, &[]).await.answer("code");
    let of_web = async || WEB.authorize(&provider, &browser, &[]).await.answer("code");
    let other_verifier = "y".repeat(43);
    let spa = ("redirect_uri", SPA.redirect_uri);
    refused(&SPA, &[spa], &of_spa().await).await;
    refused(&SPA, &[spa, ("code_verifier", &other_verifier)], &of_spa().await).await;
    refused(&SPA, &[spa, ("code_verifier", &VERIFIER[..42])], &of_spa().await).await;
    refused(&SPA, &[("redirect_uri", "http://localhost:8081/"), ("code_verifier", VERIFIER)], &of_spa().await).await;
    // A verifier where there was no challenge: somebody took the challenge away.
    refused(&WEB, &[("redirect_uri", WEB.redirect_uri), ("code_verifier", VERIFIER)], &of_web().await).await;
    // Injection: a code of one client at another.
    refused(&SECOND, &[("redirect_uri", WEB.redirect_uri)], &of_web().await).await;
    let late = of_web().await;
    provider.advance(60);
    refused(&WEB, &[("redirect_uri", WEB.redirect_uri)], &late).await;
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_and_never_for_more() {
    let provider = Provider::start().await;
    for client in [WEB, SPA] {
        let first = client.sign_in(&provider, &Browser::new(), &[("scope", "openid profile email")]).await;
        let (status, answer) = client.refresh(&provider, &first.refresh, &[("scope", "openid offline_access")]).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_scope".into()));
        // The refused request spent nothing.
        let less = Tokens::of(client.refresh(&provider, &first.refresh, &[("scope", "openid")]).await);
        assert_eq!((&less.answer["scope"], &claims(&less.access)["scope"]), (&"openid".into(), &"openid".into()));
        assert!(provider.userinfo(&less.access).await.1.get("email").is_none());
        // Only this access token is narrower.
        let all = Tokens::of(client.refresh(&provider, &less.refresh, &[]).await);
        assert_eq!(all.answer["scope"], "openid profile email");
    }
}

#[tokio::test]
async fn a_spent_refresh_token_of_a_public_client_ends_everything() {
    let provider = Provider::start().await;
    let first = SPA.sign_in(&provider, &Browser::new(), &[]).await;
    let second = Tokens::of(SPA.refresh(&provider, &first.refresh, &[]).await);
    assert_ne!(first.refresh, second.refresh);
    let third = Tokens::of(SPA.refresh(&provider, &second.refresh, &[]).await);
    provider.advance(11);
    assert_eq!(SPA.refresh(&provider, &first.refresh, &[]).await.1["error"], "invalid_grant");
    assert_eq!(SPA.refresh(&provider, &third.refresh, &[]).await.1["error"], "invalid_grant");
    assert_eq!(provider.userinfo(&third.access).await.0, 401);
}

#[tokio::test]
async fn an_access_token_is_one_of_rfc_9068() {
    let provider = Provider::start().await;
    let tokens = WEB.sign_in(&provider, &Browser::new(), &[]).await;
    assert_eq!(header(&tokens.access)["typ"], "at+jwt");
    let found = claims(&tokens.access);
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "auth_time", "sid"] {
        assert!(found.get(name).is_some(), "{name}: {found}");
    }
    let own = Tokens::of(provider.post(&BACKEND, "token", &[("grant_type", "client_credentials")]).await);
    assert_eq!((&claims(&own.access)["sub"], own.refresh.as_str(), own.id.as_str()), (&BACKEND.id.into(), "", ""));
}

#[tokio::test]
async fn introspection_tells_an_owner_everything_and_strangers_nothing() {
    let provider = Provider::start().await;
    let tokens = WEB.sign_in(&provider, &Browser::new(), &[]).await;
    for token in [&tokens.access, &tokens.refresh] {
        let found = provider.introspect(&WEB, token).await;
        assert_eq!((&found["active"], &found["client_id"]), (&true.into(), &WEB.id.into()));
        for name in ["scope", "exp", "iat", "nbf", "sub", "aud", "iss", "sid", "token_type", "auth_time"] {
            assert!(found.get(name).is_some(), "{name}: {found}");
        }
        for stranger in [SECOND, OTHER] {
            assert_eq!(provider.introspect(&stranger, token).await, json!({ "active": false }), "{}", stranger.id);
        }
    }
    assert_eq!(provider.introspect(&WEB, &tokens.id).await, json!({ "active": false }));
    assert_eq!(provider.introspect(&WEB, "nothing").await, json!({ "active": false }));
    let (status, _) = provider.post(&SPA, "introspect", &[("token", &tokens.access)]).await;
    assert_eq!(status, 401, "a public client could fish");
    provider.advance(300);
    assert_eq!(provider.introspect(&WEB, &tokens.access).await, json!({ "active": false }), "over at the second");
}

#[tokio::test]
async fn revoking_either_token_ends_both_for_their_owner_only() {
    let provider = Provider::start().await;
    for kind in ["access_token", "refresh_token"] {
        let tokens = WEB.sign_in(&provider, &Browser::new(), &[]).await;
        let token = if kind == "access_token" { &tokens.access } else { &tokens.refresh };
        let (status, answer) = provider.post(&SECOND, "revoke", &[("token", token)]).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
        assert_eq!(provider.introspect(&WEB, token).await["active"], true);
        // The hint is only a hint.
        let wrong_hint = [("token", token.as_str()), ("token_type_hint", "saml")];
        assert_eq!(provider.post(&WEB, "revoke", &wrong_hint).await.0, 200);
        for token in [&tokens.access, &tokens.refresh] {
            assert_eq!(provider.introspect(&WEB, token).await, json!({ "active": false }));
        }
        assert_eq!(provider.post(&WEB, "revoke", &wrong_hint).await.0, 200, "again");
    }
    assert_eq!(provider.post(&WEB, "revoke", &[("token", "unknown")]).await.0, 200);
    let own = Tokens::of(provider.post(&BACKEND, "token", &[("grant_type", "client_credentials")]).await);
    assert_eq!(provider.post(&BACKEND, "revoke", &[("token", &own.access)]).await.1["error"], "unsupported_token_type");
}

#[tokio::test]
async fn userinfo_says_what_is_wrong_with_a_token() {
    let provider = Provider::start().await;
    let tokens = WEB.sign_in(&provider, &Browser::new(), &[("scope", "profile")]).await;
    let address = format!("{}/userinfo", provider.issuer);
    let ask = async |header: &str| {
        let mut request = provider.http.get(&address).query(&[("access_token", &tokens.access)]);
        if !header.is_empty() {
            request = request.header("authorization", header);
        }
        let response = request.send().await.unwrap();
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        (response.status().as_u16(), challenge)
    };
    assert_eq!(ask("").await, (401, "Bearer".to_owned()), "a token in the query is not looked at");
    assert_eq!(ask("Bearer x").await, (401, "Bearer error=\"invalid_token\"".to_owned()));
    let (status, challenge) = ask(&format!("bearer {}", tokens.access)).await;
    assert_eq!((status, challenge.contains("insufficient_scope")), (403, true), "{challenge}");
}

#[tokio::test]
async fn an_application_that_keeps_its_own_sessions_gets_no_refresh_token() {
    let provider = Provider::start().await;
    let tokens = MANAGED.sign_in(&provider, &Browser::new(), &[]).await;
    assert_eq!((tokens.answer.get("refresh_token"), tokens.claims()["sid"].is_string()), (None, true));
}

#[tokio::test]
async fn other_sites_read_answers_only_where_they_may() {
    let provider = Provider::start().await;
    let page = "http://localhost:8081";
    for endpoint in ["token", "revoke", "userinfo", "par"] {
        let address = format!("{}/{endpoint}", provider.issuer);
        let preflight = provider.http.request(reqwest::Method::OPTIONS, &address).header("origin", page);
        let answer = preflight.header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
            (204, &page.parse().unwrap())
        );
        assert!(answer.headers().get("access-control-allow-credentials").is_none());
    }
    for (origin, may_read) in [(page, true), ("https://evil.example", false), ("null", false)] {
        let fields = [("client_id", SPA.id), ("grant_type", "refresh_token"), ("refresh_token", "x")];
        let request = provider.http.post(format!("{}/token", provider.issuer)).header("origin", origin);
        let answer = request.form(&fields).send().await.unwrap();
        assert_eq!(answer.headers().get("access-control-allow-origin").is_some(), may_read, "{origin}");
        assert_eq!(answer.headers()["vary"], "Origin");
    }
    let introspect = provider.http.post(format!("{}/introspect", provider.issuer)).header("origin", page);
    let answer = introspect.form(&[("client_id", SPA.id), ("token", "x")]).send().await.unwrap();
    assert!(answer.headers().get("access-control-allow-origin").is_none());
}
