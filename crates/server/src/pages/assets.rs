//! The files that pages load, embedded in the binary and served under names that hold a hash of their
//! content, so that browsers may keep them for good.

use std::sync::LazyLock;

use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use rollcall_wire::error::ApiError;
use sha2::{Digest as _, Sha256};

use crate::http::answer::{Body, answer, empty};
use crate::http::error::Outcome;
use crate::http::exchange::Exchange;

/// Where assets are.
const BASE: &str = "/assets/";

/// Name, extension, media type and content of each file.
const FILES: [(&str, &str, &str, &[u8]); 4] = [
    (
        "style",
        "css",
        "text/css; charset=utf-8",
        include_bytes!("assets/style.css"),
    ),
    (
        "icon",
        "svg",
        "image/svg+xml",
        include_bytes!("assets/icon.svg"),
    ),
    (
        "portal",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("assets/portal.js"),
    ),
    (
        "console",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("assets/console.js"),
    ),
];

/// One embedded file.
#[derive(Debug)]
struct Asset {
    /// Its name with the hash in it.
    name: String,
    content_type: &'static str,
    content: &'static [u8],
    hash: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let named = FILES.map(|(stem, extension, content_type, content)| {
        let mut hash = String::with_capacity(12);
        for byte in &Sha256::digest(content)[..6] {
            hash.push_str(&format!("{byte:02x}"));
        }
        Asset {
            name: format!("{stem}-{hash}.{extension}"),
            content_type,
            content,
            hash,
        }
    });
    named.into()
});

/// The address of the file `stem`.`extension`.
fn address(stem: &str, extension: &str) -> String {
    let named = ASSETS
        .iter()
        .find(|asset| asset.name.starts_with(stem) && asset.name.ends_with(extension));
    named.map_or_else(String::new, |asset| format!("{BASE}{}", asset.name))
}

/// The address of the stylesheet.
pub(crate) static STYLE: LazyLock<String> = LazyLock::new(|| address("style", ".css"));
/// The address of the icon.
pub(crate) static ICON: LazyLock<String> = LazyLock::new(|| address("icon", ".svg"));
/// The address of the portal's script.
pub(crate) static PORTAL_SCRIPT: LazyLock<String> = LazyLock::new(|| address("portal", ".js"));
/// The address of the console's script.
pub(crate) static SCRIPT: LazyLock<String> = LazyLock::new(|| address("console", ".js"));

/// `GET /assets/{name}`
pub(crate) async fn show(exchange: &Exchange<'_>) -> Outcome {
    let named = ASSETS
        .iter()
        .find(|asset| asset.name == exchange.params.get("name"));
    let asset = named.ok_or_else(ApiError::path_not_found)?;
    let etag = format!("\"{}\"", asset.hash);
    let known = exchange.head.headers.get(IF_NONE_MATCH);
    let mut shown = if known.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        let body = Body::Whole(Full::new(asset.content.into()));
        answer(StatusCode::OK, asset.content_type, body)
    };
    let headers = shown.headers_mut();
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(CACHE_CONTROL, forever);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_an_address_with_its_hash() {
        for address in [&*STYLE, &*ICON, &*SCRIPT, &*PORTAL_SCRIPT] {
            assert!(address.starts_with(BASE), "{address}");
        }
        assert!(STYLE.contains("/style-"));
    }
}
