//! Where the database is and how it is spoken to: the URL, and TLS as it asks for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::OpenError;

/// A database to connect to.
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    /// Whether statements may be prepared in sessions that are ours alone.
    pub(super) prepares: bool,
}

/// How the server proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// It need not: the connection is plain, or encrypted against listeners only.
    None,
    /// By a certificate for its name from an authority that is trusted.
    Certificate,
}

impl Target {
    /// Reads `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`.
    ///
    /// `sslmode` means what it means to the database's own tools: `disable`, `prefer` (the default) and
    /// `require`, which encrypt without asking who answers, and `verify-full`, which asks. A given
    /// `sslrootcert` makes `require` ask too. `prepare_statements=never` is for a pooler that shares
    /// sessions and cannot be told from none.
    pub(super) fn parse(url: &str, connect_timeout: Duration) -> Result<Self, OpenError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(OpenError::Failed(
                "the database URL must begin with postgres://".into(),
            ));
        }
        let (plain, options) = split_own_options(url);
        let mut config: Config = plain.parse().map_err(|error| {
            OpenError::Failed(format!(
                "the database URL is not valid: {}",
                super::trouble::text(&error)
            ))
        })?;
        let (mode, mut proof) = match options.mode.as_deref() {
            None | Some("prefer") => (SslMode::Prefer, Proof::None),
            Some("disable") => (SslMode::Disable, Proof::None),
            Some("require") => (SslMode::Require, Proof::None),
            Some("verify-full") => (SslMode::Require, Proof::Certificate),
            Some(_) => {
                return Err(OpenError::Failed(
                    "sslmode in the database URL must be one of: disable, prefer, require, \
                     verify-full"
                        .into(),
                ));
            }
        };
        let prepares = match options.prepare_statements.as_deref() {
            None | Some("auto") => true,
            Some("never") => false,
            Some(_) => {
                return Err(OpenError::Failed(
                    "prepare_statements in the database URL must be auto or never".into(),
                ));
            }
        };
        if options.root_certificate.is_some() {
            proof = Proof::Certificate;
        }
        config.ssl_mode(mode);
        if config.get_application_name().is_none() {
            config.application_name("rollcall");
        }
        config.connect_timeout(connect_timeout);
        config.keepalives_idle(Duration::from_secs(30));
        if several_hosts(&config) && config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let tls = MakeRustlsConnect::new(tls(proof, options.root_certificate.as_deref())?);
        Ok(Self {
            config,
            tls,
            prepares,
        })
    }

    /// Where this is, in words that hold no secret.
    pub(super) fn name(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<_> = hosts.collect();
        let ports: Vec<_> = self.config.get_ports().iter().map(u16::to_string).collect();
        let port = if ports.is_empty() {
            "5432".to_owned()
        } else {
            ports.join(",")
        };
        let database = self
            .config
            .get_dbname()
            .or_else(|| self.config.get_user())
            .unwrap_or_default();
        format!("{}:{port}/{database}", hosts.join(","))
    }
}

/// The same for each host by itself.
pub(super) fn by_host(config: &Config) -> Vec<Config> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let ports = config.get_ports();
    if hosts.len().max(addresses.len()) < 2 {
        return vec![config.clone()];
    }
    let one = |number: usize| {
        let mut one = Config::new();
        match hosts.get(number) {
            Some(Host::Tcp(name)) => one.host(name.as_str()),
            Some(Host::Unix(path)) => one.host_path(path),
            None => &mut one,
        };
        if let Some(address) = addresses.get(number) {
            one.hostaddr(*address);
        }
        if let Some(port) = ports.get(number).or(ports.first()) {
            one.port(*port);
        }
        if let Some(user) = config.get_user() {
            one.user(user);
        }
        if let Some(password) = config.get_password() {
            one.password(password);
        }
        if let Some(database) = config.get_dbname() {
            one.dbname(database);
        }
        if let Some(options) = config.get_options() {
            one.options(options);
        }
        if let Some(name) = config.get_application_name() {
            one.application_name(name);
        }
        if let Some(timeout) = config.get_connect_timeout() {
            one.connect_timeout(*timeout);
        }
        if let Some(timeout) = config.get_tcp_user_timeout() {
            one.tcp_user_timeout(*timeout);
        }
        if let Some(interval) = config.get_keepalives_interval() {
            one.keepalives_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            one.keepalives_retries(retries);
        }
        one.keepalives(config.get_keepalives())
            .keepalives_idle(config.get_keepalives_idle())
            .ssl_mode(config.get_ssl_mode())
            .ssl_negotiation(config.get_ssl_negotiation())
            .target_session_attrs(config.get_target_session_attrs())
            .channel_binding(config.get_channel_binding())
            .load_balance_hosts(config.get_load_balance_hosts());
        one
    };
    (0..hosts.len().max(addresses.len())).map(one).collect()
}

fn several_hosts(config: &Config) -> bool {
    config.get_hosts().len() > 1
}

/// The options that the client library does not know, or knows in part.
#[derive(Default)]
struct OwnOptions {
    prepare_statements: Option<String>,
    mode: Option<String>,
    root_certificate: Option<String>,
}

/// Takes these options out of a URL's query.
fn split_own_options(url: &str) -> (String, OwnOptions) {
    let mut options = OwnOptions::default();
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), options);
    };
    let mut rest = Vec::new();
    for option in query.split('&') {
        match option.split_once('=') {
            Some(("prepare_statements", value)) => {
                options.prepare_statements = Some(value.to_owned());
            }
            Some(("sslmode", value)) => options.mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => options.root_certificate = Some(decoded(value)),
            _ => rest.push(option),
        }
    }
    if rest.is_empty() {
        (base.to_owned(), options)
    } else {
        (format!("{base}?{}", rest.join("&")), options)
    }
}

/// A path in a query: only the escapes that a path is likely to need.
fn decoded(value: &str) -> String {
    value
        .replace("%2F", "/")
        .replace("%2f", "/")
        .replace("%20", " ")
}

fn tls(proof: Proof, root_certificate: Option<&str>) -> Result<ClientConfig, OpenError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Failed(format!("cannot set up TLS: {error}")))?;
    match proof {
        Proof::Certificate => Ok(builder
            .with_root_certificates(roots(root_certificate)?)
            .with_no_client_auth()),
        Proof::None => Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth()),
    }
}

fn roots(root_certificate: Option<&str>) -> Result<RootCertStore, OpenError> {
    let Some(path) = root_certificate else {
        return Ok(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        });
    };
    let cannot = |error: &dyn std::fmt::Display| {
        OpenError::Failed(format!("cannot read sslrootcert {path}: {error}"))
    };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(Path::new(path)).map_err(|error| cannot(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| cannot(&error))?;
        roots.add(certificate).map_err(|error| cannot(&error))?;
    }
    if roots.is_empty() {
        return Err(cannot(&"it holds no certificate"));
    }
    Ok(roots)
}

/// Takes any certificate, as `sslmode=require` is defined to; the handshake itself is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, OpenError> {
        Target::parse(url, Duration::from_secs(1))
    }

    #[test]
    fn tls_modes_are_those_of_the_databases_own_tools() {
        for (query, mode) in [
            ("", SslMode::Prefer),
            ("?sslmode=prefer", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=require", SslMode::Require),
            ("?connect_timeout=3&sslmode=verify-full", SslMode::Require),
        ] {
            let target = parse(&format!("postgres://u:p@h/d{query}")).ok().unwrap();
            assert_eq!(target.config.get_ssl_mode(), mode, "{query}");
        }
        let refused = parse("postgres://u:p@h/d?sslmode=verify-ca").err().unwrap();
        assert!(refused.to_string().contains("verify-full"));
        let refused = parse("postgres://h/d?sslmode=require&sslrootcert=%2Fno%2Fsuch").err();
        assert!(refused.unwrap().to_string().contains("/no/such"));
    }

    #[test]
    fn preparing_can_be_forbidden() {
        let prepares = |query: &str| {
            let target = parse(&format!("postgres://u@h/d{query}"));
            target.map(|target| target.prepares)
        };
        assert_eq!(prepares("").ok(), Some(true));
        assert_eq!(prepares("?prepare_statements=auto").ok(), Some(true));
        assert_eq!(prepares("?prepare_statements=never").ok(), Some(false));
        assert!(prepares("?prepare_statements=always").is_err());
    }

    #[test]
    fn a_targets_name_and_its_errors_hold_no_password() {
        let target = parse("postgres://u:hunter2@a,b:6000/d").ok().unwrap();
        assert_eq!(target.name(), "a,b:5432,6000/d");
        assert_eq!(
            target.config.get_target_session_attrs(),
            TargetSessionAttrs::ReadWrite
        );
        for url in [
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@h:port/d",
            "postgres://u:hunter2@h/d?nonsense=hunter2",
        ] {
            let refused = parse(url).err().unwrap().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
