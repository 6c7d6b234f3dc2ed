//! The members of the operator API's answers, each told once: what it is called, what it looks like in the
//! document, and what is written.

use rollcall_domain::clock::Timestamp;
use rollcall_record::json::write_string;

use crate::object::{self, ObjectWriter, write_array};
use crate::openapi::schema::{self, Shape};

/// A member of what is written of a `T`. A list of them is the answer, in their order.
pub(crate) struct Member<T> {
    name: &'static str,
    shape: fn() -> Shape,
    value: fn(&T) -> Value<'_>,
}

/// What a member is in one answer.
pub(crate) enum Value<'a> {
    Null,
    Text(&'a str),
    Time(Timestamp),
    Number(u64),
    Boolean(bool),
    /// JSON already.
    Written(String),
}

pub(crate) const fn member<T>(
    name: &'static str,
    shape: fn() -> Shape,
    value: fn(&T) -> Value<'_>,
) -> Member<T> {
    Member { name, shape, value }
}

/// Begins the object of these members at the end of `out`; more may follow.
pub(crate) fn begin<'o, T>(out: &'o mut String, members: &[Member<T>], of: &T) -> ObjectWriter<'o> {
    let mut object = ObjectWriter::new(out);
    for member in members {
        let name = member.name;
        object = match (member.value)(of) {
            Value::Null => object.raw(name, "null"),
            Value::Text(text) => object.text(name, text),
            Value::Time(time) => object.time(name, time),
            Value::Number(number) => object.number(name, number),
            Value::Boolean(boolean) => object.boolean(name, boolean),
            Value::Written(json) => object.raw(name, &json),
        };
    }
    object
}

/// The object of these members.
pub(crate) fn written<T>(members: &[Member<T>], of: &T) -> Value<'static> {
    let mut out = String::with_capacity(256);
    begin(&mut out, members, of).close();
    Value::Written(out)
}

/// What the object looks like.
pub(crate) fn shape<T>(members: &[Member<T>]) -> Shape {
    schema::answer(shapes(members)).into()
}

/// What its members look like.
pub(crate) fn shapes<T>(members: &[Member<T>]) -> Vec<schema::Member> {
    let shape = |member: &Member<T>| (member.name, (member.shape)());
    members.iter().map(shape).collect()
}

impl Value<'_> {
    /// An array of texts.
    pub(crate) fn texts<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        Self::array(texts, write_string)
    }

    /// An array, each item by `write`.
    pub(crate) fn array<T>(
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut String, T),
    ) -> Self {
        let mut out = String::new();
        write_array(&mut out, items, write);
        Self::Written(out)
    }

    /// An object of texts.
    pub(crate) fn texts_by_name(texts: &[(String, String)]) -> Self {
        Self::Written(object::object(|object| {
            let texts = texts.iter();
            texts.fold(object, |object, (name, text)| object.text(name, text))
        }))
    }
}

macro_rules! values {
    ($($kind:ty => $variant:ident),*) => {$(
        impl<'a> From<$kind> for Value<'a> {
            fn from(value: $kind) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

values!(&'a str => Text, &'a String => Text, Timestamp => Time, u64 => Number, bool => Boolean);

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
