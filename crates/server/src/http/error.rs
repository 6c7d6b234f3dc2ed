//! The one way out for everything that goes wrong.
//!
//! A [`Failure`] has two halves that never mix: what the client is told (an [`ApiError`], under the
//! request's id) and what the log is told (the cause, under the same id). Parse errors, refusals and
//! storage errors become one through `?`.
//!
//! What a client should do next is decided here too (contract, *What SDKs retry*):
//!
//! | answer | `x-should-retry` | `retry-after` |
//! | --- | --- | --- |
//! | 429, 503, 529 | `true` | yes |
//! | 500, 504 where nothing was written | `true` | no |
//! | 500, 504 where a write may have happened | `false` | no |
//! | 409, 501 | `false` | no |
//! | every other error | absent | no |

use std::time::Duration;

use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use rollcall_domain::decision::Refusal;
use rollcall_record::document::DamagedDocument;
use rollcall_record::field::FieldError;
use rollcall_record::json::JsonError;
use rollcall_store::StoreError;
use rollcall_wire::error::{ApiError, ErrorKind};

use super::answer::{Answer, Body, answer, json_with_status};
use super::body::BodyError;
use super::host::HostError;
use super::listener::HeadTooLarge;

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
pub(super) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// How long a client waits for storage that is busy or gone: long enough for a hiccup to pass, short
/// enough for an outage's end to be noticed.
const STORAGE_WAIT: Duration = Duration::from_secs(1);

/// Whether a write may have happened, for the answers that have to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Certainly not.
    Nothing,
    /// The commit was sent and not answered.
    Perhaps,
}

/// What a handler comes to: an answer, or the failure to be told instead.
pub(crate) type Outcome = Result<Answer, Failure>;

/// What the client is told, and what the log is told. One pointer wide, because most results that
/// could hold one do not.
#[derive(Debug)]
pub(crate) struct Failure(Box<Halves>);

#[derive(Debug)]
struct Halves {
    told: ApiError,
    cause: Option<String>,
    written: Written,
    retry_after: Option<Duration>,
    allow: Option<HeaderValue>,
    on_demand: Option<OnDemand>,
}

/// What a development server was asked to answer, which need not be a row of the catalogue.
#[derive(Debug)]
enum OnDemand {
    Answer {
        status: u16,
        error_type: String,
        error_code: Option<String>,
    },
    DropConnection,
}

impl Failure {
    fn new(told: ApiError) -> Self {
        Self::with(told, |_| {})
    }

    fn with(told: ApiError, add: impl FnOnce(&mut Halves)) -> Self {
        let mut halves = Box::new(Halves {
            told,
            cause: None,
            written: Written::Nothing,
            retry_after: None,
            allow: None,
            on_demand: None,
        });
        add(&mut halves);
        Self(halves)
    }

    /// 405: the path has these methods only.
    pub(crate) fn method_not_allowed(allow: HeaderValue) -> Self {
        Self::with(ApiError::method_not_allowed(), |halves| {
            halves.allow = Some(allow);
        })
    }

    /// 429 or 503, with the time after which it is worth trying again.
    pub(crate) fn try_again(told: ApiError, wait: Duration) -> Self {
        Self::with(told, |halves| halves.retry_after = Some(wait))
    }

    /// 500: a defect. `cause` goes to the log alone.
    pub(crate) fn internal(cause: impl Into<String>, written: Written) -> Self {
        Self::with(ApiError::internal(), |halves| {
            halves.cause = Some(cause.into());
            halves.written = written;
        })
    }

    /// 504: the server's own time limit passed.
    pub(crate) fn timeout(written: Written) -> Self {
        Self::with(ApiError::timeout(), |halves| {
            halves.cause = Some("the time limit of a request passed".into());
            halves.written = written;
        })
    }

    /// A failure that a development server was asked to show, with the headers of a real one.
    pub(crate) fn on_demand(status: u16, error_type: String, error_code: Option<String>) -> Self {
        let mut kinds = ErrorKind::ALL.into_iter();
        let kind = kinds.find(|kind| kind.status() == status);
        let kind = kind.unwrap_or(if status < 500 {
            ErrorKind::InvalidRequest
        } else {
            ErrorKind::Internal
        });
        let told = match status {
            500 => ApiError::internal(),
            _ => ApiError::new(kind, "A fault that was asked for"),
        };
        Self::with(told, |halves| {
            halves.retry_after = matches!(status, 429 | 503 | 529).then_some(STORAGE_WAIT);
            halves.on_demand = Some(OnDemand::Answer {
                status,
                error_type,
                error_code,
            });
        })
    }

    /// The end of the connection, which a development server was asked for.
    pub(crate) fn dropped_connection() -> Self {
        Self::with(ApiError::internal(), |halves| {
            halves.on_demand = Some(OnDemand::DropConnection);
        })
    }

    /// A read that storage did not answer. Whatever happened to it, nothing was written.
    pub(crate) fn of_read(error: &StoreError) -> Self {
        let mut failure = Self::from(error.clone());
        failure.0.written = Written::Nothing;
        failure
    }

    /// The same failure in the words that gateways understand: what is busy is away, and so is what did not say whether
    /// it made a profile, because asking again finds it.
    pub(crate) fn for_gateways(mut self) -> Self {
        let halves = &mut *self.0;
        if halves.told.kind == ErrorKind::Overloaded || halves.written == Written::Perhaps {
            halves.told = ApiError::not_ready("Storage is busy or unreachable");
            halves.retry_after.get_or_insert(Duration::from_secs(1));
        }
        self
    }

    /// What the client is told.
    pub(crate) fn told(&self) -> &ApiError {
        &self.0.told
    }

    /// What the log is told, if the cause is not plain from the status.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The answer, but for the headers that every answer carries.
    pub(crate) fn into_answer(self, request_id: &str) -> Answer {
        let Halves {
            told,
            cause: _,
            written,
            retry_after,
            allow,
            on_demand,
        } = *self.0;
        let mut answer = match on_demand {
            None => json_with_status(status_of(told.status()), told.body(request_id)),
            Some(OnDemand::Answer {
                status,
                error_type,
                error_code,
            }) => {
                let text = told.body_with(&error_type, error_code.as_deref(), request_id);
                json_with_status(status_of(status), text)
            }
            Some(OnDemand::DropConnection) => broken_off(),
        };
        let headers = answer.headers_mut();
        if let Some(allow) = allow {
            headers.insert(ALLOW, allow);
        }
        if let Some(wait) = retry_after {
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            // Rounded up, so that a client that waits so long is not refused for a microsecond.
            let millis = u64::try_from(wait.as_micros().div_ceil(1_000).max(1)).unwrap_or(u64::MAX);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            headers.insert(RETRY_AFTER_MS, HeaderValue::from(millis));
        }
        if let Some(advice) = should_retry(told.kind, written) {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static(advice));
        }
        answer
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer whose body fails before its first byte, which ends the connection before any is sent.
fn broken_off() -> Answer {
    let broken = futures_util::stream::once(std::future::ready(Err("dropped on demand".into())));
    let mut answer = answer(
        StatusCode::INTERNAL_SERVER_ERROR,
        "application/json",
        Body::streamed(broken),
    );
    answer.extensions_mut().insert(NeverSent);
    answer
}

/// Marks an answer of which the client sees nothing, its status included.
#[derive(Clone, Copy, Debug)]
struct NeverSent;

/// The status that the client sees.
pub(crate) fn sent_status(answer: &Answer) -> Option<StatusCode> {
    let never_sent = answer.extensions().get::<NeverSent>().is_some();
    (!never_sent).then(|| answer.status())
}

fn should_retry(kind: ErrorKind, written: Written) -> Option<&'static str> {
    match (kind, written) {
        (ErrorKind::RateLimit | ErrorKind::Unavailable | ErrorKind::Overloaded, _)
        | (ErrorKind::Internal | ErrorKind::Timeout, Written::Nothing) => Some("true"),
        (ErrorKind::Internal | ErrorKind::Timeout, Written::Perhaps)
        | (ErrorKind::Conflict | ErrorKind::NotImplemented, _) => Some("false"),
        (
            ErrorKind::InvalidRequest
            | ErrorKind::Authentication
            | ErrorKind::Billing
            | ErrorKind::Permission
            | ErrorKind::NotFound
            | ErrorKind::MethodNotAllowed
            | ErrorKind::RequestTimeout
            | ErrorKind::TooLarge
            | ErrorKind::UriTooLong
            | ErrorKind::HeadersTooLarge,
            _,
        ) => None,
    }
}

impl From<ApiError> for Failure {
    fn from(told: ApiError) -> Self {
        Self::new(told)
    }
}

impl From<FieldError> for Failure {
    fn from(error: FieldError) -> Self {
        Self::new(error.into())
    }
}

impl From<JsonError> for Failure {
    fn from(error: JsonError) -> Self {
        Self::new(error.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.into())
    }
}

impl From<DamagedDocument> for Failure {
    fn from(error: DamagedDocument) -> Self {
        Self::internal(error.to_string(), Written::Nothing)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let cause = error.to_string();
        match error {
            StoreError::Unavailable(_) => Self::with(ApiError::overloaded(), |halves| {
                halves.cause = Some(cause);
                halves.retry_after = Some(STORAGE_WAIT);
            }),
            StoreError::OutcomeUnknown(_) => Self::internal(cause, Written::Perhaps),
            StoreError::Failed(_) => Self::internal(cause, Written::Nothing),
        }
    }
}

impl From<HeadTooLarge> for Failure {
    fn from(error: HeadTooLarge) -> Self {
        let kind = match error {
            HeadTooLarge::Target => ErrorKind::UriTooLong,
            HeadTooLarge::Headers => ErrorKind::HeadersTooLarge,
        };
        Self::new(ApiError::new(kind, error.to_string()))
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::new(ApiError::at("host", error))
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::new(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(answer: &Answer, name: &str) -> Option<String> {
        let value = answer.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_a_client_should_do_next_follows_from_what_was_written() {
        let unavailable = StoreError::Unavailable("gone".into());
        let unknown = StoreError::OutcomeUnknown("cut".into());
        let failed = StoreError::Failed("damaged".into());
        let rate = Failure::try_again(ApiError::rate_limited(60), Duration::from_micros(1_500_001));
        let held = Failure::from(ApiError::organization_on_hold());
        for (failure, status, should_retry, retry_after, millis) in [
            (
                unavailable.into(),
                529,
                Some("true"),
                Some("1"),
                Some("1000"),
            ),
            (unknown.into(), 500, Some("false"), None, None),
            (
                Failure::from(StoreError::OutcomeUnknown("cut".into())).for_gateways(),
                503,
                Some("true"),
                Some("1"),
                Some("1000"),
            ),
            (failed.into(), 500, Some("true"), None, None),
            (
                Failure::timeout(Written::Nothing),
                504,
                Some("true"),
                None,
                None,
            ),
            (
                Failure::timeout(Written::Perhaps),
                504,
                Some("false"),
                None,
                None,
            ),
            (rate, 429, Some("true"), Some("2"), Some("1501")),
            (
                Refusal::AlreadyDecided.into(),
                409,
                Some("false"),
                None,
                None,
            ),
            (held, 400, None, None, None),
        ] {
            let failure: Failure = failure;
            let answer = failure.into_answer("req_1");
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(
                header(&answer, "x-should-retry").as_deref(),
                should_retry,
                "{status}"
            );
            assert_eq!(
                header(&answer, "retry-after").as_deref(),
                retry_after,
                "{status}"
            );
            assert_eq!(
                header(&answer, "retry-after-ms").as_deref(),
                millis,
                "{status}"
            );
        }
    }
}
