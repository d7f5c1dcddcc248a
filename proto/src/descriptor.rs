//! Descriptors of the contract: services, methods and their access rules.

use std::sync::LazyLock;

use prost::Message as _;
use prost_reflect::{DescriptorPool, FieldDescriptor, MethodDescriptor, Value};

use crate::access::v1::Access;

/// The encoded `FileDescriptorSet` of the whole contract, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/latchkey.binpb"));

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the build script wrote these bytes; a test decodes them")]
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptor set of the contract decodes")
});

/// Returns the descriptors of the whole contract.
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// Returns every RPC of the contract.
pub fn methods() -> impl Iterator<Item = MethodDescriptor> {
    pool().services().flat_map(|service| service.methods().collect::<Vec<_>>())
}

/// Returns the path that a gRPC call of `method` has, e.g. `/latchkey.session.v1.SessionService/GetSession`.
pub fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// Returns the access rule of `method`, or `None` when it has none (or none that could be enforced).
pub fn access(method: &MethodDescriptor) -> Option<Access> {
    let extension = pool().get_extension_by_name("latchkey.access.v1.access")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    let Value::Message(message) = options.get_extension(&extension).into_owned() else { return None };
    let access = Access::decode(message.encode_to_vec().as_slice()).ok()?;
    (!access.scope.is_empty() && access.tenant.is_some()).then_some(access)
}

/// Says whether endpoints with the payload profile `ids` get a field.
pub fn is_in_ids(field: &FieldDescriptor) -> bool {
    let Some(extension) = pool().get_extension_by_name("latchkey.profile.v1.in_ids") else { return false };
    field.options().get_extension(&extension).as_bool() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_has_an_access_rule() {
        let without: Vec<_> = methods().filter(|method| access(method).is_none()).map(|m| path(&m)).collect();
        assert!(without.is_empty(), "RPCs without (latchkey.access.v1.access): {without:?}");
        assert!(methods().count() > 0);
    }

    #[test]
    fn what_is_about_people_is_not_marked() {
        let people =
            ["ip", "agent", "device", "comment", "name", "description", "login", "email", "attributes", "by", "scopes"];
        let fields = pool().all_messages().flat_map(|message| message.fields().collect::<Vec<_>>());
        let marked: Vec<_> = fields.filter(is_in_ids).collect();
        assert!(marked.len() > 40, "{}", marked.len());
        let bad = marked.iter().filter(|field| field.name().split('_').any(|part| people.contains(&part)));
        assert_eq!(bad.map(|field| field.full_name().to_owned()).collect::<Vec<_>>(), Vec::<String>::new());
    }

    #[test]
    fn every_tenant_field_exists_in_its_request() {
        use crate::access::v1::access::Tenant;
        for method in methods() {
            let Some(Tenant::TenantField(field)) = access(&method).and_then(|access| access.tenant) else { continue };
            let mut message = method.input();
            let mut parts = field.split('.').peekable();
            while let Some(part) = parts.next() {
                let Some(found) = message.get_field_by_name(part) else {
                    panic!("{}: {field} is not a field of the request", path(&method))
                };
                if parts.peek().is_some() {
                    message = found.kind().as_message().unwrap().clone();
                }
            }
        }
    }
}
