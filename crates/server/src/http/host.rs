//! Whom a request was meant for: what HTTP/1.1 asks of `Host`, and the names a development server answers to.
//!
//! Two readers of an ambiguous `Host` may see two servers, so RFC 9112 (section 3.2) has it refused. And a
//! name that leads to this machine can be anybody's: a page of a stranger that a browser shows may rebind its own to
//! 127.0.0.1 and then ask as if it were ours. A development server, which shows its keys and fences nothing, therefore
//! answers to names that nobody else can have.

use std::net::{IpAddr, Ipv6Addr};

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Version};
use rollcall_record::json::quotable;
use rollcall_wire::error::{ApiError, ErrorKind};
use url::Url;

/// Why a `Host` was refused. `Display` says what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostError {
    /// There is none, over HTTP/1.1.
    #[error("is required over HTTP/1.1")]
    Missing,
    /// There is more than one.
    #[error("must be sent once")]
    Repeated,
    /// It is not a name or an address with or without a port.
    #[error("must be a name or an address, with or without a port")]
    Malformed,
}

/// The name or address that the request is for, without port or brackets. Older versions than HTTP/1.1 need
/// not tell.
pub(crate) fn named(head: &Parts) -> Result<Option<&str>, HostError> {
    let mut hosts = head.headers.get_all(HOST).into_iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if head.version == Version::HTTP_11 => return Err(HostError::Missing),
        (None, _) => None,
        (Some(host), None) => Some(name_in(host).ok_or(HostError::Malformed)?),
        (Some(_), Some(_)) => return Err(HostError::Repeated),
    };
    // What the target itself says stands above the header.
    match head.uri.authority() {
        None => Ok(host),
        Some(authority) => Ok(Some(authority.host().trim_matches(['[', ']']))),
    }
}

fn name_in(host: &HeaderValue) -> Option<&str> {
    let host = host.to_str().ok()?;
    let (name, port) = if let Some(literal) = host.strip_prefix('[') {
        let (address, port) = literal.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        (address, port)
    } else {
        let end = host.find(':').unwrap_or(host.len());
        let (name, port) = host.split_at(end);
        if name.is_empty() || !name.bytes().all(is_of_a_name) {
            return None;
        }
        (name, port)
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_port = port.is_empty()
        || (port.starts_with(':')
            && digits.len() <= 5
            && digits.bytes().all(|it| it.is_ascii_digit()));
    is_port.then_some(name)
}

/// The characters of RFC 3986's `reg-name`.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}

/// The names that a development server answers to.
#[derive(Debug)]
pub(crate) enum OwnHosts {
    /// Whatever leads to it: others are meant to reach it.
    Any,
    /// Those of this machine alone, and the one that its users are sent to.
    Loopback { public: Option<String> },
}

impl OwnHosts {
    /// Those of a server that only this machine reaches, with this base of the URLs given to end users.
    pub(crate) fn loopback(public_base_url: &str) -> Self {
        let public = Url::parse(public_base_url).ok();
        let public = public.and_then(|url| url.host_str().map(str::to_owned));
        Self::Loopback { public }
    }

    /// Refuses a request for another name.
    pub(crate) fn admit(&self, name: &str) -> Result<(), ApiError> {
        if self.has(name) {
            return Ok(());
        }
        let message = format!(
            "host: this development server answers to localhost and loopback addresses, and not to \"{}\"; \
             ask one of those, set public_base_url, or start it with --allow-remote",
            quotable(name)
        );
        Err(ApiError::new(ErrorKind::Permission, message))
    }

    fn has(&self, name: &str) -> bool {
        let Self::Loopback { public } = self else {
            return true;
        };
        if let Ok(address) = name.parse::<IpAddr>() {
            return address.to_canonical().is_loopback()
                || public
                    .as_ref()
                    .is_some_and(|public| public.trim_matches(['[', ']']) == name);
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost") || public.as_ref() == Some(&name)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use rstest::rstest;

    use super::*;

    fn named_by(
        version: Version,
        target: &str,
        hosts: &[&str],
    ) -> Result<Option<String>, HostError> {
        let mut request = Request::get(target).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        named(&head).map(|name| name.map(str::to_owned))
    }

    #[rstest]
    #[case("rollcall.example", "rollcall.example")]
    #[case("127.0.0.1:8787", "127.0.0.1")]
    #[case("localhost:", "localhost")]
    #[case("[::1]:8787", "::1")]
    #[case("[::1]", "::1")]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port(
        #[case] host: &str,
        #[case] name: &str,
    ) {
        let named = named_by(Version::HTTP_11, "/", &[host]);
        assert_eq!(named, Ok(Some(name.to_owned())));
    }

    #[rstest]
    #[case("")]
    #[case(":80")]
    #[case("a/b@c")]
    #[case("user@a")]
    #[case("a b")]
    #[case("a:b")]
    #[case("a:1:2")]
    #[case("a:123456")]
    #[case("[::1")]
    #[case("[::1]8787")]
    #[case("[a]")]
    #[case("a, b")]
    fn anything_else_is_none(#[case] host: &str) {
        let named = named_by(Version::HTTP_11, "/", &[host]);
        assert_eq!(named, Err(HostError::Malformed));
    }

    #[test]
    fn one_host_is_needed_and_the_target_says_it_better() {
        let none = named_by(Version::HTTP_11, "/", &[]);
        assert_eq!(none, Err(HostError::Missing));
        let two = named_by(Version::HTTP_11, "/", &["a", "a"]);
        assert_eq!(two, Err(HostError::Repeated));
        assert_eq!(named_by(Version::HTTP_10, "/", &[]), Ok(None));
        let target = named_by(Version::HTTP_11, "http://b:1/", &["a"]);
        assert_eq!(target, Ok(Some("b".to_owned())));
        let http2 = named_by(Version::HTTP_2, "http://[::1]:1/", &[]);
        assert_eq!(http2, Ok(Some("::1".to_owned())));
    }

    #[test]
    fn a_development_server_answers_to_names_that_nobody_else_can_have() {
        let hosts = OwnHosts::loopback("https://Profiles.example.net/x");
        for own in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "profiles.example.net",
        ] {
            assert!(hosts.has(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "10.0.0.1",
            "0.0.0.0",
            "::",
            "example.net",
        ] {
            assert!(!hosts.has(foreign), "{foreign}");
        }
        assert!(OwnHosts::Any.has("evil.example"));
    }
}
