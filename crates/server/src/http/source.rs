//! Which address a request comes from, for the log.

use std::net::IpAddr;

use http::HeaderName;
use http::request::Parts;
use ipnet::IpNet;

use super::listener::PeerAddress;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of whoever asks. Behind a proxy that is trusted it is the last one in `x-forwarded-for` that is no
/// such proxy's: what stands before that anybody may have written.
pub(super) fn client_address(head: &Parts, proxies: &[IpNet]) -> Option<IpAddr> {
    let peer = head.extensions.get::<PeerAddress>()?.0.ip().to_canonical();
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    if !is_proxy(&peer) {
        return Some(peer);
    }
    let forwarded = head.headers.get_all(&FORWARDED_FOR).into_iter().rev();
    let mut nearest = peer;
    for address in forwarded.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
        let address = std::str::from_utf8(address.trim_ascii()).ok();
        let Some(address) = address.and_then(|address| address.parse::<IpAddr>().ok()) else {
            break;
        };
        nearest = address.to_canonical();
        if !is_proxy(&nearest) {
            break;
        }
    }
    Some(nearest)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::direct("203.0.113.9", &["198.51.100.1"], "203.0.113.9")]
    #[case::no_word_of_the_proxy("10.0.0.1", &[], "10.0.0.1")]
    #[case::behind_one("10.0.0.1", &["198.51.100.1"], "198.51.100.1")]
    #[case::behind_two("10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1")]
    #[case::in_two_headers("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1")]
    #[case::what_a_client_wrote("10.0.0.1", &["192.0.2.66, 198.51.100.1"], "198.51.100.1")]
    #[case::mapped("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1")]
    #[case::no_address("10.0.0.1", &["unknown, 10.0.0.2"], "10.0.0.2")]
    #[case::nonsense("10.0.0.1", &["\u{7f}"], "10.0.0.1")]
    fn only_proxies_are_believed(
        #[case] peer: IpAddr,
        #[case] forwarded: &[&str],
        #[case] expected: IpAddr,
    ) {
        let mut request = http::Request::builder().extension(PeerAddress((peer, 1).into()));
        for value in forwarded {
            let value = http::HeaderValue::from_bytes(value.as_bytes());
            request = request.header(
                "x-forwarded-for",
                value.unwrap_or_else(|_| "?".parse().unwrap()),
            );
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(client_address(&head, &proxies), Some(expected));
    }
}
