//! A small HTTP client that sends what it is told, however odd, and shows answers whole.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A party that calls, with the headers it always sends.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    headers: HeaderMap,
}

impl Client {
    /// Someone without a key.
    pub(crate) fn stranger(address: SocketAddr) -> Self {
        Self {
            address,
            headers: HeaderMap::new(),
        }
    }

    /// The same client, which also sends this header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// The same client, which does not send this header.
    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same client in this dialect.
    pub(crate) fn speaking(self, dialect: &str) -> Self {
        match dialect {
            "ga" => self,
            dated => self.with("anthropic-beta", &format!("user-profiles-{dated}")),
        }
    }

    pub(crate) fn call(&self, method: &str, target: &str) -> Call {
        Call {
            client: self.clone(),
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            target: target.to_owned(),
            body: Bytes::new(),
        }
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.call("GET", target).send().await
    }

    pub(crate) async fn delete(&self, target: &str) -> Reply {
        self.call("DELETE", target).send().await
    }

    pub(crate) async fn post(&self, target: &str, body: &str) -> Reply {
        self.call("POST", target).json(body).send().await
    }

    pub(crate) async fn put(&self, target: &str, body: &str) -> Reply {
        self.call("PUT", target).json(body).send().await
    }

    /// Sends bytes as they are and reads whatever comes until the connection ends.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

/// A request to be sent.
#[derive(Debug)]
pub(crate) struct Call {
    client: Client,
    method: Method,
    target: String,
    body: Bytes,
}

impl Call {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.client = self.client.with(name, value);
        self
    }

    pub(crate) fn json(self, body: &str) -> Self {
        self.body(body.to_owned())
            .header("content-type", "application/json")
    }

    pub(crate) fn form(self, fields: &str) -> Self {
        self.body(fields.to_owned())
            .header("content-type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Reply {
        self.try_send().await.unwrap()
    }

    /// The answer, or that the connection broke.
    pub(crate) async fn try_send(self) -> Result<Reply, hyper::Error> {
        let stream = TcpStream::connect(self.client.address).await.unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.target)
            .body(Full::new(self.body))
            .unwrap();
        *request.headers_mut() = self.client.headers;
        request
            .headers_mut()
            .insert("host", HeaderValue::from_static("rollcall.test"));
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The body of a 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self}");
        self.json()
    }

    /// The member `name` of a 200's body, which is a string.
    #[track_caller]
    pub(crate) fn string(&self, name: &str) -> String {
        self.ok()[name]
            .as_str()
            .unwrap_or_else(|| panic!("no string {name} in {self}"))
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status, `error.type` and message of an error, on one line.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        assert_eq!(body["type"], "error", "{self}");
        let request_id = body["request_id"].as_str().unwrap();
        assert_eq!(Some(request_id), self.header("request-id"), "{self}");
        let error = &body["error"];
        let code = error["details"]["error_code"].as_str();
        let code = code.map(|code| format!(" [{code}]")).unwrap_or_default();
        format!(
            "{} {}{code}: {}",
            self.status.as_u16(),
            error["type"].as_str().unwrap(),
            error["message"].as_str().unwrap()
        )
    }
}

/// Status, headers in alphabetical order but for those of the transport, and body.
impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.status.as_u16())?;
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| !["date", "content-length"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        headers.sort();
        for header in headers {
            writeln!(formatter, "{header}")?;
        }
        write!(formatter, "\n{}", String::from_utf8_lossy(&self.body))
    }
}
