//! One kept-alive HTTP/1.1 connection that costs as little as possible.
//!
//! Requests are complete bytes made beforehand, and an answer is only searched for its status and
//! length. A general client would cost more per request than the limit server does, and then the
//! generator, not the server, would be what is measured.

use anyhow::{Context as _, bail};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer, valid until the connection's next request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// The body of a 200; anything else is an error that shows what came instead.
    pub(crate) fn ok(&self) -> anyhow::Result<&[u8]> {
        if self.status != 200 {
            bail!(
                "answered {}: {}",
                self.status,
                String::from_utf8_lossy(self.body)
            );
        }
        Ok(self.body)
    }
}

impl Connection {
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(64 * 1_024),
        })
    }

    /// Sends a complete request and waits for the complete answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let head_length = loop {
            self.receive().await?;
            if let Some(end) = memmem::find(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head =
            std::str::from_utf8(&self.received[..head_length]).context("an answer's head")?;
        let (status, body_length) = (status(head)?, content_length(head)?);
        let length = head_length + body_length;
        while self.received.len() < length {
            self.receive().await?;
        }
        if self.received.len() > length {
            bail!("more bytes came than the answer's content-length says");
        }
        let (head, body) = self.received.split_at(head_length);
        Ok(Answer {
            status,
            head: std::str::from_utf8(head)?,
            body,
        })
    }

    async fn receive(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.received).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

fn status(head: &str) -> anyhow::Result<u16> {
    let digits = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    digits
        .and_then(|digits| digits.parse().ok())
        .context("an answer's status line")
}

fn content_length(head: &str) -> anyhow::Result<usize> {
    let length = header(head, "content-length").context("an answer without content-length")?;
    length.parse().context("an answer's content-length")
}

/// The value of a header in an answer's head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    headers(head)
        .find_map(|(candidate, value)| candidate.eq_ignore_ascii_case(name).then_some(value))
}

/// All headers of an answer's head.
pub(crate) fn headers(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read() {
        let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nrequest-id: req_1\r\n\r\n";
        assert_eq!(status(head).unwrap(), 404);
        assert_eq!(content_length(head).unwrap(), 12);
        assert_eq!(header(head, "Request-Id"), Some("req_1"));
        assert!(content_length("HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
