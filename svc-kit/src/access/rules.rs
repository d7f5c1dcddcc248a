//! The access rules of a contract, read from its descriptors.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, Value};

/// Name of the option that holds the rule.
const OPTION: &str = "latchkey.access.v1.access";

/// Services of gRPC itself (health, reflection): open to everybody.
const OPEN_PREFIX: &str = "/grpc.";

/// Where the tenant of a call is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantRule {
    /// In the request: numbers of the fields on the way to it.
    Field(Vec<u32>),
    /// It is the tenant of the object that the request names; the handler checks it.
    OfResource,
    /// The call concerns every tenant.
    Every,
}

/// How much an RPC matters when there is more to do than can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Starts something new, or looks at much.
    Low,
    /// Most RPCs.
    Normal,
    /// Keeps going what a user has.
    High,
    /// Ends something.
    Highest,
}

impl Importance {
    /// Its name, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Highest => "highest",
        }
    }
}

/// Who may call an RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Scope that the caller must hold.
    pub scope: String,
    /// Where the tenant is found.
    pub tenant: TenantRule,
    /// How much it matters.
    pub importance: Importance,
}

/// Rules by path, e.g. `/latchkey.session.v1.SessionService/GetSession`.
#[derive(Clone, Debug, Default)]
pub struct AccessRules(HashMap<String, AccessRule>);

impl AccessRules {
    /// Reads the rules of every RPC in `pool`. An RPC without a usable rule gets none, and so cannot be called.
    pub fn from_pool(pool: &DescriptorPool) -> Self {
        let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let rules = methods.filter_map(|method| {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            rule_of(pool, &method).map(|rule| (path, rule))
        });
        Self(rules.collect())
    }

    /// Says whether the call is open to everybody.
    pub fn is_open(path: &str) -> bool {
        path.starts_with(OPEN_PREFIX)
    }

    /// Returns the rule of the RPC at `path`.
    pub fn get(&self, path: &str) -> Option<&AccessRule> {
        self.0.get(path)
    }
}

fn rule_of(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<AccessRule> {
    let option = pool.get_extension_by_name(OPTION)?;
    let options = method.options();
    if !options.has_extension(&option) {
        return None;
    }
    let value = options.get_extension(&option).into_owned();
    let access = value.as_message()?;
    let scope = text(access, "scope").filter(|scope| !scope.is_empty())?;
    Some(AccessRule { scope, tenant: tenant_rule(access, &method.input())?, importance: importance(access) })
}

fn importance(access: &DynamicMessage) -> Importance {
    match access.get_field_by_name("importance").and_then(|value| value.as_enum_number()) {
        Some(1) => Importance::Low,
        Some(3) => Importance::High,
        Some(4) => Importance::Highest,
        _ => Importance::Normal,
    }
}

fn tenant_rule(access: &DynamicMessage, input: &MessageDescriptor) -> Option<TenantRule> {
    if access.has_field_by_name("tenant_field") {
        return field_path(input, &text(access, "tenant_field")?).map(TenantRule::Field);
    }
    let is_set = |name| access.get_field_by_name(name).and_then(|value| value.as_bool()) == Some(true);
    match (is_set("tenant_of_resource"), is_set("every_tenant")) {
        (true, false) => Some(TenantRule::OfResource),
        (false, true) => Some(TenantRule::Every),
        _ => None,
    }
}

fn field_path(input: &MessageDescriptor, path: &str) -> Option<Vec<u32>> {
    let mut message = Some(input.clone());
    let mut numbers = Vec::new();
    for name in path.split('.') {
        let field = message?.get_field_by_name(name)?;
        numbers.push(field.number());
        message = field.kind().as_message().cloned();
    }
    Some(numbers)
}

fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    match message.get_field_by_name(field)?.into_owned() {
        Value::String(text) => Some(text),
        _ => None,
    }
}
