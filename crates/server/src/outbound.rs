//! TLS of the connections that Rollcall makes itself: by ring, trusting the roots that are compiled
//! in, so that the binary needs no files.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

/// A TLS configuration without client certificates.
pub(crate) fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    tls_trusting(&[])
}

/// The same, trusting these authorities too.
pub(crate) fn tls_trusting(
    authorities: &[CertificateDer<'static>],
) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
