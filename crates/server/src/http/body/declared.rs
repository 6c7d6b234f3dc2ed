//! What the headers say that a body is: its coding, media type and charset.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::BodyError;

#[derive(Clone, Copy)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// The codings of all `Content-Encoding` fields; `identity` and empty elements mean nothing,
    /// and a body that was encoded twice is not supported.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut encoding = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            let names = text(value).ok_or(BodyError::EncodingUnsupported)?;
            for name in names.split(',').map(str::trim) {
                match encoding {
                    _ if name.is_empty() || name.eq_ignore_ascii_case("identity") => {}
                    Self::Identity if name.eq_ignore_ascii_case("gzip") => encoding = Self::Gzip,
                    Self::Identity | Self::Gzip => return Err(BodyError::EncodingUnsupported),
                }
            }
        }
        Ok(encoding)
    }
}

/// Every `Content-Type` sent must be the expected one; none, or an empty one, is taken as it.
pub(super) fn check_media_type(
    is_expected: impl Fn(&str) -> bool,
    headers: &HeaderMap,
) -> Result<(), BodyError> {
    for value in headers.get_all(CONTENT_TYPE) {
        let content_type = text(value).ok_or(BodyError::MediaTypeUnsupported)?;
        if !content_type.trim().is_empty() && !is_expected(content_type) {
            return Err(BodyError::MediaTypeUnsupported);
        }
    }
    Ok(())
}

pub(super) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let lower = essence.to_ascii_lowercase();
    if content_type.trim().is_empty() || lower == "application/json" {
        return true;
    }
    match lower.split_once('/') {
        Some((kind, subtype)) => {
            !kind.is_empty() && subtype.len() > 5 && subtype.ends_with("+json")
        }
        None => false,
    }
}

pub(super) fn check_charset(headers: &HeaderMap) -> Result<(), BodyError> {
    for value in headers.get_all(CONTENT_TYPE) {
        let content_type = text(value).unwrap_or_default();
        let supported = parameters(content_type)
            .filter(|(name, _)| name.eq_ignore_ascii_case("charset"))
            .all(|(_, charset)| {
                charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
            });
        if !supported {
            return Err(BodyError::CharsetUnsupported);
        }
    }
    Ok(())
}

/// The `name=value` parameters of a media type, quotes removed.
///
/// A `;` inside a quoted value ends it early. No charset contains one, so the worst outcome is a
/// charset that is refused as unknown, which it is.
fn parameters(content_type: &str) -> impl Iterator<Item = (&str, &str)> {
    content_type.split(';').skip(1).filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim();
        let unquoted = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(value);
        Some((name.trim(), unquoted))
    })
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}
