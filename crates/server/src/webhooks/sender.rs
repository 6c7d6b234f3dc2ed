//! One attempt over HTTP: a `POST` within the contract's time limits, fenced, that follows nothing.
//!
//! The status decides. What the receiver says beside it is read up to a limit, so that the connection
//! can be used again, and dropped but for the beginning of what a failure says; a body that stalls or never ends changes nothing about an event that
//! was taken.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use rollcall_domain::delivery::{ANSWER_LIMIT, Outcome};
use rollcall_domain::webhook::AutoDisabled;
use tokio::time::Instant;

use super::WebhookSettings;
use super::fence::{Fence, FencedResolver, Refused};
use crate::outbound;

/// How much of a response's body is read.
const BODY_LIMIT: usize = 64 * 1_024;
/// How long a connection that is not used is kept for the next delivery.
const KEEP_IDLE: Duration = Duration::from_secs(30);
/// The longest text that is kept of an error.
const ERROR_LIMIT: usize = 300;

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The receiver's status, if it answered.
    pub status_code: Option<u16>,
    /// Why there was no answer, or why no connection was made.
    pub error: Option<String>,
    /// The beginning of what the receiver said beside a status that is no success.
    pub answer: Option<String>,
    /// What it means.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// Sends attempts.
#[derive(Clone, Debug)]
pub struct Sender {
    http: reqwest::Client,
    fence: Fence,
    attempt_timeout: Duration,
}

impl Sender {
    /// A sender under these settings.
    pub fn new(settings: &WebhookSettings) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let resolver = FencedResolver {
            fence: settings.fence.clone(),
            lookup: settings.lookup.clone(),
        };
        let mut tls = outbound::tls(settings.roots.clone())?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(resolver)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(KEEP_IDLE)
            .build()?;
        Ok(Self {
            http,
            fence: settings.fence.clone(),
            attempt_timeout: settings.attempt_timeout,
        })
    }

    /// Makes one attempt.
    pub async fn send(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: impl Into<Bytes>,
    ) -> Sent {
        let started = Instant::now();
        let deadline = started + self.attempt_timeout;
        let answered = self.answered(url, headers, body.into(), deadline).await;
        let took = started.elapsed();
        match answered {
            Ok((status, answer)) => Sent {
                status_code: Some(status),
                error: None,
                answer,
                outcome: Outcome::of_status(status),
                took,
            },
            Err(NoAnswer { outcome, error }) => Sent {
                status_code: None,
                error: Some(error),
                answer: None,
                outcome,
                took,
            },
        }
    }

    async fn answered(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
        deadline: Instant,
    ) -> Result<(u16, Option<String>), NoAnswer> {
        let url = reqwest::Url::parse(url).map_err(|error| NoAnswer::failed(error.to_string()))?;
        self.fence.judge_host(&url).map_err(NoAnswer::refused)?;
        let mut request = self.http.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = tokio::time::timeout_at(deadline, request.send()).await;
        let response = response
            .map_err(|_late| {
                NoAnswer::failed(format!(
                    "no answer within {} seconds",
                    self.attempt_timeout.as_secs_f32()
                ))
            })?
            .map_err(|error| NoAnswer::of(&error))?;
        let status = response.status().as_u16();
        // Neither a late nor a broken body makes the status another one.
        let mut beginning = Vec::new();
        let _ = tokio::time::timeout_at(deadline, read_body(response, &mut beginning)).await;
        let answer = match Outcome::of_status(status) {
            Outcome::Succeeded => None,
            Outcome::Failed | Outcome::Disabling(_) => text_of(&beginning),
        };
        Ok((status, answer))
    }
}

/// Reads a body up to the limit and keeps its beginning, as far as it came.
async fn read_body(mut response: reqwest::Response, beginning: &mut Vec<u8>) {
    // No character is longer.
    let wanted = ANSWER_LIMIT * 4;
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        let left = wanted.saturating_sub(beginning.len());
        beginning.extend_from_slice(&chunk[..chunk.len().min(left)]);
        read += chunk.len();
        if read >= BODY_LIMIT {
            return;
        }
    }
}

fn text_of(beginning: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(beginning);
    // Storage keeps no NUL.
    let text = text.trim().chars().filter(|character| *character != '\0');
    let text: String = text.take(ANSWER_LIMIT).collect();
    (!text.is_empty()).then_some(text)
}

/// An attempt that ended without a status.
#[derive(Debug)]
struct NoAnswer {
    outcome: Outcome,
    error: String,
}

impl NoAnswer {
    fn failed(mut error: String) -> Self {
        if let Some((end, _)) = error.char_indices().nth(ERROR_LIMIT) {
            error.truncate(end);
        }
        Self {
            outcome: Outcome::Failed,
            error,
        }
    }

    fn refused(refused: Refused) -> Self {
        Self {
            outcome: Outcome::Disabling(AutoDisabled::InvalidAddress),
            error: refused.to_string(),
        }
    }

    fn of(error: &reqwest::Error) -> Self {
        let mut deepest: &dyn Error = error;
        while let Some(source) = deepest.source() {
            if let Some(refused) = source.downcast_ref::<Refused>() {
                return Self::refused(*refused);
            }
            deepest = source;
        }
        let what = if error.is_timeout() {
            "timed out"
        } else if error.is_connect() {
            "could not connect"
        } else {
            "broke off"
        };
        // The outer texts hold the URL, which may hold a secret; the innermost says what happened.
        Self::failed(format!("{what}: {deepest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_says_is_kept_as_far_as_storage_can() {
        for (said, kept) in [
            (&b""[..], None),
            (b" \n\0 ", None),
            (b" busy\0\n", Some("busy")),
            (b"\xff!", Some("\u{fffd}!")),
        ] {
            assert_eq!(text_of(said).as_deref(), kept, "{said:?}");
        }
        let long = "é".repeat(ANSWER_LIMIT + 1);
        let kept = text_of(long.as_bytes()).unwrap();
        assert_eq!(kept.chars().count(), ANSWER_LIMIT);
    }
}
