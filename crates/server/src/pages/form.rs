//! What a form sent: pairs of names and values, read strictly.

use http::header::CONTENT_TYPE;
use rollcall_wire::error::ApiError;

use crate::http::error::Failure;
use crate::http::exchange::Exchange;

/// Most fields that a form of ours sends, and more.
const MOST_FIELDS: usize = 200;

/// Most bytes of a form: the longest answers of the longest one, with every byte escaped.
const MOST_BYTES: usize = 256 * 1024;

/// The fields of a form, or of a query, in the order they were sent.
#[derive(Clone, Default)]
pub(crate) struct Form(Vec<(String, String)>);

// What a person typed must not reach a log.
impl std::fmt::Debug for Form {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Form({} fields)", self.0.len())
    }
}

impl Form {
    /// Reads the body of a form.
    pub(crate) async fn of(exchange: &Exchange<'_>) -> Result<Self, Failure> {
        Self::of_at_most(exchange, MOST_BYTES).await
    }

    /// Reads the body of a form of at most so many bytes.
    pub(crate) async fn of_at_most(exchange: &Exchange<'_>, most: usize) -> Result<Self, Failure> {
        let content_type = exchange.head.headers.get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|text| text.split(';').next());
        if !essence.is_some_and(|it| it.trim().eq_ignore_ascii_case(FORM)) {
            return Err(ApiError::invalid(format!("content-type: must be {FORM}")).into());
        }
        let body = exchange.form_body(most).await?;
        Self::parse(&body).ok_or_else(|| ApiError::invalid("The form is not valid").into())
    }

    /// Reads the query of an address; one that cannot be read counts as empty.
    pub(crate) fn of_query(query: Option<&str>) -> Self {
        let parsed = query.and_then(|query| Self::parse(query.as_bytes()));
        parsed.unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let pairs: Vec<_> = url::form_urlencoded::parse(bytes).into_owned().collect();
        // Storage keeps no NUL, and no text field of a browser sends one.
        let plain = pairs
            .iter()
            .all(|(name, value)| !name.contains('\0') && !value.contains('\0'));
        (plain && pairs.len() <= MOST_FIELDS).then_some(Self(pairs))
    }

    /// The first value of a field; nothing when it was not sent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        let (_, value) = pairs.find(|(sent, _)| sent == name)?;
        Some(value)
    }

    /// The first value of a field without surrounding space; nothing when that is empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name)
            .map(str::trim)
            .filter(|value| !value.is_empty())
    }

    /// Every value of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.iter();
        pairs
            .filter(move |(sent, _)| sent == name)
            .map(|(_, value)| value.as_str())
    }

    /// The fields as they came.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The fields as a query, without the empty ones and without those called as in `without`.
    pub(crate) fn to_query(&self, without: &[&str]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            if !value.is_empty() && !without.contains(&name.as_str()) {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name_and_written_back() {
        let form = Form::parse(b"a=1&b=&a=2&c=x+y%26").unwrap();
        assert_eq!(form.get("a"), Some("1"));
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((form.get("b"), form.filled("b")), (Some(""), None));
        assert_eq!(form.to_query(&["a"]), "c=x+y%26");
        assert!(Form::parse(b"a=%00").is_none());
    }
}
