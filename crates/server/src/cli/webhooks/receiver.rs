//! A receiver of webhooks on this machine: takes deliveries, verifies them as any receiver should, and
//! hands on what they hold.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rollcall_domain::clock::{Clock as _, SystemClock};
use rollcall_domain::webhook::SigningKey;
use rollcall_wire::webhooks::is_signed;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::forward::Forward;

/// Events are some 300 bytes.
const BODY_LIMIT: usize = 64 * 1_024;
/// How far off a timestamp may be, as receivers have it.
const TOLERANCE: i64 = 300;
/// How long connections may take to end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What came to the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// An event whose signature is right.
    Event {
        /// Its id, the same for every attempt.
        id: String,
        /// The body.
        event: Value,
        /// By how many seconds the timestamp is too far off this machine's clock, if it is.
        clock_off: Option<i64>,
        /// What the program that it was handed on to answered, or why it did not.
        forwarded: Option<Result<StatusCode, String>>,
    },
    /// Something that is not a webhook of this endpoint, and why not.
    Refused(&'static str),
}

/// Takes connections until `ended`, then answers what has arrived and stops. Whoever holds the other
/// end of `arrivals` is told of everything in the order it came.
pub(super) async fn receive(
    listener: TcpListener,
    key: SigningKey,
    forward: Option<Forward>,
    arrivals: mpsc::Sender<Arrival>,
    ended: CancellationToken,
) {
    let receiver = Arc::new(Receiver {
        key,
        forward,
        arrivals,
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that broke before it was taken is its sender's to make again.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, Arc::clone(&receiver), ended.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
            () = ended.cancelled() => break,
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    // What does not end is dropped with the set.
    let _ = tokio::time::timeout(LAST_ANSWERS, all).await;
}

async fn converse(stream: TcpStream, receiver: Arc<Receiver>, ended: CancellationToken) {
    let answer = service_fn(move |request| {
        let receiver = Arc::clone(&receiver);
        async move { Ok::<_, Infallible>(receiver.answer(request).await) }
    });
    let http = hyper::server::conn::http1::Builder::new();
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        // However a connection ends, there is nobody to tell.
        _ = connection.as_mut() => return,
        () = ended.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

struct Receiver {
    key: SigningKey,
    forward: Option<Forward>,
    arrivals: mpsc::Sender<Arrival>,
}

impl Receiver {
    async fn answer(&self, request: Request<Incoming>) -> Response<Empty<Bytes>> {
        let (status, arrival) = self.judge(request).await;
        // Nobody listens any more at the very end.
        let _ = self.arrivals.send(arrival).await;
        let mut response = Response::new(Empty::new());
        *response.status_mut() = status;
        response
    }

    async fn judge(&self, request: Request<Incoming>) -> (StatusCode, Arrival) {
        let refused = |status, why| (status, Arrival::Refused(why));
        if request.method() != Method::POST {
            return refused(StatusCode::METHOD_NOT_ALLOWED, "not a POST");
        }
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            let why = "a body that broke off or is larger than any event";
            return refused(StatusCode::PAYLOAD_TOO_LARGE, why);
        };
        let now = SystemClock.now().as_micros().div_euclid(1_000_000);
        let body = body.to_bytes();
        let arrival = match verified(&self.key, &head.headers, &body, now) {
            Ok(arrival) => arrival,
            Err(why) => return refused(StatusCode::UNAUTHORIZED, why),
        };
        let (
            Some(forward),
            Arrival::Event {
                id,
                event,
                clock_off,
                ..
            },
        ) = (&self.forward, &arrival)
        else {
            return (StatusCode::NO_CONTENT, arrival);
        };
        // What it answers is what the server is told, which tries again and disables as it would in earnest.
        let answered = forward.send(&head.headers, body).await;
        let status = answered.clone().unwrap_or(StatusCode::BAD_GATEWAY);
        let arrival = Arrival::Event {
            id: id.clone(),
            event: event.clone(),
            clock_off: *clock_off,
            forwarded: Some(answered),
        };
        (status, arrival)
    }
}

/// Verifies a delivery as Standard Webhooks say. A timestamp that is off is told and not refused: the
/// clock of a development server can be set.
fn verified(
    key: &SigningKey,
    headers: &HeaderMap,
    body: &[u8],
    now: i64,
) -> Result<Arrival, &'static str> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let id = header("webhook-id").ok_or("no webhook-id")?;
    let timestamp = header("webhook-timestamp").ok_or("no webhook-timestamp")?;
    let timestamp: i64 = timestamp
        .parse()
        .map_err(|_| "a webhook-timestamp that is not one")?;
    let signatures = header("webhook-signature").ok_or("no webhook-signature")?;
    if !is_signed(key, id, timestamp, body, signatures) {
        return Err("a signature that is not this endpoint's");
    }
    let event = serde_json::from_slice(body).map_err(|_| "a body that is not JSON")?;
    let off = timestamp.saturating_sub(now);
    Ok(Arrival::Event {
        id: id.to_owned(),
        event,
        clock_off: (off.saturating_abs() > TOLERANCE).then_some(off),
        forwarded: None,
    })
}

#[cfg(test)]
mod tests {
    use rollcall_wire::webhooks::sign;

    use super::*;

    const KEY: SigningKey = SigningKey([7; 32]);
    const BODY: &[u8] = br#"{"id":"whe_1"}"#;
    const NOW: i64 = 1_800_000_000;

    fn headers(timestamp: &str, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "whe_1".parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        headers
    }

    #[test]
    fn what_is_signed_is_taken_and_nothing_else() {
        let signature = sign(&KEY, "whe_1", NOW, BODY);
        let good = headers(&NOW.to_string(), &signature);
        let taken = |headers: &HeaderMap, body: &[u8]| verified(&KEY, headers, body, NOW);
        assert!(taken(&good, BODY).is_ok());
        assert!(taken(&good, br#"{"id":"whe_2"}"#).is_err());
        assert!(taken(&headers("1800000001", &signature), BODY).is_err());
        assert!(taken(&headers("soon", &signature), BODY).is_err());
        assert!(verified(&SigningKey([8; 32]), &good, BODY, NOW).is_err());
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut without = good.clone();
            without.remove(name);
            let refused = taken(&without, BODY).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
    }

    #[test]
    fn a_timestamp_that_is_off_is_told() {
        let good = headers(&NOW.to_string(), &sign(&KEY, "whe_1", NOW, BODY));
        for (now, expected) in [
            (NOW, None),
            (NOW + 300, None),
            (NOW - 300, None),
            (NOW + 301, Some(-301)),
            (NOW - 301, Some(301)),
        ] {
            let arrival = verified(&KEY, &good, BODY, now).unwrap();
            let Arrival::Event { clock_off, .. } = arrival else {
                panic!("{arrival:?}")
            };
            assert_eq!(clock_off, expected);
        }
    }
}
