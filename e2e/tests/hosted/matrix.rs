//! What ends what: each cause of an end, and what is alive afterwards.

use proto::{
    auth::v1::{
        CreateRegistrationRequest, DeleteApplicationRequest, DeleteRegistrationRequest, DeleteUserRequest,
        DisableUserRequest, SetPasswordRequest, WithdrawConsentRequest,
        application_service_client::ApplicationServiceClient, consent_service_client::ConsentServiceClient,
        registration_service_client::RegistrationServiceClient, user_service_client::UserServiceClient,
    },
    session::v1::{
        EndReason, ListSessionsRequest, RevokeSessionRequest, SessionFilter, SessionKind, SessionState,
        revoke_session_request::Session, session_service_client::SessionServiceClient,
    },
};
use serde_json::Value;
use svc_kit::client::Outgoing;
use tonic::{service::interceptor::InterceptedService, transport::Channel};

use crate::support::{SignedIn, Stack, claim, location, query};

/// S256 of the verifier (RFC 7636, appendix B).
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const SPA_REDIRECT: &str = "http://localhost:8081/cb";

/// Why something ends.
#[derive(Clone, Copy, Debug)]
enum Cause {
    /// An application asks, by redirect, with a hint.
    Logout {
        asking: &'static str,
    },
    /// Somebody else signs in with the same browser.
    UserSwitch,
    /// The user ends one session.
    OneSession,
    /// An administrator ends the SSO session.
    SsoSession,
    /// A spent refresh token is presented.
    TokenReuse,
    /// A code is presented again.
    CodeReuse,
    ConsentWithdrawn,
    RegistrationDeleted,
    ApplicationDeleted,
    PasswordSet,
    UserDisabled,
    UserDeleted,
}

/// Each cause, and what it leaves of: the SSO session; the sessions of `web`, of `kept`, which lives on, of `spa` and of
/// `asks`; the record of `managed`; the same user's session in another browser.
const MATRIX: &[(Cause, &str)] = &[
    (Cause::Logout { asking: "front-web" }, "kept other"),
    (Cause::Logout { asking: "front-kept" }, "other"),
    (Cause::Logout { asking: "leaves-with-kept" }, "other"),
    (Cause::Logout { asking: "leaves-with-all" }, "other"),
    (Cause::UserSwitch, "kept other"),
    (Cause::SsoSession, "kept other"),
    (Cause::OneSession, "sso kept spa asks managed other"),
    (Cause::TokenReuse, "sso web kept asks managed other"),
    (Cause::CodeReuse, "sso kept spa asks managed other"),
    (Cause::ConsentWithdrawn, "sso web kept spa managed other"),
    (Cause::RegistrationDeleted, "sso web kept spa managed other"),
    (Cause::ApplicationDeleted, "sso kept spa asks managed other"),
    (Cause::PasswordSet, ""),
    (Cause::UserDisabled, ""),
    (Cause::UserDeleted, ""),
];

/// A user who is signed in everywhere.
struct World {
    stack: Stack,
    here: SignedIn,
    other: SignedIn,
    user: String,
    web: Value,
    web_code: String,
    kept: Value,
    spa: Value,
    asks: Value,
}

pub(crate) type Line = InterceptedService<Channel, Outgoing>;

pub(crate) fn line(address: std::net::SocketAddr) -> Line {
    let channel = svc_kit::client::channel(&format!("http://{address}"), std::time::Duration::from_secs(10)).unwrap();
    InterceptedService::new(channel, Outgoing::new(&"dev-operator-key".to_owned().into()))
}

impl World {
    async fn new() -> Self {
        let stack = Stack::start().await;
        let here = stack.sign_in().await;
        let other = stack.sign_in().await;
        let answer = stack.get(&stack.authorize_for("front-web", &[]), &here.cookie).await;
        let web_code = query(&location(&answer), "code").unwrap();
        let web = stack.exchange("front-web", &web_code).await;
        let kept = stack.open("front-kept", &here.cookie).await;
        stack.open("front-managed", &here.cookie).await;
        let asks = crate::consent::opened(&stack, &here.cookie).await;
        let spa = Self::open_spa(&stack, &here.cookie).await;
        let user = claim(&here.tokens, "sub");
        Self { stack, here, other, user, web, web_code, kept, spa, asks }
    }

    async fn open_spa(stack: &Stack, cookie: &str) -> Value {
        let extra = [("redirect_uri", SPA_REDIRECT), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        let answer = location(&stack.get(&stack.authorize_for("demo-spa", &extra), cookie).await);
        let code = query(&answer, "code").unwrap();
        let exchange = [
            ("grant_type", "authorization_code"),
            ("client_id", "demo-spa"),
            ("code", &code),
            ("redirect_uri", SPA_REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        stack.http.post(stack.at("/token")).form(&exchange).send().await.unwrap().json().await.unwrap()
    }

    fn sessions(&self) -> SessionServiceClient<Line> {
        SessionServiceClient::new(line(self.stack.server.addresses.session_grpc))
    }

    fn auth(&self) -> Line {
        line(self.stack.server.addresses.auth_grpc)
    }

    async fn listed(&self, kind: SessionKind) -> Vec<proto::session::v1::Session> {
        let filter = SessionFilter {
            tenant_id: "default".to_owned(),
            user_id: self.user.clone(),
            kinds: vec![kind.into()],
            states: vec![SessionState::Active.into()],
            ..SessionFilter::default()
        };
        let request = ListSessionsRequest { filter: Some(filter), ..ListSessionsRequest::default() };
        self.sessions().list_sessions(request).await.unwrap().into_inner().sessions
    }

    async fn revoke(&self, session: String, reason: EndReason) {
        let session = Some(Session::SessionId(session));
        let request = RevokeSessionRequest { session, reason: reason.into(), ..RevokeSessionRequest::default() };
        self.sessions().revoke_session(request).await.unwrap();
    }

    async fn cause(&self, cause: Cause) {
        let (stack, user_id) = (&self.stack, self.user.clone());
        match cause {
            Cause::Logout { asking } => {
                let hint = match asking {
                    "front-web" => self.web.clone(),
                    "front-kept" => self.kept.clone(),
                    other => stack.open(other, &self.here.cookie).await,
                };
                stack.get(&stack.logout(hint["id_token"].as_str().unwrap()), &self.here.cookie).await;
            }
            Cause::UserSwitch => {
                let grace = ("grace@example.com", "nanoseconds matter too");
                stack.sign_in_as(grace, &self.here.cookie).await;
            }
            Cause::OneSession => self.revoke(claim(&self.web, "sid"), EndReason::User).await,
            Cause::SsoSession => {
                let all = self.listed(SessionKind::Sso).await;
                // Newest first: the other browser signed in later.
                assert_eq!(all.len(), 2);
                self.revoke(all[1].id.clone(), EndReason::Admin).await;
            }
            Cause::TokenReuse => {
                let mut token = self.spa["refresh_token"].clone();
                // Twice, so that the first one is out of the grace in which it is a repeated request.
                for _ in 0..2 {
                    token = self.refresh_spa(&token).await["refresh_token"].clone();
                }
                assert_eq!(self.refresh_spa(&self.spa["refresh_token"]).await["error"], "invalid_grant");
            }
            Cause::CodeReuse => {
                assert_eq!(stack.exchange("front-web", &self.web_code).await["error"], "invalid_grant");
            }
            Cause::ConsentWithdrawn => {
                let request = WithdrawConsentRequest { user_id, application_id: "asks".to_owned() };
                ConsentServiceClient::new(self.auth()).withdraw_consent(request).await.unwrap();
            }
            Cause::RegistrationDeleted => {
                let (mut client, application_id) = (RegistrationServiceClient::new(self.auth()), "asks".to_owned());
                let create = CreateRegistrationRequest { user_id: user_id.clone(), application_id };
                client.create_registration(create.clone()).await.unwrap();
                let delete = DeleteRegistrationRequest { user_id, application_id: create.application_id };
                client.delete_registration(delete).await.unwrap();
            }
            Cause::ApplicationDeleted => {
                let request = DeleteApplicationRequest { application_id: "front-web".to_owned() };
                ApplicationServiceClient::new(self.auth()).delete_application(request).await.unwrap();
            }
            Cause::PasswordSet => {
                let request = SetPasswordRequest {
                    user_id,
                    password: "a wholly different one".to_owned(),
                    change_required: false,
                };
                UserServiceClient::new(self.auth()).set_password(request).await.unwrap();
            }
            Cause::UserDisabled => {
                let request = DisableUserRequest { user_id };
                UserServiceClient::new(self.auth()).disable_user(request).await.unwrap();
            }
            Cause::UserDeleted => {
                let request = DeleteUserRequest { user_id };
                UserServiceClient::new(self.auth()).delete_user(request).await.unwrap();
            }
        }
    }

    async fn refresh_spa(&self, token: &Value) -> Value {
        let form =
            [("grant_type", "refresh_token"), ("client_id", "demo-spa"), ("refresh_token", token.as_str().unwrap())];
        self.stack.http.post(self.stack.at("/token")).form(&form).send().await.unwrap().json().await.unwrap()
    }

    /// What is alive, in words.
    async fn alive(&self) -> String {
        let mut alive = Vec::new();
        let mut note = |name: &'static str, is_alive: bool| alive.extend(is_alive.then_some(name));
        note("sso", self.stack.is_signed_in(&self.here.cookie).await);
        for (name, tokens) in [("web", &self.web), ("kept", &self.kept), ("spa", &self.spa), ("asks", &self.asks)] {
            note(name, self.knows_user(tokens).await);
        }
        note("managed", !self.listed(SessionKind::Participant).await.is_empty());
        let is_other_in = self.stack.is_signed_in(&self.other.cookie).await;
        assert_eq!(self.knows_user(&self.other.tokens).await, is_other_in);
        note("other", is_other_in);
        alive.join(" ")
    }

    async fn knows_user(&self, tokens: &Value) -> bool {
        let token = tokens["access_token"].as_str().unwrap();
        let answer = self.stack.http.get(self.stack.at("/userinfo")).bearer_auth(token).send().await.unwrap();
        answer.status().is_success()
    }
}

#[tokio::test]
async fn what_ends_what() {
    for (cause, expected) in MATRIX {
        let world = World::new().await;
        assert_eq!(world.alive().await, "sso web kept spa asks managed other", "before {cause:?}");
        world.cause(*cause).await;
        assert_eq!(world.alive().await, *expected, "{cause:?}");
        world.stack.stop().await;
    }
}
