use std::convert::Infallible;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use rstest::rstest;

use super::gzip::DECODED_AT_ONCE;
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
async fn another_media_type_is_refused_for_a_body_that_is_not_empty(#[case] content_type: &str) {
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
        let told = ApiError::from(refusal);
        format!(
            "{} {} {} | {}",
            told.status(),
            told.kind.error_type(),
            told.code.map_or("-", ErrorCode::as_str),
            told.message,
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
