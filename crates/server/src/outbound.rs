//! TLS of the connections that Rollcall makes itself: by ring, trusting whom the machine trusts.
//!
//! That is the machine's own store, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name instead of it. Where
//! there is none, as in an image with nothing but the binary, the public authorities that are compiled in
//! take its place. The setting `ca_file` adds to either.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// A TLS configuration without client certificates that trusts these authorities.
pub(crate) fn tls(roots: RootCertStore) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The public authorities that are compiled in.
pub(crate) fn compiled_in() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

/// Whom the machine trusts, and the authorities in `ca_file`. The error says which file is wrong.
pub(crate) fn trusted(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = machines()?;
    if roots.is_empty() {
        roots = compiled_in();
    }
    if let Some(file) = ca_file {
        let own = authorities(file).map_err(|reason| format!("ca_file: {reason}"))?;
        roots.add_parsable_certificates(own);
    }
    Ok(roots)
}

/// The certificates of authorities in a PEM file. The error says what is wrong with it.
pub(crate) fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = file.display();
    let pem = std::fs::read(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let read = read.map_err(|error| format!("{shown} is not valid PEM: {error}"))?;
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(read.iter().cloned());
    if roots.is_empty() || unusable > 0 {
        return Err(format!(
            "{shown} must hold certificates of authorities, each between BEGIN CERTIFICATE and END CERTIFICATE"
        ));
    }
    Ok(read)
}

fn machines() -> Result<RootCertStore, String> {
    let named = |variable: &str| {
        let value = std::env::var_os(variable).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let (file, directory) = (named("SSL_CERT_FILE"), named("SSL_CERT_DIR"));
    let mut roots = RootCertStore::empty();
    if file.is_none() && directory.is_none() {
        // What cannot be read of the machine's own store is not trusted, and no reason to end.
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        return Ok(roots);
    }
    if let Some(file) = file {
        let own = authorities(&file).map_err(|reason| format!("SSL_CERT_FILE: {reason}"))?;
        roots.add_parsable_certificates(own);
    }
    if let Some(directory) = directory {
        for directory in std::env::split_paths(&directory) {
            let found = rustls_native_certs::load_certs_from_paths(None, Some(&directory));
            if let (true, Some(error)) = (found.certs.is_empty(), found.errors.first()) {
                return Err(format!("SSL_CERT_DIR: {error}"));
            }
            roots.add_parsable_certificates(found.certs);
        }
    }
    Ok(roots)
}
