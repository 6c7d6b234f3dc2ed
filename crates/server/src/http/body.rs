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

use std::io::Read as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;

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

impl BodyError {
    /// The answer's status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } | Self::TooLargeAfterDecoding { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::EncodingUnsupported
            | Self::EncodingInvalid
            | Self::FormEncoded
            | Self::TimedOut { .. }
            | Self::CharsetUnsupported
            | Self::MediaTypeUnsupported
            | Self::Incomplete => StatusCode::BAD_REQUEST,
        }
    }

    /// The answer's `error.type`.
    pub fn error_type(self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooLargeAfterDecoding { .. } => "request_too_large",
            Self::EncodingUnsupported
            | Self::EncodingInvalid
            | Self::FormEncoded
            | Self::TimedOut { .. }
            | Self::CharsetUnsupported
            | Self::MediaTypeUnsupported
            | Self::Incomplete => "invalid_request_error",
        }
    }

    /// The answer's `error.details.error_code`, for the rows that have one.
    pub fn error_code(self) -> Option<&'static str> {
        match self {
            Self::EncodingUnsupported | Self::FormEncoded => {
                Some("request_body_encoding_unsupported")
            }
            Self::EncodingInvalid => Some("request_body_encoding_invalid"),
            Self::TimedOut { .. } => Some("request_body_timeout"),
            Self::CharsetUnsupported => Some("unsupported_charset"),
            Self::TooLargeAfterDecoding { .. } => Some("request_body_too_large_after_decoding"),
            Self::MediaTypeUnsupported | Self::TooLarge { .. } | Self::Incomplete => None,
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

#[derive(Clone, Copy)]
enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// The codings of all `Content-Encoding` fields; `identity` and empty elements mean nothing,
    /// and a body that was encoded twice is not supported.
    fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
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

/// Most compressed bytes that are decoded where they arrive. Made to be slow, a kilobyte of gzip costs some
/// hundred microseconds.
const DECODED_AT_ONCE: usize = 16 * 1024;

/// More than that is decoded one body after the other, whoever sent them, so that whoever sends many has one
/// processor and not all.
static LONG_DECODING: Semaphore = Semaphore::const_new(1);

async fn decode_gzip(sent: Bytes, limit: usize) -> Result<Bytes, BodyError> {
    if sent.len() <= DECODED_AT_ONCE {
        return inflate(&sent, limit);
    }
    let turn = LONG_DECODING.acquire().await;
    let decode = move || {
        let decoded = inflate(&sent, limit);
        drop(turn);
        decoded
    };
    let decoded = tokio::task::spawn_blocking(decode).await;
    decoded.unwrap_or(Err(BodyError::EncodingInvalid))
}

fn inflate(sent: &[u8], limit: usize) -> Result<Bytes, BodyError> {
    let mut decoded = Vec::new();
    let one_too_many = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut member = GzDecoder::new(sent).take(one_too_many);
    member
        .read_to_end(&mut decoded)
        .map_err(|_invalid| BodyError::EncodingInvalid)?;
    if decoded.len() > limit {
        return Err(BodyError::TooLargeAfterDecoding { limit });
    }
    if member.into_inner().into_inner().is_empty() {
        Ok(Bytes::from(decoded))
    } else {
        Err(BodyError::EncodingInvalid)
    }
}

/// Every `Content-Type` sent must be the expected one; none, or an empty one, is taken as it.
fn check_media_type(
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

fn is_json(content_type: &str) -> bool {
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

fn check_charset(headers: &HeaderMap) -> Result<(), BodyError> {
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};
    use rstest::rstest;

    use super::*;

    const LIMIT: usize = 128;
    const QUARTER: &str = "0123456789abcdef0123456789abcdef";

    fn limits() -> BodyLimits {
        BodyLimits {
            bytes: LIMIT,
            time: Duration::from_secs(30),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn read_whole(sent: &[u8], pairs: &[(&'static str, &str)]) -> Result<Bytes, BodyError> {
        let body = Full::new(Bytes::copy_from_slice(sent));
        read(body, &headers(pairs), limits()).await
    }

    /// A body of unknown length, as `Transfer-Encoding: chunked` makes it.
    async fn read_chunked(
        chunks: &[&'static str],
        pairs: &[(&'static str, &str)],
    ) -> Result<Bytes, BodyError> {
        let frames: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from_static(chunk.as_bytes()))))
            .collect();
        let body = StreamBody::new(stream::iter(frames));
        read(body, &headers(pairs), limits()).await
    }

    #[rstest]
    #[case::absent(&[])]
    #[case::empty(&[("content-type", "")])]
    #[case::json(&[("content-type", "application/json")])]
    #[case::any_case(&[("content-type", "Application/JSON")])]
    #[case::utf8(&[("content-type", "application/json; charset=utf-8")])]
    #[case::utf8_quoted_any_case(&[("content-type", "application/json;Charset=\"UTF-8\"")])]
    #[case::us_ascii(&[("content-type", "application/json ; charset=US-ASCII")])]
    #[case::other_parameters(&[("content-type", "application/json; profile=x; odata.metadata=none")])]
    #[case::suffix(&[("content-type", "application/merge-patch+json")])]
    #[case::identity(&[("content-encoding", "identity")])]
    #[case::identity_any_case(&[("content-encoding", "Identity, ")])]
    #[tokio::test]
    async fn accepted(#[case] pairs: &[(&'static str, &str)]) {
        assert_eq!(read_whole(b"{}", pairs).await.unwrap(), "{}");
        assert_eq!(read_chunked(&["{", "", "}"], pairs).await.unwrap(), "{}");
    }

    #[rstest]
    #[case::text("text/plain")]
    #[case::form("application/x-www-form-urlencoded")]
    #[case::prefix_only("application/jsonp")]
    #[case::bare_suffix("application/+json")]
    #[case::no_subtype("json")]
    #[case::suffix_without_type("/x+json")]
    #[case::charset_does_not_matter_then("text/plain; charset=latin1")]
    #[tokio::test]
    async fn another_media_type_is_refused_for_a_body_that_is_not_empty(
        #[case] content_type: &str,
    ) {
        let pairs = [("content-type", content_type)];
        let refused = Err(BodyError::MediaTypeUnsupported);
        assert_eq!(read_whole(b"{}", &pairs).await, refused);
        assert_eq!(read_chunked(&["", "{}"], &pairs).await, refused);
    }

    #[tokio::test]
    async fn an_empty_body_may_claim_any_media_type() {
        let pairs = [("content-type", "text/plain")];
        assert_eq!(read_whole(b"", &pairs).await.unwrap(), "");
        assert_eq!(read_chunked(&["", ""], &pairs).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_second_content_type_does_not_hide_behind_the_first() {
        let pairs = [
            ("content-type", "application/json"),
            ("content-type", "text/plain"),
        ];
        assert_eq!(
            read_whole(b"{}", &pairs).await,
            Err(BodyError::MediaTypeUnsupported)
        );
    }

    #[rstest]
    #[case("application/json; charset=latin1")]
    #[case("application/json; charset=\"utf-16\"")]
    #[case("application/json; charset=utf8")]
    #[case("application/json; charset=")]
    #[case("application/json; charset=utf-8; charset=utf-7")]
    #[tokio::test]
    async fn another_charset_is_refused(#[case] content_type: &str) {
        let pairs = [("content-type", content_type)];
        for sent in ["{}", ""] {
            assert_eq!(
                read_whole(sent.as_bytes(), &pairs).await,
                Err(BodyError::CharsetUnsupported)
            );
        }
    }

    #[rstest]
    #[case("br")]
    #[case("deflate")]
    #[case("x-gzip")]
    #[case("gzip, gzip")]
    #[case("gzip, br")]
    #[tokio::test]
    async fn another_encoding_is_refused(#[case] encoding: &str) {
        let pairs = [
            ("content-encoding", encoding),
            ("content-type", "text/plain"),
        ];
        assert_eq!(
            read_whole(b"{}", &pairs).await,
            Err(BodyError::EncodingUnsupported)
        );
    }

    #[rstest]
    #[case("gzip")]
    #[case("GZIP")]
    #[case("identity, gzip")]
    #[tokio::test]
    async fn gzip_is_decoded(#[case] encoding: &str) {
        let pairs = [("content-encoding", encoding)];
        assert_eq!(read_whole(&gzip(b"{}"), &pairs).await.unwrap(), "{}");
        assert_eq!(read_whole(b"", &pairs).await.unwrap(), "");
    }

    #[tokio::test]
    async fn what_takes_long_to_decode_is_decoded_too() {
        let mut state = 1_u32;
        // Noise, which gzip makes no smaller.
        let plain: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(2 * DECODED_AT_ONCE)
        .collect();
        let sent = gzip(&plain);
        assert!(sent.len() > DECODED_AT_ONCE);
        let limits = BodyLimits::CONTRACT;
        let headers = headers(&[("content-encoding", "gzip")]);
        let decoded = read(Full::new(Bytes::from(sent)), &headers, limits).await;
        assert_eq!(decoded.unwrap(), plain);
    }

    #[rstest]
    #[case::not_gzip(b"{}".to_vec())]
    #[case::cut(gzip(b"{\"a\":1}")[..12].to_vec())]
    #[case::checksum_missing(gzip(b"{}")[..gzip(b"{}").len() - 4].to_vec())]
    #[case::garbage_after([gzip(b"{}"), b"garbage".to_vec()].concat())]
    #[case::padding_after([gzip(b"{}"), vec![0; 4]].concat())]
    #[case::second_member([gzip(b"{"), gzip(b"}")].concat())]
    #[case::empty_members([gzip(b""), gzip(b""), gzip(b"{}")].concat())]
    #[tokio::test]
    async fn invalid_gzip_is_refused(#[case] sent: Vec<u8>) {
        assert_eq!(
            read_whole(&sent, &[("content-encoding", "gzip")]).await,
            Err(BodyError::EncodingInvalid)
        );
    }

    #[tokio::test]
    async fn the_limit_itself_fits_and_one_byte_more_does_not() {
        let fits = [b'x'; LIMIT];
        let exceeds = [b'x'; LIMIT + 1];
        let refused = Err(BodyError::TooLarge { limit: LIMIT });
        assert_eq!(read_whole(&fits, &[]).await.unwrap().len(), LIMIT);
        assert_eq!(read_whole(&exceeds, &[]).await, refused);
        let mut chunks = vec![QUARTER; 4];
        assert_eq!(read_chunked(&chunks, &[]).await.unwrap().len(), LIMIT);
        chunks.push("x");
        assert_eq!(read_chunked(&chunks, &[]).await, refused);
    }

    #[tokio::test]
    async fn the_limit_holds_after_decoding_too() {
        let pairs = [("content-encoding", "gzip")];
        let fits = gzip(&[b'x'; LIMIT]);
        assert_eq!(read_whole(&fits, &pairs).await.unwrap().len(), LIMIT);

        let bomb = gzip(&[b'x'; LIMIT + 1]);
        assert!(bomb.len() <= LIMIT);
        assert_eq!(
            read_whole(&bomb, &pairs).await,
            Err(BodyError::TooLargeAfterDecoding { limit: LIMIT })
        );
    }

    #[tokio::test]
    async fn a_declared_length_over_the_limit_is_refused_before_reading() {
        struct Unread;
        impl Body for Unread {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                panic!("the body was read");
            }
            fn size_hint(&self) -> http_body::SizeHint {
                http_body::SizeHint::with_exact(u64::MAX)
            }
        }
        assert_eq!(
            read(Unread, &HeaderMap::new(), limits()).await,
            Err(BodyError::TooLarge { limit: LIMIT })
        );
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_times_out() {
        let first = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"{")))]);
        let body = StreamBody::new(futures_util::StreamExt::chain(first, stream::pending()));
        let short = BodyLimits {
            time: Duration::from_millis(20),
            ..limits()
        };
        assert_eq!(
            read(body, &HeaderMap::new(), short).await,
            Err(BodyError::TimedOut { limit: short.time })
        );
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_incomplete() {
        let frames = [
            Ok(Frame::data(Bytes::from_static(b"{"))),
            Err(std::io::Error::other("reset")),
        ];
        let body = StreamBody::new(stream::iter(frames));
        assert_eq!(
            read(body, &HeaderMap::new(), limits()).await,
            Err(BodyError::Incomplete)
        );
    }

    #[test]
    fn each_refusal_is_its_row_of_the_contract() {
        let limit = BodyLimits::CONTRACT.bytes;
        let time = BodyLimits::CONTRACT.time;
        let rows: Vec<String> = [
            BodyError::EncodingUnsupported,
            BodyError::EncodingInvalid,
            BodyError::FormEncoded,
            BodyError::TimedOut { limit: time },
            BodyError::CharsetUnsupported,
            BodyError::MediaTypeUnsupported,
            BodyError::TooLarge { limit },
            BodyError::TooLargeAfterDecoding { limit },
            BodyError::Incomplete,
        ]
        .into_iter()
        .map(|refusal| {
            format!(
                "{} {} {} | {refusal}",
                refusal.status().as_u16(),
                refusal.error_type(),
                refusal.error_code().unwrap_or("-"),
            )
        })
        .collect();
        insta::assert_snapshot!(rows.join("\n"), @r"
        400 invalid_request_error request_body_encoding_unsupported | content-encoding: must be identity or gzip
        400 invalid_request_error request_body_encoding_invalid | content-encoding: the request body is not one valid gzip member
        400 invalid_request_error request_body_encoding_unsupported | content-encoding: a form must be sent as it is, without one
        400 invalid_request_error request_body_timeout | The request body did not arrive within 30 seconds; nothing was done
        400 invalid_request_error unsupported_charset | content-type: charset must be utf-8 or us-ascii
        400 invalid_request_error - | content-type: must be application/json
        413 request_too_large - | The request body exceeds 1048576 bytes
        413 request_too_large request_body_too_large_after_decoding | The request body exceeds 1048576 bytes after decoding
        400 invalid_request_error - | The request body ended before it was complete
        ");
    }
}
