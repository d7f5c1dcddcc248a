//! Resolves names once, and hands on only addresses that we may connect to: what was checked is what is used.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::egress::EgressPolicy;

/// Why a name leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAllowed {
    /// Each of its addresses is refused.
    #[error("every address of the name is refused")]
    Refused,
    /// It has no address.
    #[error("the name has no address")]
    Unknown,
}

/// A resolver that keeps the egress rules.
pub(super) struct GuardedResolver(pub(super) EgressPolicy);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NotAllowed::Unknown)?;
            let found: Vec<SocketAddr> = found.collect();
            if found.is_empty() {
                return Err(NotAllowed::Unknown.into());
            }
            // One inside address spoils the name: it is not by chance that it has both.
            if found.iter().any(|address| policy.check_address(address.ip()).is_err()) {
                return Err(NotAllowed::Refused.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
