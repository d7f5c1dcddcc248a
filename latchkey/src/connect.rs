//! Clients of the services, and what it means when a call fails.

use std::time::Duration;

use proto::{
    auth::v1::{
        api_key_service_client::ApiKeyServiceClient, application_service_client::ApplicationServiceClient,
        audit_service_client::AuditServiceClient, auth_service_client::AuthServiceClient,
        consent_service_client::ConsentServiceClient, registration_service_client::RegistrationServiceClient,
        signing_key_service_client::SigningKeyServiceClient, tenant_service_client::TenantServiceClient,
        user_service_client::UserServiceClient,
    },
    session::v1::{policy_service_client::PolicyServiceClient, session_service_client::SessionServiceClient},
    webhook::v1::{
        delivery_service_client::DeliveryServiceClient, endpoint_service_client::EndpointServiceClient,
        event_service_client::EventServiceClient,
    },
};
use svc_kit::{
    client::{Outgoing, channel},
    error::reason_of,
};
use tonic::{Code, Status, service::interceptor::InterceptedService, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    cli::Options,
    failure::{Exit, Failure},
};

/// Longest time for one call.
const DEADLINE: Duration = Duration::from_secs(10);

/// A channel that carries the credential.
pub type Line = InterceptedService<Channel, Outgoing>;

/// One of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Users, credentials, tokens.
    Auth,
    /// Sessions.
    Session,
    /// Webhooks.
    Webhook,
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth-svc",
            Self::Session => "session-svc",
            Self::Webhook => "webhook-svc",
        }
    }

    const fn option(self) -> &'static str {
        match self {
            Self::Auth => "--auth-url",
            Self::Session => "--session-url",
            Self::Webhook => "--webhook-url",
        }
    }
}

/// The way to the services, from the global options.
#[derive(Clone, Debug)]
pub struct Connection {
    options: Options,
}

impl Connection {
    /// Makes a connection that is opened on the first call.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Returns the tenant that the command concerns.
    pub fn tenant(&self) -> String {
        self.options.tenant.clone()
    }

    /// Returns a client for signing in and for tokens.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn auth(&self) -> Result<AuthServiceClient<Line>, Failure> {
        self.line(Service::Auth).map(AuthServiceClient::new)
    }

    /// Returns a client for tenants.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn tenants(&self) -> Result<TenantServiceClient<Line>, Failure> {
        self.line(Service::Auth).map(TenantServiceClient::new)
    }

    /// Returns a client for API keys.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn api_keys(&self) -> Result<ApiKeyServiceClient<Line>, Failure> {
        self.line(Service::Auth).map(ApiKeyServiceClient::new)
    }

    /// Returns a client for the keys that tokens are signed by.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn signing_keys(&self) -> Result<SigningKeyServiceClient<Line>, Failure> {
        self.line(Service::Auth).map(SigningKeyServiceClient::new)
    }

    /// Returns a client for the audit trail.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn audit(&self) -> Result<AuditServiceClient<Line>, Failure> {
        self.line(Service::Auth).map(AuditServiceClient::new)
    }

    /// Returns a client for users.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn users(&self) -> Result<UserServiceClient<Line>, Failure> {
        self.line(Service::Auth).map(UserServiceClient::new)
    }

    /// Returns a client for registrations of users.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn registrations(&self) -> Result<RegistrationServiceClient<Line>, Failure> {
        self.line(Service::Auth).map(RegistrationServiceClient::new)
    }

    /// Returns a client for consents.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn consents(&self) -> Result<ConsentServiceClient<Line>, Failure> {
        self.line(Service::Auth).map(ConsentServiceClient::new)
    }

    /// Returns a client for applications.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn applications(&self) -> Result<ApplicationServiceClient<Line>, Failure> {
        self.line(Service::Auth).map(ApplicationServiceClient::new)
    }

    /// Returns a client of the session service.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn sessions(&self) -> Result<SessionServiceClient<Line>, Failure> {
        self.line(Service::Session).map(SessionServiceClient::new)
    }

    /// Returns a client for policies of sessions.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn policies(&self) -> Result<PolicyServiceClient<Line>, Failure> {
        self.line(Service::Session).map(PolicyServiceClient::new)
    }

    /// Returns a client for webhook endpoints.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn endpoints(&self) -> Result<EndpointServiceClient<Line>, Failure> {
        self.line(Service::Webhook).map(EndpointServiceClient::new)
    }

    /// Returns a client for webhook deliveries.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn deliveries(&self) -> Result<DeliveryServiceClient<Line>, Failure> {
        self.line(Service::Webhook).map(DeliveryServiceClient::new)
    }

    /// Returns a client for the event log.
    ///
    /// # Errors
    /// Fails when the configured address is not usable.
    pub fn events(&self) -> Result<EventServiceClient<Line>, Failure> {
        self.line(Service::Webhook).map(EventServiceClient::new)
    }

    fn line(&self, service: Service) -> Result<Line, Failure> {
        let url = self.url(service);
        let unusable = |cause: String| {
            let hint = format!("{} takes a URL such as http://localhost:9022", service.option());
            Failure::usage(format!("reach {} at {url}", service.name()), cause).hint(hint)
        };
        if !url.starts_with("http://") {
            return Err(unusable("only http:// addresses are understood".into()));
        }
        let channel = channel(url, DEADLINE).map_err(|error| unusable(svc_kit::error::chain(&error)))?;
        Ok(InterceptedService::new(channel, Outgoing::new(&self.options.key)))
    }

    fn url(&self, service: Service) -> &str {
        match service {
            Service::Auth => &self.options.auth_url,
            Service::Session => &self.options.session_url,
            Service::Webhook => &self.options.webhook_url,
        }
    }

    /// Returns a function that explains why `attempt`, a call of `service`, failed.
    pub fn failed(&self, service: Service, attempt: impl Into<String>) -> impl FnOnce(Status) -> Failure {
        let (attempt, url) = (attempt.into(), self.url(service).to_owned());
        move |status| explain(attempt, service, &url, &status)
    }
}

fn explain(attempt: String, service: Service, url: &str, status: &Status) -> Failure {
    let Some(reason) = reason_of(status) else { return explain_transport(attempt, service, url, status) };
    let exit = match status.code() {
        Code::Unauthenticated if reason.starts_with("CREDENTIAL_") => Exit::Denied,
        Code::PermissionDenied => Exit::Denied,
        Code::InvalidArgument | Code::OutOfRange => Exit::Usage,
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => Exit::Unavailable,
        Code::Internal | Code::Unknown | Code::DataLoss => Exit::Fault,
        _ => Exit::No,
    };
    let hint = retry_hint(status).or_else(|| hint_for(&reason).map(str::to_owned));
    let failure = Failure::new(attempt, status.message(), exit).reason(Some(reason));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn retry_hint(status: &Status) -> Option<String> {
    let after = status.get_details_retry_info()?.retry_delay?;
    Some(format!("try again in {} s", after.as_secs().max(1)))
}

/// What to do about the reasons that people meet most.
fn hint_for(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "CREDENTIAL_MISSING" => "set LATCHKEY_KEY to an operator key; `latchkey dev` prints one",
        "CREDENTIAL_INVALID" => "the key in LATCHKEY_KEY (or --key) is unknown or has expired",
        "SCOPE_MISSING" => "use an operator key, or a token that was issued with this scope",
        "TENANT_MISMATCH" => "the credential belongs to one tenant; name that one with --tenant",
        "STORE_UNAVAILABLE" => "the service runs but its store does not answer; trying again is safe",
        "SESSION_NOT_FOUND" => {
            "`latchkey sessions list --user …` shows the sessions of a user; ended ones are forgotten after 24 hours"
        }
        "POLICY_NOT_FOUND" => "none was stored, so the next wider one counts; `latchkey policies put` stores one",
        "POLICY_VERSION_MISMATCH" => "somebody else changed it; `latchkey policies get` shows it as it is now",
        "CREDENTIALS_REFUSED" => "unknown user or wrong password; which one is not told",
        "USER_DISABLED" => "`latchkey users enable` lets the user sign in again",
        "NOT_REGISTERED" => "the application lets in registered users only; `latchkey users register` adds one",
        "PASSWORD_CHANGE_REQUIRED" => {
            "the user sets another one at the hosted sign-in page, or by `latchkey users change-password`"
        }
        "APPLICATION_MANAGED" => "sign in with a browser, or to an application whose sessions are kept here",
        "TENANT_NOT_FOUND" => "`latchkey tenants list` shows the tenants",
        "USER_NOT_FOUND" => "`latchkey users list` shows the users of the tenant",
        "APPLICATION_NOT_FOUND" => "`latchkey applications list` shows the applications of the tenant",
        "SIGNING_KEY_NOT_FOUND" => "`latchkey signing-keys list` shows the keys that are published",
        "TOKEN_REFUSED" => "the token is spent, or its session has ended; sign in again",
        _ => return None,
    })
}

/// A failure that did not come from a service of ours but from the way to it.
fn explain_transport(attempt: String, service: Service, url: &str, status: &Status) -> Failure {
    let (name, option) = (service.name(), service.option());
    match status.code() {
        Code::Unavailable => {
            let hint = format!("is it running? `make dev` starts everything; {option} points elsewhere");
            Failure::new(attempt, format!("{name} does not answer at {url}"), Exit::Unavailable).hint(hint)
        }
        Code::Cancelled | Code::DeadlineExceeded => {
            let cause = format!("{name} did not answer in {} s at {url}", DEADLINE.as_secs());
            Failure::new(attempt, cause, Exit::Unavailable).hint("trying again is safe")
        }
        _ => {
            let cause = format!("{url} does not answer as {name} does: {}", status.message());
            Failure::new(attempt, cause, Exit::Fault).hint(format!("is {option} the gRPC port of {name}?"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svc_kit::error::{FieldError, to_status};

    const URL: &str = "http://localhost:9022";

    #[test]
    fn a_wrong_value_is_a_usage_error_with_its_reason() {
        let status = to_status(&FieldError::new("session_id", "must start with sess_"));
        let failure = explain("read the session".into(), Service::Session, URL, &status);
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(failure.to_string(), "cannot read the session: session_id: must start with sess_ (INVALID_FIELD)");
    }

    #[test]
    fn no_answer_names_the_address_and_what_to_do() {
        let failure =
            explain("read the session".into(), Service::Session, URL, &Status::unavailable("tcp connect error"));
        assert_eq!(failure.exit(), Exit::Unavailable);
        let text = failure.to_string();
        assert!(text.contains(URL) && text.contains("make dev") && text.contains("--session-url"), "{text}");
    }

    #[test]
    fn something_else_behind_the_address_is_said_to_be_so() {
        let failure = explain("read the session".into(), Service::Session, URL, &Status::unimplemented(""));
        assert_eq!(failure.exit(), Exit::Fault);
        assert!(failure.hint.is_some_and(|hint| hint.contains("--session-url")));
    }
}
