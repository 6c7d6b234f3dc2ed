//! Where a form was sent from: only our own pages may send to us.
//!
//! Browsers say it in `Sec-Fetch-Site`, which no page can forge; where that is missing (older ones, and
//! plain HTTP to another machine) `Origin` is compared with `Host`. The portal's pages send no
//! referrer, which makes browsers write `Origin: null`; there it counts as nothing said, because a
//! portal's address is a secret that no other site knows.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

use super::Room;

/// Whether a request that changes something comes from a page of ours.
pub(crate) fn is_ours(room: Room, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        // "none": the person's own doing, as when a browser is asked to send a form again.
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return room == Room::Portal;
    };
    if origin == "null" {
        return room == Room::Portal;
    }
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (origin, host) {
        (Some((_scheme, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        (_, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_our_own_pages_may_send() {
        for (sent, console, portal) in [
            (&[("sec-fetch-site", "same-origin")][..], true, true),
            (&[("sec-fetch-site", "none")], true, true),
            (&[("sec-fetch-site", "same-site")], false, false),
            (
                &[("sec-fetch-site", "cross-site"), ("origin", "http://a")],
                false,
                false,
            ),
            (&[("origin", "http://a"), ("host", "a")], true, true),
            (&[("origin", "http://a:1"), ("host", "a:2")], false, false),
            (
                &[("origin", "https://evil.example"), ("host", "a")],
                false,
                false,
            ),
            (&[("origin", "null"), ("host", "a")], false, true),
            (&[("host", "a")], false, true),
        ] {
            let headers = sent.iter().map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            });
            let headers: HeaderMap = headers.collect();
            assert_eq!(is_ours(Room::Console, &headers), console, "{sent:?}");
            assert_eq!(is_ours(Room::Portal, &headers), portal, "{sent:?}");
        }
    }
}
