//! What settings must be that any value of their kind is not, and how they go together.

use rollcall_domain::enrollment;

use super::{ConfigError, Loaded, programs};
use crate::{outbound, telemetry};

impl Loaded {
    /// Rules that concern more than one setting, or more than the kind of a value.
    pub(super) fn checked(mut self) -> Result<Self, ConfigError> {
        let config = &self.config;
        let exclusive = [
            (
                "in_memory",
                config.in_memory,
                "database_url",
                config.database_url.is_some(),
            ),
            (
                "secret_key",
                config.secret_key.is_some(),
                "secret_key_file",
                config.secret_key_file.is_some(),
            ),
        ];
        for (one, one_set, other, other_set) in exclusive {
            if one_set && other_set {
                return Err(self.conflict(one, other));
            }
        }
        if config.database_read_url.is_some() && config.database_url.is_none() {
            return Err(self.invalid("database_read_url", "needs database_url to be set too"));
        }
        if config.email_hash_prefix.is_some() && config.email_hash_scheme.is_none() {
            return Err(self.invalid("email_hash_prefix", "needs email_hash_scheme to be set too"));
        }
        if let Err(error) = telemetry::check_filter(&config.log) {
            let reason = error.to_string();
            let reason = reason.strip_prefix("log: ").unwrap_or(&reason);
            return Err(self.invalid("log", reason));
        }
        for (key, limit) in [
            ("header_read_timeout", config.header_read_timeout),
            ("request_timeout", config.request_timeout),
            ("idle_timeout", config.idle_timeout),
            ("stall_timeout", config.stall_timeout),
        ] {
            if limit.is_zero() {
                return Err(self.invalid(key, "must be longer than nothing"));
            }
        }
        if !enrollment::URL_LIFETIMES.contains(&config.enrollment_url_lifetime) {
            let expected = "expected from 5m to 7d";
            return Err(self.invalid("enrollment_url_lifetime", expected));
        }
        if let Err(reason) = programs::check(&config.programs) {
            return Err(self.invalid("programs", &reason));
        }
        if let Some(at) = config.cors_origins.iter().position(|it| !is_origin(it)) {
            let reason = format!(
                "number {} is nothing that a browser sends as Origin; expected scheme, host in lower case and a port \
                 that is not the scheme's own, with nothing behind, such as \"https://app.example.com\"",
                at + 1
            );
            return Err(self.invalid("cors_origins", &reason));
        }
        if let Some(Err(reason)) = config.ca_file.as_deref().map(outbound::authorities) {
            return Err(self.invalid("ca_file", &reason));
        }
        self.check_base_url()?;
        self.config.secret_keys()?;
        Ok(self)
    }

    fn check_base_url(&mut self) -> Result<(), ConfigError> {
        let Some(base) = &mut self.config.public_base_url else {
            return Ok(());
        };
        base.truncate(base.trim_end_matches('/').len());
        let uri = base.parse::<http::Uri>().ok();
        let usable = uri.is_some_and(|uri| {
            let scheme = uri.scheme_str();
            matches!(scheme, Some("http" | "https"))
                && uri.path() == "/"
                && uri.query().is_none()
                && !uri.authority().is_some_and(|it| it.as_str().contains('@'))
        });
        if !usable || base.contains('#') {
            // The pages refer to each other from the root.
            let expected = "expected scheme, host and port of an http or https URL, with nothing behind, such as \
                            \"https://profiles.example.com\"";
            return Err(self.invalid("public_base_url", expected));
        }
        Ok(())
    }
}

/// Whether a browser can send this as `Origin`. What it sends is compared byte by byte.
fn is_origin(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else {
        return false;
    };
    let host = url.host_str().filter(|host| !host.contains('*'));
    host.is_some_and(|host| {
        let port = url.port().map(|port| format!(":{port}"));
        let origin = format!("{}://{host}{}", url.scheme(), port.unwrap_or_default());
        origin == text && origin == origin.to_ascii_lowercase()
    })
}
