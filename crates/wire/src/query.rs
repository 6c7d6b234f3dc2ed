//! Query strings, strictly: nothing that a client sends is silently ignored.
//!
//! A query is read as the WHATWG form encoding reads it, which is what the SDKs write: parts are
//! separated by `&`, `+` is a space, `%XX` a byte. Unlike there, a broken escape and bytes that are
//! not UTF-8 are errors (contract `user-profiles.md`, *Edge cases*). A parameter with an empty value
//! counts as missing, because an SDK writes a null that way; its name must be known all the same.
//!
//! A reader takes what it knows in the order of the contract's table, so that the first mistake in
//! that order is reported, and calls [`Query::finish`], which refuses the rest.

use rollcall_domain::page::Limit;
use rollcall_record::json::quotable;

use crate::error::ApiError;

/// The parameters of a query that have not been taken yet.
#[derive(Debug)]
pub struct Query {
    parameters: Vec<(String, String)>,
}

impl Query {
    /// Reads what stands after the `?`, if there is one.
    pub fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut parameters = Vec::new();
        for part in query.unwrap_or_default().split('&') {
            if part.is_empty() {
                continue;
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            parameters.push((decode(name)?, decode(value)?));
        }
        Ok(Self { parameters })
    }

    /// Takes every value of the parameter `name` that is not empty, in the order sent.
    pub fn take_all(&mut self, name: &str) -> Vec<String> {
        self.parameters
            .extract_if(.., |(sent, _)| sent == name)
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// Takes the parameter `name`, which may be given once.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let mut values = self.take_all(name).into_iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(ApiError::at(name, "must be given once")),
        }
    }

    /// Writes `name[]` as `name`, for each of these parameters that take one value.
    ///
    /// One SDK writes all parameters with brackets from its second page on, and repeats them: the last
    /// one counts, and none does beside one without brackets.
    pub fn unbracket(&mut self, names: &[&str]) {
        if !self.parameters.iter().any(|(sent, _)| sent.ends_with("[]")) {
            return;
        }
        for name in names {
            let bracketed = self.take_all(&format!("{name}[]")).pop();
            let is_plain = |(sent, value): &(String, String)| sent == name && !value.is_empty();
            if let Some(value) = bracketed
                && !self.parameters.iter().any(is_plain)
            {
                self.parameters.push(((*name).to_owned(), value));
            }
        }
    }

    /// Takes the parameter `name` as something that `parse` accepts.
    pub fn take_parsed<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ApiError> {
        self.take(name)?
            .map(|value| parse(&value).map_err(|error| ApiError::at(name, error)))
            .transpose()
    }

    /// Takes `limit`: 1 to 100, else 20.
    pub fn take_limit(&mut self) -> Result<Limit, ApiError> {
        let limit = self.take_parsed("limit", |text| {
            integer(text)
                .and_then(Limit::new)
                .ok_or("must be an integer from 1 to 100")
        })?;
        Ok(limit.unwrap_or(Limit::DEFAULT))
    }

    /// Takes `beta`, which may be `true` and means nothing (contract `README.md`).
    pub fn take_beta(&mut self) -> Result<(), ApiError> {
        self.take_parsed("beta", |text| {
            if text == "true" {
                Ok(())
            } else {
                Err("must be true")
            }
        })
        .map(|_| ())
    }

    /// What has not been taken, in one way for all queries that mean the same.
    pub(crate) fn canonical(&self) -> String {
        let sent = self
            .parameters
            .iter()
            .filter(|(_, value)| !value.is_empty());
        let mut sent: Vec<_> = sent.collect();
        sent.sort();
        format!("{sent:?}")
    }

    /// Refuses whatever has not been taken.
    pub fn finish(self) -> Result<(), ApiError> {
        match self.parameters.first() {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::at(&named(name), "unknown query parameter")),
        }
    }
}

/// A parameter's name as a message can tell it.
fn named(name: &str) -> String {
    if name.is_empty() {
        "(empty name)".to_owned()
    } else {
        quotable(name)
    }
}

/// Checks the query of an endpoint that knows no parameter but `beta`.
pub fn parse_query_beta_only(query: Option<&str>) -> Result<(), ApiError> {
    let mut query = Query::parse(query)?;
    query.take_beta()?;
    query.finish()
}

/// A number of at most three digits, without sign and leading zeros.
pub(crate) fn integer(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
        && text.len() <= 3;
    plain.then(|| text.parse().ok()).flatten()
}

fn decode(text: &str) -> Result<String, ApiError> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let ([high, low], tail) = rest.split_first_chunk().ok_or_else(not_valid)?;
                rest = tail;
                hex(*high)
                    .zip(hex(*low))
                    .ok_or_else(not_valid)
                    .map(|(high, low)| high << 4 | low)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| not_valid())
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn not_valid() -> ApiError {
    ApiError::invalid("The query string is not valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_escapes_and_bytes_that_are_no_text_are_refused() {
        for query in ["a=%", "a=%4", "a=%zz", "%ff=1", "a=%c3%28", "limit=%C3"] {
            assert_eq!(
                Query::parse(Some(query)).unwrap_err().message,
                "The query string is not valid",
                "{query}"
            );
        }
    }

    #[test]
    fn names_and_values_are_decoded_as_forms_are() {
        let mut query = Query::parse(Some("%6Eame=Ana+Mar%C3%ADa&&x")).unwrap();
        assert_eq!(query.take("name").unwrap().as_deref(), Some("Ana María"));
        assert_eq!(
            query.finish().unwrap_err().message,
            "x: unknown query parameter"
        );
    }

    #[test]
    fn only_beta_is_known_where_nothing_else_is() {
        for query in [
            None,
            Some(""),
            Some("beta=true"),
            Some("beta="),
            Some("beta"),
            Some("&"),
        ] {
            assert_eq!(parse_query_beta_only(query), Ok(()), "{query:?}");
        }
        for (query, message) in [
            ("beta=false", "beta: must be true"),
            ("beta=True", "beta: must be true"),
            ("beta=true&beta=true", "beta: must be given once"),
            ("limit=5", "limit: unknown query parameter"),
            ("offset=", "offset: unknown query parameter"),
            ("=x", "(empty name): unknown query parameter"),
            ("beta=true&=", "(empty name): unknown query parameter"),
        ] {
            assert_eq!(
                parse_query_beta_only(Some(query)).unwrap_err().message,
                message
            );
        }
    }
}
