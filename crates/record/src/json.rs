//! Strict JSON: what two readers could understand differently is refused.
//!
//! Beyond the grammar this refuses duplicate keys, nesting deeper than 32, lone surrogates, U+0000
//! and bytes after the value (contract, *Bodies*), and its errors give a place, never a quotation.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

/// The deepest nesting that is accepted; the outermost value is at depth 1.
pub const MAX_DEPTH: usize = 32;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A string without U+0000.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

impl From<&str> for Json {
    /// The text must be without U+0000.
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// A JSON object, its keys distinct and in the order sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(String, Json)>);

impl Object {
    /// Takes the value of `key` out.
    pub fn take(&mut self, key: &str) -> Option<Json> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Whether there is a value for `key`.
    pub fn contains(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    /// The first key that is still there.
    pub fn first_key(&self) -> Option<&str> {
        self.0.first().map(|(key, _)| key.as_str())
    }

    /// The values that are still there.
    pub fn values(&self) -> impl Iterator<Item = &Json> {
        self.0.iter().map(|(_, value)| value)
    }

    /// How many members are still there.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no member is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Json)> for Object {
    /// The keys must be distinct.
    fn from_iter<T: IntoIterator<Item = (String, Json)>>(members: T) -> Self {
        Self(members.into_iter().collect())
    }
}

impl IntoIterator for Object {
    type Item = (String, Json);
    type IntoIter = std::vec::IntoIter<(String, Json)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Why bytes are not acceptable JSON.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonError {
    /// Not JSON, or JSON that is not taken.
    #[error("{problem} at line {line} column {column}")]
    Syntax {
        /// What is wrong, without a quotation.
        problem: String,
        /// Where, counted from 1.
        line: usize,
        /// Where, counted from 1 in bytes.
        column: usize,
    },
    /// A key stands twice in one object.
    #[error("{path}: duplicate key")]
    DuplicateKey {
        /// The dotted path of the key.
        path: String,
    },
}

/// Reads one JSON value that makes up all of `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(syntax("byte order mark", 1, 1));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = place_of(bytes, error.valid_up_to());
        syntax("invalid UTF-8", line, column)
    })?;
    let duplicate = RefCell::new(None);
    let root = Seed {
        path: Path::Root,
        depth: 1,
        duplicate: &duplicate,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = root
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| match duplicate.take() {
        Some(path) => JsonError::DuplicateKey { path },
        None => syntax(problem_of(&error), error.line(), error.column()),
    })
}

fn syntax(problem: &str, line: usize, column: usize) -> JsonError {
    JsonError::Syntax {
        problem: problem.to_owned(),
        line,
        column,
    }
}

fn place_of(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = before
        .iter()
        .rev()
        .take_while(|&&byte| byte != b'\n')
        .count()
        + 1;
    (line, column)
}

const KNOWN: [&str; 14] = [
    NUL,
    TOO_DEEP,
    "lone leading surrogate in hex escape",
    "unexpected end of hex escape",
    "control character",
    "invalid escape",
    "invalid number",
    "number out of range",
    "trailing characters",
    "trailing comma",
    "key must be a string",
    "expected ident",
    "expected value",
    "EOF while parsing",
];

/// The parser's own words for what is wrong; they name grammar, and never quote input.
fn problem_of(error: &serde_json::Error) -> &'static str {
    let text = error.to_string();
    KNOWN
        .into_iter()
        .find(|known| text.contains(known))
        .map_or("syntax error", |known| match known {
            "EOF while parsing" => "unexpected end",
            "expected ident" => "expected value",
            "control character" => "unescaped control character in a string",
            other => other,
        })
}

const NUL: &str = "U+0000 in a string";
const TOO_DEEP: &str = "nested deeper than 32";

/// Where a value stands; built without allocating until a path is asked for.
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Element(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parent, name): (_, &dyn fmt::Display) = match self {
            Self::Root => return Ok(()),
            Self::Member(parent, name) => (parent, name),
            Self::Element(parent, number) => (parent, number),
        };
        match parent {
            Self::Root => write!(formatter, "{name}"),
            Self::Member(..) | Self::Element(..) => write!(formatter, "{parent}.{name}"),
        }
    }
}

struct Seed<'a> {
    path: Path<'a>,
    depth: usize,
    duplicate: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn without_nul<E: de::Error>(text: &str) -> Result<(), E> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        Err(E::custom(NUL))
    } else {
        Ok(())
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        without_nul(value)?;
        Ok(Json::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        self.check_depth()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Seed {
            path: Path::Element(&self.path, array.len()),
            depth: self.depth + 1,
            duplicate: self.duplicate,
        })? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        self.check_depth()?;
        let mut object = Object::default();
        let mut known = Known::default();
        while let Some(key) = members.next_key::<String>()? {
            without_nul(&key)?;
            let path = Path::Member(&self.path, &key);
            if known.has(&object, &key) {
                *self.duplicate.borrow_mut() = Some(quotable(&path.to_string()));
                return Err(de::Error::custom("duplicate key"));
            }
            let seed = Seed {
                path,
                depth: self.depth + 1,
                duplicate: self.duplicate,
            };
            let value = members.next_value_seed(seed)?;
            object.0.push((key, value));
        }
        Ok(Json::Object(object))
    }
}

/// Which keys an object has had so far.
#[derive(Default)]
struct Known(HashSet<String>);

impl Known {
    /// Few keys are looked at one after the other, many are put where each is found at once.
    const FEW: usize = 16;

    /// Whether `object` has the key, which is about to become its next.
    fn has(&mut self, object: &Object, key: &str) -> bool {
        if object.len() < Self::FEW {
            return object.contains(key);
        }
        if self.0.is_empty() {
            self.0.extend(object.0.iter().map(|(key, _)| key.clone()));
        }
        !self.0.insert(key.to_owned())
    }
}

impl Seed<'_> {
    fn check_depth<E: de::Error>(&self) -> Result<(), E> {
        if self.depth > MAX_DEPTH {
            Err(E::custom(TOO_DEEP))
        } else {
            Ok(())
        }
    }
}

/// At most 64 characters of input, fit to stand in an error message: what would break its line, turn its
/// direction or not be seen is replaced.
pub fn quotable(input: &str) -> String {
    input
        .chars()
        .take(64)
        .map(|c| if is_shown(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Whether a character shows as itself, on its line and where it stands.
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            // Soft hyphen, combining grapheme joiner, Arabic letter mark, Hangul and Mongolian fillers.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
            // Spaces without width, joiners, marks, embeddings, overrides and isolates of direction, and the
            // separators of lines and paragraphs.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Variation selectors, the byte order mark, annotations, tags.
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a JSON string of it has to escape anything; most texts do not.
fn has_escaped(text: &str) -> bool {
    let (blocks, rest) = text.as_bytes().as_chunks::<16>();
    // Without leaving early, so that the bytes of a block are looked at together.
    let in_block = |block: &[u8; 16]| {
        let found = block.iter().map(|byte| u8::from(is_escaped(*byte)));
        found.fold(0, |found, one| found | one) != 0
    };
    blocks.iter().any(in_block) || rest.iter().any(|byte| ESCAPED[usize::from(*byte)])
}

const fn is_escaped(byte: u8) -> bool {
    let [control, quote, backslash] = [byte < 0x20, byte == b'"', byte == b'\\'];
    control | quote | backslash
}

/// The same to look up: short texts are many.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        escaped[byte as usize] = is_escaped(byte);
        byte += 1;
    }
    escaped
};

/// Appends `text` as a JSON string, non-ASCII characters as themselves.
pub fn write_string(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    if !has_escaped(text) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0x00..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[written..at]);
        if escape.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        written = at + 1;
    }
    out.push_str(&text[written..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quotation_stays_on_its_line_and_shows_all_of_itself() {
        for hidden in
            "\n\u{85}\u{ad}\u{61c}\u{200b}\u{200f}\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}\u{e0041}"
                .chars()
        {
            assert_eq!(quotable(&format!("a{hidden}b")), "a\u{fffd}b", "{hidden:?}");
        }
        let plain = "n\u{fc} \u{5d0} \u{4e2d} \u{1f642}";
        assert_eq!(quotable(plain), plain);
    }

    fn problem(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        assert_eq!(problem(br#"{"a":1,"a":2}"#), "a: duplicate key");
        assert_eq!(
            problem(br#"{"m":{"k":[{"x":1,"x":2}]}}"#),
            "m.k.0.x: duplicate key"
        );
        assert_eq!(problem(b"{} {}"), "trailing characters at line 1 column 4");
        assert_eq!(
            problem(b"\xef\xbb\xbf{}"),
            "byte order mark at line 1 column 1"
        );
        assert_eq!(
            problem(b"{\n\"a\":\"\xff\"}"),
            "invalid UTF-8 at line 2 column 6"
        );
        assert!(problem(br#"{"a":"\ud800"}"#).contains("at line 1"));
        assert!(problem(br#"{"a":"\u0000"}"#).starts_with(NUL));
        assert!(problem(br#"{"a\u0000":1}"#).starts_with(NUL));
        assert!(problem(b"").starts_with("unexpected end"));
        assert!(problem(b"nope").starts_with("expected value"));
        assert!(problem(b"NaN").starts_with("expected value"));
    }

    #[test]
    fn a_key_is_known_again_however_many_there_are() {
        for count in 1..40 {
            let members: Vec<_> = (0..count).map(|key| format!(r#""k{key}":1"#)).collect();
            let members = members.join(",");
            assert!(parse(format!("{{{members}}}").as_bytes()).is_ok());
            for twice in 0..count {
                let text = format!(r#"{{{members},"k{twice}":2}}"#);
                assert_eq!(problem(text.as_bytes()), format!("k{twice}: duplicate key"));
            }
        }
    }

    #[test]
    fn nesting_ends_at_thirty_two() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(32).as_bytes()).is_ok());
        assert!(problem(nested(33).as_bytes()).starts_with(TOO_DEEP));
        assert!(parse(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn errors_never_quote_the_input() {
        assert!(!problem(br#"{"name": Sesame}"#).contains("Sesame"));
    }

    proptest! {
        #[test]
        fn strings_are_written_as_every_reader_reads_them(text in any::<String>()) {
            let mut written = String::new();
            write_string(&mut written, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
