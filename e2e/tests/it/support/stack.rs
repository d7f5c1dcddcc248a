//! A running Latchkey, whatever it runs on, as callers see it: addresses and credentials.

use std::time::Duration;

use latchkey::dev::{self, DevOptions, DevServer, Ports, Seed};
use prost_reflect::MethodDescriptor;
use proto::{
    auth::v1::{
        api_key_service_client::ApiKeyServiceClient, application_service_client::ApplicationServiceClient,
        auth_service_client::AuthServiceClient, registration_service_client::RegistrationServiceClient,
        signing_key_service_client::SigningKeyServiceClient, tenant_service_client::TenantServiceClient,
        user_service_client::UserServiceClient,
    },
    session::v1::{policy_service_client::PolicyServiceClient, session_service_client::SessionServiceClient},
    webhook::v1::{endpoint_service_client::EndpointServiceClient, event_service_client::EventServiceClient},
};
use svc_kit::client::Outgoing;
use tonic::{service::interceptor::InterceptedService, transport::Channel};

use super::RawClient;

/// How calls of the tests are carried.
pub type Carrier = InterceptedService<Channel, Outgoing>;

/// Longer than any deadline of a service.
const CALL_DEADLINE: Duration = Duration::from_secs(15);

pub const OPERATOR_KEY: &str = "dev-operator-key";
pub const DEFAULT_TENANT: &str = "default";
pub const OTHER_TENANT: &str = "other";

/// What every stack of the tests knows at the start.
pub const SEED: &str = concat!(include_str!("../../../../deploy/dev/seed.toml"), include_str!("seed.toml"));

/// A running Latchkey.
pub struct Stack {
    /// Issuer of the default tenant.
    pub issuer: String,
    /// Where auth-svc answers gRPC.
    pub auth: String,
    /// Where session-svc does.
    pub session: String,
    /// Where webhook-svc does.
    pub webhook: String,
    _server: Option<DevServer>,
}

impl Stack {
    /// Starts everything in this process and in memory.
    pub async fn in_memory() -> Self {
        let server = dev::start(DevOptions::new(Ports::free(), Seed::parse(SEED).unwrap())).await.unwrap();
        let at = &server.addresses;
        Self {
            issuer: at.issuer.clone(),
            auth: format!("http://{}", at.auth_grpc),
            session: format!("http://{}", at.session_grpc),
            webhook: format!("http://{}", at.webhook_grpc),
            _server: Some(server),
        }
    }

    /// A stack that runs in other processes: its issuer, and where auth-svc, session-svc and webhook-svc answer gRPC.
    pub fn elsewhere(issuer: String, [auth, session, webhook]: [String; 3]) -> Self {
        Self { issuer, auth, session, webhook, _server: None }
    }

    /// Returns a client of the service that serves `method`.
    pub fn client_of(&self, method: &MethodDescriptor) -> RawClient {
        RawClient::new(match method.parent_service().package_name() {
            "latchkey.auth.v1" => &self.auth,
            "latchkey.session.v1" => &self.session,
            "latchkey.webhook.v1" => &self.webhook,
            other => panic!("nobody serves {other}"),
        })
    }

    /// Returns the access token that an application of the seed gets for itself.
    pub async fn token_of(&self, tenant: &str, application: &str) -> String {
        let path = if tenant == DEFAULT_TENANT { String::new() } else { format!("/t/{tenant}") };
        let request = reqwest::Client::builder().build().unwrap().post(format!("{}{path}/token", self.issuer));
        let request = request.basic_auth(application, Some(format!("{application}-secret")));
        let response = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
        let tokens: serde_json::Value = response.json().await.unwrap();
        tokens["access_token"].as_str().unwrap_or_else(|| panic!("{application}: {tokens}")).to_owned()
    }

    pub fn sessions(&self) -> SessionServiceClient<Carrier> {
        self.sessions_as(OPERATOR_KEY)
    }

    pub fn sessions_as(&self, credential: &str) -> SessionServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.session, credential);
        SessionServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn policies(&self) -> PolicyServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.session, OPERATOR_KEY);
        PolicyServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn login(&self) -> AuthServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.auth, OPERATOR_KEY);
        AuthServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn events(&self) -> EventServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.webhook, OPERATOR_KEY);
        EventServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn users(&self) -> UserServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.auth, OPERATOR_KEY);
        UserServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn tenants(&self) -> TenantServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.auth, OPERATOR_KEY);
        TenantServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn applications(&self) -> ApplicationServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.auth, OPERATOR_KEY);
        ApplicationServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn registrations(&self) -> RegistrationServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.auth, OPERATOR_KEY);
        RegistrationServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn api_keys(&self) -> ApiKeyServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.auth, OPERATOR_KEY);
        ApiKeyServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn signing_keys(&self) -> SigningKeyServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.auth, OPERATOR_KEY);
        SigningKeyServiceClient::with_interceptor(channel, outgoing)
    }

    pub fn endpoints(&self) -> EndpointServiceClient<Carrier> {
        let (channel, outgoing) = carry(&self.webhook, OPERATOR_KEY);
        EndpointServiceClient::with_interceptor(channel, outgoing)
    }
}

fn carry(url: &str, credential: &str) -> (Channel, Outgoing) {
    (svc_kit::client::channel(url, CALL_DEADLINE).unwrap(), Outgoing::new(&credential.to_owned().into()))
}
