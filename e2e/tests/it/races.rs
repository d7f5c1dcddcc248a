//! Races on purpose, on both stacks: whoever comes first, nothing that was acknowledged is undone.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use futures::{StreamExt as _, future::join_all, stream};
use proto::{
    auth::v1::{CreateUserRequest, DisableUserRequest, GetUserRequest, LoginRequest},
    session::v1::{
        CreateSessionRequest, GetSessionRequest, RefreshSessionRequest, RevokeSessionRequest, SessionKind,
        ValidateSessionRequest, revoke_session_request, validate_session_request,
    },
};

use crate::support::{DEFAULT_TENANT, Receiver, Stack, eventually, reason_of, unique, with_real};

const ROUNDS: usize = 1_000;
/// Rounds under way at once.
const PARALLEL: usize = 8;
/// A sign-in costs a password hash, so there are fewer of these.
const SIGN_INS: usize = 40;

fn by_id(id: &str) -> ValidateSessionRequest {
    let session = Some(validate_session_request::Session::SessionId(id.to_owned()));
    ValidateSessionRequest { session, ..ValidateSessionRequest::default() }
}

fn by_token(token: &str) -> ValidateSessionRequest {
    let session = Some(validate_session_request::Session::Token(token.to_owned()));
    ValidateSessionRequest { session, ..ValidateSessionRequest::default() }
}

fn login(login: &str, password: &str) -> LoginRequest {
    LoginRequest {
        tenant_id: DEFAULT_TENANT.to_owned(),
        application_id: "demo-spa".to_owned(),
        login: login.to_owned(),
        password: password.to_owned(),
        ..LoginRequest::default()
    }
}

/// One token, fifty requests to the token endpoint at once: one step, fifty equal answers, one event.
async fn fifty_refreshes(stack: &Stack) {
    let (receiver, _) = Receiver::registered(stack, &["session.*", "session.refreshed"]).await;
    let ada = login("ada@example.com", "correct horse battery staple");
    let answer = stack.login().login(ada).await.unwrap().into_inner();
    let (token, id) = (answer.tokens.unwrap().refresh_token, answer.session.unwrap().id);
    let http = reqwest::Client::builder().build().unwrap();
    let refresh = || async {
        let form = [("grant_type", "refresh_token"), ("client_id", "demo-spa"), ("refresh_token", &token)];
        let response = http.post(format!("{}/token", stack.issuer)).form(&form).send().await.unwrap();
        let tokens: serde_json::Value = response.json().await.unwrap();
        tokens["refresh_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
    };
    let answers = join_all((0..50).map(|_| refresh())).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]) && answers[0] != token, "{answers:?}");
    let get = GetSessionRequest { session_id: id.clone() };
    let session = stack.sessions().get_session(get).await.unwrap().into_inner().session.unwrap();
    assert_eq!(session.generation, 2);
    // The end is the last event: when it is there, every other one has been on its way.
    revoke(stack, &id).await;
    eventually("the end", || async {
        receiver.of_session(&id).iter().any(|told| told.event_type() == "session.revoked").then_some(())
    })
    .await;
    eventually("the step", || async { (receiver.of_session(&id).len() >= 3).then_some(()) }).await;
    assert_eq!(receiver.of_session(&id).len(), 3);
}

async fn revoke(stack: &Stack, id: &str) {
    let session = Some(revoke_session_request::Session::SessionId(id.to_owned()));
    stack.sessions().revoke_session(RevokeSessionRequest { session, ..RevokeSessionRequest::default() }).await.unwrap();
}

/// A refresher, a validator and one revocation at once. After the revocation is acknowledged nobody hears "alive".
async fn revoke_against_the_rest(stack: &Stack, round: usize) {
    let create = CreateSessionRequest {
        tenant_id: DEFAULT_TENANT.to_owned(),
        user_id: format!("racer{}", round % 50),
        application_id: "demo-spa".to_owned(),
        kind: SessionKind::Application.into(),
        ..CreateSessionRequest::default()
    };
    let created = stack.sessions().create_session(create).await.unwrap().into_inner();
    let (id, first) = (created.session.unwrap().id, created.token);
    let is_acknowledged = AtomicBool::new(false);
    let revoked = async {
        revoke(stack, &id).await;
        is_acknowledged.store(true, SeqCst);
    };
    let refreshed = async {
        let (mut client, mut tokens) = (stack.sessions(), vec![first.clone()]);
        loop {
            let was_acknowledged = is_acknowledged.load(SeqCst);
            let token = tokens[tokens.len() - 1].clone();
            match client.refresh_session(RefreshSessionRequest { token, ..RefreshSessionRequest::default() }).await {
                Ok(answer) => {
                    assert!(!was_acknowledged, "round {round}: refreshed after the acknowledgement");
                    tokens.push(answer.into_inner().token);
                }
                Err(_) => return tokens,
            }
        }
    };
    let validated = async {
        let mut client = stack.sessions();
        loop {
            let was_acknowledged = is_acknowledged.load(SeqCst);
            let is_active = client.validate_session(by_id(&id)).await.unwrap().into_inner().active;
            assert!(!(is_active && was_acknowledged), "round {round}: alive after the acknowledgement");
            if !is_active {
                return;
            }
        }
    };
    let (tokens, (), ()) = tokio::join!(refreshed, validated, revoked);
    for token in tokens {
        let answer = stack.sessions().validate_session(by_token(&token)).await.unwrap().into_inner();
        assert!(!answer.active, "round {round}: a token lives on");
    }
    assert!(!stack.sessions().validate_session(by_id(&id)).await.unwrap().into_inner().active);
}

async fn revoke_races(stack: &Stack) {
    stream::iter(0..ROUNDS).for_each_concurrent(PARALLEL, |round| revoke_against_the_rest(stack, round)).await;
}

/// A sign-in and the disabling of the user at once: no session lives on, whoever was first.
async fn disable_against_sign_in(stack: &Stack) {
    for round in 0..SIGN_INS {
        let (name, password) = (format!("{}@example.com", unique("racer")), "a rather long password");
        let create = CreateUserRequest {
            tenant_id: DEFAULT_TENANT.to_owned(),
            login: name.clone(),
            name: String::new(),
            password: password.to_owned(),
        };
        let user_id = stack.users().create_user(create).await.unwrap().into_inner().user.unwrap().id;
        let mut client = stack.login();
        let mut users = stack.users();
        let (signed_in, disabled) = tokio::join!(client.login(login(&name, password)), async {
            // At another moment of the sign-in in each round: calls are what passes the time.
            for _ in 0..round {
                users.get_user(GetUserRequest { user_id: user_id.clone() }).await.unwrap();
            }
            users.disable_user(DisableUserRequest { user_id: user_id.clone() }).await
        });
        disabled.unwrap();
        if let Ok(answer) = signed_in {
            let id = answer.into_inner().session.unwrap().id;
            eventually("the session is over", || async {
                let answer = stack.sessions().validate_session(by_id(&id)).await.unwrap().into_inner();
                (!answer.active).then_some(())
            })
            .await;
        }
        let again = stack.login().login(login(&name, password)).await;
        assert_eq!(reason_of(&again.unwrap_err()), "USER_DISABLED");
    }
}

macro_rules! on_both_stacks {
    ($($test:ident: $body:ident),*) => { $(
        mod $test {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn in_memory() {
                $body(&Stack::in_memory().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_real_servers() {
                with_real(async |real| $body(&real.stack).await).await;
            }
        }
    )* };
}

on_both_stacks!(
    fifty_parallel_refreshes_are_one_step: fifty_refreshes,
    no_session_outlives_an_acknowledged_revocation: revoke_races,
    no_sign_in_slips_past_the_disabling_of_its_user: disable_against_sign_in
);
