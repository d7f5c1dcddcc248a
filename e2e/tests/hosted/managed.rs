//! Applications that keep their own sessions: their access tokens live and end with the part that they take in the SSO session,
//! and never end more than that.

use proto::auth::v1::{
    CreateRegistrationRequest, DeleteRegistrationRequest, registration_service_client::RegistrationServiceClient,
};
use serde_json::Value;

use crate::{
    account,
    matrix::line,
    support::{SignedIn, Stack, claim, claim_of, location, query},
};

const MANAGED: &str = "front-managed";

/// Somebody who is signed in to an application that keeps its own sessions, and to one that does not.
struct Parts {
    stack: Stack,
    here: SignedIn,
    web: Value,
    code: String,
    managed: Value,
}

impl Parts {
    async fn new() -> Self {
        let stack = Stack::start().await;
        let here = stack.sign_in().await;
        let web = stack.open("front-web", &here.cookie).await;
        let answer = stack.get(&stack.authorize_for(MANAGED, &[]), &here.cookie).await;
        let code = query(&location(&answer), "code").unwrap();
        let managed = stack.exchange(MANAGED, &code).await;
        Self { stack, here, web, code, managed }
    }

    fn access_token(&self) -> &str {
        self.managed["access_token"].as_str().unwrap()
    }

    /// Says whether the access token is good, to its application and at UserInfo alike.
    async fn is_active(&self) -> bool {
        let is_active = self.stack.is_active(MANAGED, &self.managed).await;
        let asked =
            self.stack.http.get(self.stack.at("/userinfo")).bearer_auth(self.access_token()).send().await.unwrap();
        assert_eq!(asked.status().is_success(), is_active);
        is_active
    }

    /// The part is over, and everything else is as it was.
    async fn only_the_part_is_over(self, cause: &str) {
        assert!(!self.is_active().await, "{cause}");
        assert!(self.stack.is_signed_in(&self.here.cookie).await, "{cause}");
        assert!(self.stack.is_active("demo-web", &self.here.tokens).await, "{cause}");
        assert!(self.stack.is_active("front-web", &self.web).await, "{cause}");
        self.stack.stop().await;
    }
}

#[tokio::test]
async fn its_tokens_name_the_sso_session_and_the_part_in_it() {
    let parts = Parts::new().await;
    let (sid, participant) = (claim_of(parts.access_token(), "sid"), claim_of(parts.access_token(), "participant"));
    assert_eq!(sid, claim(&parts.managed, "sid"), "as the logout tokens will");
    assert!(participant.starts_with("sess_") && participant != sid);
    assert!(parts.is_active().await);
    parts.stack.stop().await;
}

#[tokio::test]
async fn revoking_its_access_token_ends_its_part_and_nothing_else() {
    let parts = Parts::new().await;
    assert!(parts.is_active().await);
    let request = parts.stack.http.post(parts.stack.at("/revoke")).basic_auth(MANAGED, Some("front-managed-secret"));
    let revoked = request.form(&[("token", parts.access_token())]).send().await.unwrap();
    assert!(revoked.status().is_success());
    parts.only_the_part_is_over("revocation").await;
}

#[tokio::test]
async fn a_code_that_is_used_again_ends_its_access_token() {
    let parts = Parts::new().await;
    assert_eq!(parts.stack.exchange(MANAGED, &parts.code).await["error"], "invalid_grant");
    parts.only_the_part_is_over("code used again").await;
}

#[tokio::test]
async fn a_user_who_ends_its_part_ends_its_access_token() {
    let parts = Parts::new().await;
    account::end(&parts.stack, &parts.here.cookie, &claim_of(parts.access_token(), "participant")).await;
    parts.only_the_part_is_over("ended by the user").await;
}

#[tokio::test]
async fn a_registration_that_is_deleted_ends_its_access_token() {
    let parts = Parts::new().await;
    let mut client = RegistrationServiceClient::new(line(parts.stack.server.addresses.auth_grpc));
    let (user_id, application_id) = (claim(&parts.managed, "sub"), MANAGED.to_owned());
    let create = CreateRegistrationRequest { user_id: user_id.clone(), application_id: application_id.clone() };
    client.create_registration(create).await.unwrap();
    client.delete_registration(DeleteRegistrationRequest { user_id, application_id }).await.unwrap();
    parts.only_the_part_is_over("registration deleted").await;
}

#[tokio::test]
async fn the_end_of_the_sso_session_ends_its_access_token() {
    let parts = Parts::new().await;
    let hint = parts.managed["id_token"].as_str().unwrap();
    let mut url = url::Url::parse(&parts.stack.at("/logout")).unwrap();
    url.query_pairs_mut().append_pair("id_token_hint", hint);
    parts.stack.get(url.as_str(), &parts.here.cookie).await;
    assert!(!parts.is_active().await && !parts.stack.is_signed_in(&parts.here.cookie).await);
    parts.stack.stop().await;
}
