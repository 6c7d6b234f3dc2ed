//! What a form sent: pairs of names and values, read strictly.

use std::collections::BTreeSet;

use http::header::CONTENT_TYPE;
use rollcall_record::field::Fields;
use rollcall_record::json::{Json, Object};
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

    /// The whole number in a field, as the operator API takes one; what is none is refused there. Nothing when the
    /// field is empty.
    pub(crate) fn number(&self, name: &str) -> Option<Json> {
        let text = self.filled(name)?;
        let number = text.parse::<u64>();
        Some(number.map_or_else(|_| text.into(), |number| Json::Number(number.into())))
    }

    /// The time in an `<input type="datetime-local">` that is not empty, which means UTC here.
    pub(crate) fn instant(&self, name: &str) -> Option<String> {
        self.filled(name).map(|text| match text.len() {
            16 => format!("{text}:00Z"),
            19 => format!("{text}Z"),
            _ => text.to_owned(),
        })
    }

    /// What the form says, in the words of the operator API.
    pub(crate) fn body(&self) -> FormBody<'_> {
        FormBody {
            form: self,
            members: Vec::new(),
        }
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

/// What a form says, put together in the words of the operator API, so that a form and a request are read by the same
/// parser.
#[derive(Debug)]
pub(crate) struct FormBody<'a> {
    form: &'a Form,
    members: Vec<(String, Json)>,
}

impl FormBody<'_> {
    pub(crate) fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.members.push((name.to_owned(), value.into()));
        self
    }

    fn optional(self, name: &str, value: Option<Json>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The text in a field, whether or not it is empty.
    pub(crate) fn text(self, name: &str) -> Self {
        let text = self.form.get(name).unwrap_or_default().trim();
        self.with(name, text)
    }

    /// The text in a field that is not empty.
    pub(crate) fn filled(self, name: &str) -> Self {
        let text = self.form.filled(name).map(Json::from);
        self.optional(name, text)
    }

    /// The number in a field that is not empty.
    pub(crate) fn number(self, name: &str) -> Self {
        let number = self.form.number(name);
        self.optional(name, number)
    }

    /// The time in a field that is not empty.
    pub(crate) fn instant(self, name: &str) -> Self {
        let text = self.form.instant(name);
        self.optional(name, text.map(Json::String))
    }

    /// The names that were chosen of several, each with this value.
    pub(crate) fn chosen(self, name: &str, value: impl Into<Json>) -> Self {
        let value = value.into();
        let names: BTreeSet<_> = self.form.all(name).collect();
        let chosen = names.into_iter();
        let chosen = chosen.map(|name| (name.to_owned(), value.clone()));
        let chosen = chosen.collect::<Object>();
        if chosen.is_empty() {
            return self;
        }
        self.with(name, Json::Object(chosen))
    }

    /// The fields, for a parser.
    pub(crate) fn fields(self) -> Fields {
        Fields::root(self.members.into_iter().collect())
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
