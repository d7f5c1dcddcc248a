//! Resolves names once, and hands on only addresses that we may connect to: what was checked is what is used.

use std::net::IpAddr;

use futures::future::BoxFuture;

use super::{failure::Failure, policy::EgressPolicy};

/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Finds the addresses of names.
pub trait Resolve: Send + Sync + 'static {
    /// Returns the addresses that a name has now.
    fn resolve<'n>(&'n self, name: &'n str) -> BoxFuture<'n, std::io::Result<Vec<IpAddr>>>;
}

/// Asks the system.
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'n>(&'n self, name: &'n str) -> BoxFuture<'n, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Returns the addresses of a host that we may connect to.
pub(super) async fn addresses(
    resolver: &dyn Resolve,
    policy: &EgressPolicy,
    host: &str,
) -> Result<Vec<IpAddr>, Failure> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = match literal.parse() {
        Ok(address) => vec![address],
        Err(_) => resolver.resolve(host).await.map_err(|_| Failure::no_address())?,
    };
    if found.is_empty() {
        return Err(Failure::no_address());
    }
    // One inside address spoils the name: it is not by chance that it has both.
    found.iter().try_for_each(|address| policy.check_address(*address)).map_err(Failure::refused)?;
    found.truncate(ADDRESSES_MAX);
    Ok(found)
}
