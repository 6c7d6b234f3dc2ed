//! Answers: what handlers return, before the headers that every answer carries are put on.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::Full;

/// An answer on its way out.
pub(crate) type Answer = Response<Body>;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// The body of an answer.
pub(crate) enum Body {
    /// All of it at once; most answers are.
    Whole(Full<Bytes>),
    /// Piece by piece, for what does not fit in memory. An error breaks the connection off, so that a
    /// client cannot take half of it for all.
    Streamed(Chunks),
}

/// Bodies are personal data and must not reach a log through `{:?}`.
impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Whole(_) => "Whole(…)",
            Self::Streamed(_) => "Streamed(…)",
        })
    }
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Whole(Full::default())
    }

    /// A body whose pieces `chunks` makes.
    pub(crate) fn streamed<S>(chunks: S) -> Self
    where
        S: Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
    {
        Self::Streamed(Box::pin(chunks))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never: Infallible| match never {}),
            Self::Streamed(chunks) => chunks
                .as_mut()
                .poll_next(context)
                .map(|next| next.map(|chunk| chunk.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}

/// Every answer gets about ten headers; room for all of them at once spares growing.
const USUAL_HEADERS: usize = 12;

/// An answer with this status and body.
pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: Body) -> Answer {
    let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// 200 with a JSON text.
pub(crate) fn json(text: impl Into<Bytes>) -> Answer {
    json_with_status(StatusCode::OK, text)
}

/// A JSON text under another status.
pub(crate) fn json_with_status(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let body = Body::Whole(Full::new(text.into()));
    answer(status, "application/json", body)
}

/// Names the profiles that a page lacks because what is stored of them is damaged.
const DAMAGED_PROFILES: HeaderName = HeaderName::from_static("x-rollcall-damaged-profiles");

/// The header that names the profiles which a page lacks, if it lacks any.
pub(crate) fn naming_damaged<'a>(
    ids: impl Iterator<Item = &'a str>,
) -> Option<(HeaderName, HeaderValue)> {
    let mut ids = ids.peekable();
    ids.peek()?;
    let ids: Vec<_> = ids.collect();
    // Ids are plain.
    let value = HeaderValue::from_str(&ids.join(", ")).ok()?;
    Some((DAMAGED_PROFILES, value))
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    *answer.headers_mut() = HeaderMap::with_capacity(USUAL_HEADERS);
    answer
}
