//! A blocking HTTP/1.1 client on one connection that it keeps.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than any limit of the server's that a test waits for; passing it means a hang.
const PATIENCE: Duration = Duration::from_secs(40);

/// A party that calls, with the headers it always sends.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    headers: String,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        let headers = format!("x-api-key: {key}\r\nanthropic-version: 2026-10-21\r\n");
        Self::sending(address, headers)
    }

    /// A party that sends these lines of headers, and no others.
    pub(crate) fn sending(address: SocketAddr, headers: String) -> Self {
        Self {
            address,
            headers,
            connection: None,
        }
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        dialect: &str,
        body: Option<&Value>,
    ) -> io::Result<Reply> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let beta = match dialect {
            "ga" => String::new(),
            dated => format!("anthropic-beta: user-profiles-{dated}\r\n"),
        };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: localhost\r\n{}{beta}content-length: {}\r\n\r\n{body}",
            self.headers,
            body.len(),
        );
        let reply = self.exchange(request.as_bytes());
        if reply.is_err() {
            self.connection = None;
        }
        reply
    }

    /// An answer with a status that is not what was wanted shows itself whole.
    #[track_caller]
    pub(crate) fn ok(
        &mut self,
        method: &str,
        target: &str,
        dialect: &str,
        body: Option<&Value>,
    ) -> Value {
        let reply = self.send(method, target, dialect, body).unwrap();
        assert_eq!(
            reply.status,
            200,
            "{method} {target} in {dialect}, {body:?}: {}",
            reply.text()
        );
        reply.json()
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Reply> {
        if self.connection.is_none() {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            self.connection = Some(BufReader::new(stream));
        }
        let Some(connection) = &mut self.connection else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        connection.get_mut().write_all(request)?;
        let reply = Reply::read(connection)?;
        reply.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Reply {
    /// The next answer on a connection; `None` when it ended before one began.
    pub(crate) fn read(connection: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| broken(&line))?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            if connection.read_line(&mut header)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| broken(&header))?;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body)?;
        Ok(Some(Self { status, body }))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}
