//! Objects that exist, and requests about them.

use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use proto::{
    auth::v1::{
        ApiKey, Application, ClientType, CreateApiKeyRequest, CreateApplicationRequest, CreateRegistrationRequest,
        CreateTenantRequest, CreateUserRequest, ListSigningKeysRequest, SigningAlgorithm, SigningKey, Tenant,
    },
    session::v1::{CreateSessionRequest, Policy, PutPolicyRequest, SessionKind},
    webhook::v1::{CreateEndpointRequest, PingEndpointRequest},
};

use super::{DEFAULT_TENANT, Stack, unique};

const PASSWORD: &str = "a rather long password";

/// One object of each sort.
#[derive(Clone, Debug)]
pub struct Objects {
    pub tenant_id: String,
    pub session_id: String,
    pub token: String,
    pub user_id: String,
    pub login: String,
    pub application_id: String,
    pub api_key_id: String,
    pub signing_key_id: String,
    pub endpoint_id: String,
    pub delivery_id: String,
}

impl Objects {
    /// Makes new ones in a new tenant.
    pub async fn create_apart(stack: &Stack) -> Self {
        let tenant_id = unique("tenant");
        let tenant = Some(Tenant { id: tenant_id.clone(), ..Tenant::default() });
        stack.tenants().create_tenant(CreateTenantRequest { tenant }).await.unwrap();
        Self::create_in(stack, tenant_id).await
    }

    /// Makes new ones in the default tenant.
    pub async fn create(stack: &Stack) -> Self {
        Self::create_in(stack, DEFAULT_TENANT.to_owned()).await
    }

    async fn create_in(stack: &Stack, tenant_id: String) -> Self {
        let login = format!("{}@example.com", unique("user"));
        let user = CreateUserRequest {
            tenant_id: tenant_id.clone(),
            login: login.clone(),
            name: String::new(),
            password: PASSWORD.to_owned(),
        };
        let user_id = stack.users().create_user(user).await.unwrap().into_inner().user.unwrap().id;
        let application = Application {
            id: unique("application"),
            tenant_id: tenant_id.clone(),
            client_type: ClientType::Confidential.into(),
            ..Application::default()
        };
        let application_id = application.id.clone();
        let application = CreateApplicationRequest { application: Some(application) };
        stack.applications().create_application(application).await.unwrap();
        let registration =
            CreateRegistrationRequest { user_id: user_id.clone(), application_id: application_id.clone() };
        stack.registrations().create_registration(registration).await.unwrap();
        let policy =
            Policy { tenant_id: tenant_id.clone(), application_id: application_id.clone(), ..Policy::default() };
        let policy = PutPolicyRequest { policy: Some(policy), ..PutPolicyRequest::default() };
        stack.policies().put_policy(policy).await.unwrap();
        let key =
            ApiKey { tenant_id: tenant_id.clone(), scopes: vec!["directory.read".to_owned()], ..ApiKey::default() };
        let key = CreateApiKeyRequest { api_key: Some(key) };
        let api_key_id = stack.api_keys().create_api_key(key).await.unwrap().into_inner().api_key.unwrap().id;
        let keys =
            stack.signing_keys().list_signing_keys(ListSigningKeysRequest::default()).await.unwrap().into_inner();
        // Not the one of access tokens, which other requests are made with.
        let is_spare = |key: &SigningKey| key.algorithm() == SigningAlgorithm::Eddsa;
        let signing_key_id = keys.keys.into_iter().find(is_spare).unwrap().id;
        let session = CreateSessionRequest {
            tenant_id: tenant_id.clone(),
            user_id: user_id.clone(),
            application_id: application_id.clone(),
            kind: SessionKind::Application.into(),
            ..CreateSessionRequest::default()
        };
        let created = stack.sessions().create_session(session).await.unwrap().into_inner();
        let endpoint = CreateEndpointRequest {
            tenant_id: tenant_id.clone(),
            url: "http://127.0.0.1:1/".to_owned(),
            event_types: vec!["endpoint.pinged".to_owned()],
            ..CreateEndpointRequest::default()
        };
        let endpoint_id = stack.endpoints().create_endpoint(endpoint).await.unwrap().into_inner().endpoint.unwrap().id;
        let ping = PingEndpointRequest { endpoint_id: endpoint_id.clone() };
        let delivery_id = stack.endpoints().ping_endpoint(ping).await.unwrap().into_inner().delivery_id;
        let (session_id, token) = (created.session.unwrap().id, created.token);
        Self {
            tenant_id,
            session_id,
            token,
            user_id,
            login,
            application_id,
            api_key_id,
            signing_key_id,
            endpoint_id,
            delivery_id,
        }
    }

    /// The same sorts, well-formed, but none of them exists.
    pub fn strangers(&self) -> Self {
        let other = |id: &str| {
            let (head, last) = id.split_at(id.len() - 1);
            // Both are canonical as the last character of an id.
            format!("{head}{}", if last == "a" { "i" } else { "a" })
        };
        Self {
            tenant_id: self.tenant_id.clone(),
            session_id: other(&self.session_id),
            token: other(&self.token),
            user_id: other(&self.user_id),
            login: "nobody@example.com".to_owned(),
            application_id: "no-such-application".to_owned(),
            api_key_id: other(&self.api_key_id),
            signing_key_id: other(&self.signing_key_id),
            endpoint_id: other(&self.endpoint_id),
            delivery_id: other(&self.delivery_id),
        }
    }

    /// A request of `method` that a service would accept, with these objects where it names objects.
    pub fn request(&self, method: &MethodDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(method.input());
        for field in method.input().fields() {
            // Of alternatives the last one set counts; the first is as good.
            let is_taken =
                field.containing_oneof().is_some_and(|one| one.fields().any(|field| message.has_field(&field)));
            if is_taken {
                continue;
            }
            if let Some(value) = self.value(method, field.name()) {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn value(&self, method: &MethodDescriptor, field: &str) -> Option<Value> {
        let text = |text: &str| Some(Value::String(text.to_owned()));
        let inner = |fields: &[(&str, Value)]| {
            let kind = method.input().get_field_by_name(field)?.kind();
            let mut message = DynamicMessage::new(kind.as_message()?.clone());
            for (name, value) in fields {
                message.set_field_by_name(name, value.clone());
            }
            Some(Value::Message(message))
        };
        let string = |text: &str| Value::String(text.to_owned());
        match field {
            "tenant_id" => text(&self.tenant_id),
            "session_id" => text(&self.session_id),
            "token" | "refresh_token" => text(&self.token),
            "user_id" => text(&self.user_id),
            "application_id" => text(&self.application_id),
            "api_key_id" => text(&self.api_key_id),
            "signing_key_id" => text(&self.signing_key_id),
            "api_key" => {
                inner(&[("tenant_id", string(DEFAULT_TENANT)), ("scopes", Value::List(vec![string("directory.read")]))])
            }
            "endpoint_id" => text(&self.endpoint_id),
            "delivery_id" => text(&self.delivery_id),
            "login" if method.name() == "CreateUser" => text(&format!("{}@example.com", unique("login"))),
            "login" => text(&self.login),
            "password" => text(PASSWORD),
            "new_password" => text("a wholly different one"),
            "url" => text("http://127.0.0.1:1/"),
            "from" => inner(&[("seconds", Value::I64(1_700_000_000))]),
            "kind" => Some(Value::EnumNumber(SessionKind::Application.into())),
            "scope" | "filter" => inner(&[("tenant_id", string(&self.tenant_id)), ("user_id", string(&self.user_id))]),
            "application" if method.name() == "UpdateApplication" => {
                inner(&[("id", string(&self.application_id)), ("name", string("changed"))])
            }
            "application" => inner(&[
                ("tenant_id", string(&self.tenant_id)),
                ("id", string(&unique("application"))),
                ("client_type", Value::EnumNumber(1)),
            ]),
            "tenant" if method.name() == "CreateTenant" => inner(&[("id", string(&unique("tenant")))]),
            "tenant" => inner(&[("id", string(&self.tenant_id)), ("name", string("changed"))]),
            "users" => {
                let user = proto::auth::v1::ImportedUser {
                    login: format!("{}@example.com", unique("imported")),
                    password_hash: "$2b$04$.MOcGmYOh/UIayMJOfuBWOHC4ZgZO/gadji2YwnMVkE5DwL2ETPwS".to_owned(),
                    ..proto::auth::v1::ImportedUser::default()
                };
                let mut message =
                    DynamicMessage::new(method.input().get_field_by_name(field)?.kind().as_message()?.clone());
                message.transcode_from(&user).ok()?;
                Some(Value::List(vec![Value::Message(message)]))
            }
            "policy" => {
                inner(&[("tenant_id", string(&self.tenant_id)), ("application_id", string(&self.application_id))])
            }
            "endpoint" => inner(&[("id", string(&self.endpoint_id)), ("description", string("changed"))]),
            "user" => inner(&[("id", string(&self.user_id)), ("name", string("changed"))]),
            "update_mask" if ["UpdateApplication", "UpdateTenant", "UpdateUser"].contains(&method.name()) => {
                inner(&[("paths", Value::List(vec![string("name")]))])
            }
            "algorithm" => Some(Value::EnumNumber(1)),
            "device_name" => text("changed"),
            "update_mask" if method.name() == "UpdateSession" => {
                inner(&[("paths", Value::List(vec![string("device_name")]))])
            }
            "update_mask" => inner(&[("paths", Value::List(vec![string("description")]))]),
            _ => None,
        }
    }
}
