//! The contract's limits on a request head, for the router to apply as step 1 of its *Order of checks*.

use http::StatusCode;
use http::request::Parts;

/// Largest request target in bytes.
const MOST_TARGET_BYTES: usize = 8 * 1024;

/// Largest header section in bytes, counted as HTTP/1.1 writes it.
const MOST_HEADER_BYTES: usize = 32 * 1024;

/// What HTTP/1.1 writes around each field: `: ` and a line end.
const FIELD_OVERHEAD: usize = 4;

/// Most fields that a header section within its limit has: those with a name of one byte and no value.
pub(super) const MOST_FIELDS: usize = MOST_HEADER_BYTES / (FIELD_OVERHEAD + 1);

/// Which part of a request head exceeds its limit. `Display` is the message a client is shown;
/// the error's type is `invalid_request_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadTooLarge {
    /// The request target is longer than 8 KiB.
    #[error("The request target exceeds {MOST_TARGET_BYTES} bytes")]
    Target,
    /// The header section is longer than 32 KiB.
    #[error("The request header section exceeds {MOST_HEADER_BYTES} bytes")]
    Headers,
}

impl HeadTooLarge {
    /// The answer's status: 414 or 431.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Target => StatusCode::URI_TOO_LONG,
            Self::Headers => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

/// Checks target and header section; both limits are inclusive.
///
/// HTTP/2 heads are counted as if they had been written in HTTP/1.1, so that compression does
/// not change what is accepted.
pub fn check_head(request: &Parts) -> Result<(), HeadTooLarge> {
    let target = request
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > MOST_TARGET_BYTES {
        return Err(HeadTooLarge::Target);
    }
    let headers: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD)
        .sum();
    if headers > MOST_HEADER_BYTES {
        return Err(HeadTooLarge::Headers);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(target_bytes: usize, header_bytes: usize) -> Parts {
        let target = format!("/{}", "a".repeat(target_bytes - 1));
        let value = "v".repeat(header_bytes - 1 - FIELD_OVERHEAD);
        let request = Request::get(target).header("h", value).body(()).unwrap();
        request.into_parts().0
    }

    #[test]
    fn limits_are_inclusive() {
        let at = parts(MOST_TARGET_BYTES, MOST_HEADER_BYTES);
        assert_eq!(check_head(&at), Ok(()));
        let target = parts(MOST_TARGET_BYTES + 1, 100);
        assert_eq!(check_head(&target), Err(HeadTooLarge::Target));
        let headers = parts(100, MOST_HEADER_BYTES + 1);
        assert_eq!(check_head(&headers), Err(HeadTooLarge::Headers));
    }

    #[test]
    fn messages_name_the_limit() {
        assert_eq!(
            HeadTooLarge::Target.to_string(),
            "The request target exceeds 8192 bytes"
        );
        assert_eq!(
            HeadTooLarge::Headers.to_string(),
            "The request header section exceeds 32768 bytes"
        );
    }
}
