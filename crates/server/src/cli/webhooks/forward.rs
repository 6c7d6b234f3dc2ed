//! Handing deliveries on to the program that is being developed, as they came.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use reqwest::Url;

use crate::cli::failure::{Failure, Outcome};
use crate::outbound;

/// Where events go on to.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    http: reqwest::Client,
    url: Url,
}

impl Forward {
    pub(super) fn to(url: Url) -> Outcome<Self> {
        let roots = match url.scheme() {
            "https" => outbound::trusted(None).map_err(Failure::setup)?,
            _ => outbound::compiled_in(),
        };
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(outbound::tls(roots).map_err(Failure::setup)?)
            // Rollcall itself waits no longer for an answer.
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Failure::setup(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self { http, url })
    }

    /// Sends a delivery as it came; answers with what it was answered, or why it was not.
    pub(super) async fn send(
        &self,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<StatusCode, String> {
        let mut headers = headers.clone();
        // These are of the connection it came on.
        for own in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(own);
        }
        let sent = self.http.post(self.url.clone()).headers(headers).body(body);
        match sent.send().await {
            Ok(answer) => Ok(answer.status()),
            Err(error) if error.is_timeout() => Err("no answer within 10 s".to_owned()),
            Err(error) if error.is_connect() => Err(format!("{} cannot be reached", self.url)),
            Err(error) => Err(error.without_url().to_string()),
        }
    }
}

/// An address to hand events on to.
pub(super) fn address(text: &str) -> Result<Url, &'static str> {
    // As people write it: a port alone, or without a scheme.
    let whole = match text {
        _ if text.contains("://") => text.to_owned(),
        _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("http://127.0.0.1:{text}")
        }
        _ => format!("http://{text}"),
    };
    let url = Url::parse(&whole).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or("must be an address such as http://127.0.0.1:3000/webhooks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_people_write() {
        let read = |text: &str| address(text).map(String::from);
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(
            read("http://localhost:3000/hooks"),
            ok("http://localhost:3000/hooks")
        );
        assert_eq!(
            read("localhost:3000/hooks"),
            ok("http://localhost:3000/hooks")
        );
        assert_eq!(read("3000"), ok("http://127.0.0.1:3000/"));
        assert!(read("ftp://example.com").is_err() && read("").is_err());
    }
}
