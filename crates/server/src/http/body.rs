//! Request bodies: from the socket to the decoded bytes a parser may trust in size.
//!
//! The contract's section *Bodies* (`headers-and-errors.md`) refuses a body for its encoding,
//! media type, charset, size or slowness before anyone looks at what it says. All of that is
//! decided here, in the contract's order, so that a handler receives either at most
//! [`BodyLimits::bytes`] decoded bytes or the finished refusal. What the bytes *mean* (UTF-8, JSON,
//! fields) is the wire crate's part.
//!
//! Nothing that a client sends makes this hold more than a few times the limit: a declared length is
//! refused before a byte is read, an undeclared one at the first byte too many, and a compressed
//! body stops being decoded at the first byte past the limit. A compressed body is one gzip member: one with
//! nothing in it costs two hundred times what its bytes cost to receive, and any number of them makes one valid body.

mod declared;
mod gzip;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt as _;
use rollcall_wire::error::{ApiError, ErrorCode, ErrorKind};

use declared::{Encoding, check_charset, check_media_type, is_json};
use gzip::decode_gzip;

/// How much of a body is accepted, and how long it may take to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Largest body in bytes, as sent and once decoded.
    pub bytes: usize,
    /// Longest time from the start of reading until the body's last byte.
    pub time: Duration,
}

impl BodyLimits {
    /// The contract's limits for the public API: 1 MiB within 30 seconds.
    pub const CONTRACT: Self = Self {
        bytes: 1024 * 1024,
        time: Duration::from_secs(30),
    };
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self::CONTRACT
    }
}

/// Why a body was refused; each variant is one row of the contract's *Bodies* or *Error catalogue*.
///
/// `Display` is the message a client is shown. It never quotes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// `Content-Encoding` names something other than `identity` or `gzip`.
    #[error("content-encoding: must be identity or gzip")]
    EncodingUnsupported,
    /// The body is not one whole gzip member and nothing else.
    #[error("content-encoding: the request body is not one valid gzip member")]
    EncodingInvalid,
    /// A form that was compressed, which no browser does.
    #[error("content-encoding: a form must be sent as it is, without one")]
    FormEncoded,
    /// The last byte did not arrive in time. Nothing was done.
    #[error("The request body did not arrive within {} seconds; nothing was done", limit.as_secs())]
    TimedOut {
        /// The time that had been allowed.
        limit: Duration,
    },
    /// `Content-Type` names a charset other than `utf-8` or `us-ascii`.
    #[error("content-type: charset must be utf-8 or us-ascii")]
    CharsetUnsupported,
    /// A non-empty body of a media type that is not JSON.
    #[error("content-type: must be application/json")]
    MediaTypeUnsupported,
    /// More bytes than allowed, as declared or as sent.
    #[error("The request body exceeds {limit} bytes")]
    TooLarge {
        /// The number of bytes that had been allowed.
        limit: usize,
    },
    /// A compressed body that decodes to more bytes than allowed.
    #[error("The request body exceeds {limit} bytes after decoding")]
    TooLargeAfterDecoding {
        /// The number of bytes that had been allowed.
        limit: usize,
    },
    /// The connection or stream ended, or its framing broke, before the body did.
    #[error("The request body ended before it was complete")]
    Incomplete,
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        use ErrorKind::{InvalidRequest, TooLarge};
        let (kind, code) = match error {
            BodyError::EncodingUnsupported | BodyError::FormEncoded => (
                InvalidRequest,
                Some(ErrorCode::RequestBodyEncodingUnsupported),
            ),
            BodyError::EncodingInvalid => {
                (InvalidRequest, Some(ErrorCode::RequestBodyEncodingInvalid))
            }
            BodyError::TimedOut { .. } => (InvalidRequest, Some(ErrorCode::RequestBodyTimeout)),
            BodyError::CharsetUnsupported => (InvalidRequest, Some(ErrorCode::UnsupportedCharset)),
            BodyError::TooLargeAfterDecoding { .. } => {
                (TooLarge, Some(ErrorCode::RequestBodyTooLargeAfterDecoding))
            }
            BodyError::TooLarge { .. } => (TooLarge, None),
            BodyError::MediaTypeUnsupported | BodyError::Incomplete => (InvalidRequest, None),
        };
        let told = Self::new(kind, error.to_string());
        match code {
            Some(code) => told.with_code(code),
            None => told,
        }
    }
}

/// Reads a whole request body and decodes it.
///
/// Encoding, media type, charset and size are checked in this order (step 12 of the contract's
/// *Order of checks*). An empty body passes whatever media type it claims, and an empty compressed
/// body is an empty body: nothing was there to be encoded.
pub async fn read<B>(body: B, headers: &HeaderMap, limits: BodyLimits) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let encoding = Encoding::of(headers)?;
    let sent = receive(is_json, body, headers, limits).await?;
    match encoding {
        Encoding::Gzip if !sent.is_empty() => decode_gzip(sent, limits.bytes).await,
        Encoding::Gzip | Encoding::Identity => Ok(sent),
    }
}

/// Reads the body of a form as a browser sends it: under the same checks, and never compressed.
pub async fn read_form<B>(
    body: B,
    headers: &HeaderMap,
    limits: BodyLimits,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let is_form = |content_type: &str| {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    };
    match Encoding::of(headers) {
        Ok(Encoding::Identity) => receive(is_form, body, headers, limits).await,
        Ok(Encoding::Gzip) | Err(_) => Err(BodyError::FormEncoded),
    }
}

/// Most bytes of a body that nobody reads and that is let pass all the same.
const PASSED_OVER: u64 = 64 * 1024;

/// How long such a body may take to arrive.
const PASS_WITHIN: Duration = Duration::from_secs(1);

/// Reads what is left of a body and throws it away, if that is little and comes soon. Tells whether all of
/// it has come.
pub async fn pass_over<B>(mut body: B) -> bool
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return true;
    }
    let mut left = PASSED_OVER;
    let all = async {
        while body.size_hint().lower() <= left {
            match body.frame().await {
                None => return true,
                Some(Err(_broken)) => return false,
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                    let Some(fewer) = left.checked_sub(bytes) else {
                        return false;
                    };
                    left = fewer;
                }
            }
        }
        false
    };
    tokio::time::timeout(PASS_WITHIN, all).await == Ok(true)
}

/// The body as it was sent, within the limits.
async fn receive<B>(
    is_expected: impl Fn(&str) -> bool,
    body: B,
    headers: &HeaderMap,
    limits: BodyLimits,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let receive = receive_at_leisure(&is_expected, body, headers, limits.bytes);
    tokio::time::timeout(limits.time, receive)
        .await
        .map_err(|_elapsed| BodyError::TimedOut { limit: limits.time })?
}

async fn receive_at_leisure<B>(
    is_expected: impl Fn(&str) -> bool,
    mut body: B,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let declared = body.size_hint().lower();
    if declared > 0 {
        check_media_type(&is_expected, headers)?;
        check_charset(headers)?;
        if usize::try_from(declared).map_or(true, |bytes| bytes > limit) {
            return Err(BodyError::TooLarge { limit });
        }
    }
    let Some(first) = next_chunk(&mut body).await? else {
        check_charset(headers)?;
        return Ok(Bytes::new());
    };
    // A chunked body shows that it is not empty only now.
    check_media_type(&is_expected, headers)?;
    check_charset(headers)?;
    gather(first, body, limit).await
}

/// Joins the chunks. The common body is a single chunk and is handed on without a copy.
async fn gather<B>(first: Bytes, mut body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    if first.len() > limit {
        return Err(BodyError::TooLarge { limit });
    }
    let Some(second) = next_chunk(&mut body).await? else {
        return Ok(first);
    };
    let mut whole = BytesMut::from(first);
    let mut chunk = Some(second);
    while let Some(bytes) = chunk {
        if bytes.len() > limit - whole.len() {
            return Err(BodyError::TooLarge { limit });
        }
        whole.extend_from_slice(&bytes);
        chunk = next_chunk(&mut body).await?;
    }
    Ok(whole.freeze())
}

/// The next piece that holds at least one byte; `None` at the end. Trailers are dropped.
async fn next_chunk<B>(body: &mut B) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_broken| BodyError::Incomplete)?;
        match frame.into_data() {
            Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
