//! The fence: which addresses a delivery may connect to.
//!
//! Whoever administers an endpoint chooses a URL that the server then calls from inside its own
//! network. So the *address* is judged, at the moment of connecting: a name is looked up here, every
//! answer is judged, and the connection goes to the very addresses that passed, so that an answer that
//! changes between check and connection changes nothing. A literal address never reaches a resolver
//! and is judged by itself ([`Fence::judge_host`]).
//!
//! Public means global unicast, and an address that embeds an IPv4 address is as public as that one.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The setting that opens networks, for whoever reads a refusal.
const SETTING: &str = "webhooks.allow_networks";

/// An address that deliveries do not go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a public address; the setting {SETTING} opens networks of your own")]
pub struct Refused(
    /// The address.
    pub IpAddr,
);

/// Which addresses may be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fence {
    /// Public ones, and those in these networks.
    PublicAnd(Vec<IpNet>),
    /// All of them; for development servers.
    Open,
}

impl Default for Fence {
    fn default() -> Self {
        Self::PublicAnd(Vec::new())
    }
}

impl Fence {
    /// Whether this address may be connected to.
    pub fn judge(&self, address: IpAddr) -> Result<(), Refused> {
        let allowed = match self {
            Self::Open => true,
            Self::PublicAnd(networks) => {
                // An IPv4 address is the same one when it is written as an IPv6 address.
                let address = address.to_canonical();
                is_public(address) || networks.iter().any(|network| network.contains(&address))
            }
        };
        if allowed {
            Ok(())
        } else {
            Err(Refused(address))
        }
    }

    /// Judges a host that is a literal address; a name is judged by what it is looked up as.
    pub fn judge_host(&self, url: &reqwest::Url) -> Result<(), Refused> {
        match url.host() {
            Some(url::Host::Ipv4(address)) => self.judge(address.into()),
            Some(url::Host::Ipv6(address)) => self.judge(address.into()),
            Some(url::Host::Domain(_)) | None => Ok(()),
        }
    }
}

/// Whether an address is global unicast.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Everything in IANA's special-purpose registry that is not globally reachable, and multicast.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(embedded) = embedded_v4(address) {
        return is_public_v4(embedded);
    }
    let [a, b, ..] = address.segments();
    let global_unicast = a & 0xe000 == 0x2000;
    let special = match (a, b) {
        // Protocol assignments, Teredo among them, and documentation.
        (0x2001, 0..=0x01ff | 0x0db8) | (0x3fff, 0..=0x0fff) => true,
        _ => false,
    };
    global_unicast && !special
}

/// The IPv4 address that traffic to this address ends up at.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // Mapped, and NAT64 under its well-known prefix.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4.
        | [0x2002, high, low, ..]
        // ISATAP, whatever network it is in.
        | [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

/// How names become addresses.
#[async_trait]
pub trait Lookup: Send + Sync + fmt::Debug {
    /// All addresses of the name.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's way of looking names up.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// A resolver that hands out addresses only if every one of them may be connected to.
#[derive(Clone, Debug)]
pub(crate) struct FencedResolver {
    pub(crate) fence: Fence,
    pub(crate) lookup: Arc<dyn Lookup>,
}

impl Resolve for FencedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { fence, lookup } = self.clone();
        Box::pin(async move {
            let addresses = lookup.lookup(name.as_str()).await?;
            for address in &addresses {
                fence.judge(*address)?;
            }
            let addresses = addresses.into_iter();
            // The port is the URL's.
            let addresses = addresses.map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
