//! Whom we trust: the certificates of the system, as every program on it does.

use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::{ClientConfig, Error, crypto::aws_lc_rs, pki_types::CertificateDer};

/// A certificate, as DER.
pub type Certificate = CertificateDer<'static>;

pub(super) fn tls_config(extra_roots: Vec<Certificate>) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra_roots, provider.clone())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        // Not less strict: it checks against the certificates of the system.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}
