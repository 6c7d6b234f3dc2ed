//! The pages: of a document, and of each group of its operations.

use askama::Template;
use bytes::Bytes;
use rollcall_wire::openapi;

use super::document::{Document, Error, Group, Part};
use super::snippets::{Snippets, variables};

/// A page by its path below `/docs`.
pub(super) type Rendered = (String, Bytes);

/// Every page. With `sends`, each operation leads to the form of a development server that sends it.
pub(super) fn all(sends: bool) -> Vec<Rendered> {
    let mut pages = Vec::new();
    for name in openapi::names() {
        let Some(document) = Document::of(name) else {
            continue;
        };
        let page = DocumentPage {
            frame: Frame::new(document),
            about: pieces(&document.about),
            errors: document.errors.iter().map(ShownError::of).collect(),
            document,
        };
        // A template of values that are all there cannot fail; a page that does is nowhere, and tests look for it.
        pages.extend(page.render().map(|html| (name.to_owned(), html.into())));
        for group in &document.groups {
            let operations = shown(document, group);
            let page = GroupPage {
                frame: Frame::new(document),
                document,
                group,
                variables: variables(&group.operations),
                has_sdk: operations.iter().any(|it| it.snippets.python.is_some()),
                operations,
                sends,
            };
            let path = format!("{name}/{}", group.slug);
            pages.extend(page.render().map(|html| (path, html.into())));
        }
    }
    pages
}

/// What every page has around it.
struct Frame {
    others: Vec<Other>,
}

/// A document one can switch to.
struct Other {
    name: &'static str,
    current: bool,
}

impl Frame {
    fn new(document: &Document) -> Self {
        let others = openapi::names().map(|name| Other {
            name,
            current: name == document.name,
        });
        Self {
            others: others.collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "docs/document.html")]
struct DocumentPage<'a> {
    frame: Frame,
    document: &'a Document,
    about: Vec<Piece<'a>>,
    errors: Vec<ShownError<'a>>,
}

struct ShownError<'a> {
    status: &'a str,
    kind: &'a str,
    words: Vec<Piece<'a>>,
}

impl<'a> ShownError<'a> {
    fn of(error: &'a Error) -> Self {
        Self {
            status: &error.status,
            kind: &error.kind,
            words: pieces(&error.words),
        }
    }
}

#[derive(Template)]
#[template(path = "docs/group.html")]
struct GroupPage<'a> {
    frame: Frame,
    document: &'a Document,
    group: &'a Group,
    variables: Vec<(String, String)>,
    operations: Vec<Shown<'a>>,
    has_sdk: bool,
    sends: bool,
}

/// An operation on its page.
struct Shown<'a> {
    id: &'a str,
    method: &'a str,
    path: &'a str,
    summary: &'a str,
    words: Vec<Piece<'a>>,
    parts: Vec<ShownPart<'a>>,
    statuses: &'a [String],
    snippets: Snippets,
    sent: Option<String>,
    answer: Option<&'a str>,
}

struct ShownPart<'a> {
    heading: &'static str,
    fields: Vec<ShownField<'a>>,
}

struct ShownField<'a> {
    place: &'a str,
    kind: &'a str,
    required: bool,
    words: Vec<Piece<'a>>,
}

fn shown<'a>(document: &Document, group: &'a Group) -> Vec<Shown<'a>> {
    let operations = group.operations.iter();
    let operations = operations.map(|it| Shown {
        id: &it.id,
        method: &it.method,
        path: &it.path,
        summary: &it.summary,
        words: pieces(&it.words),
        parts: it.parts.iter().map(ShownPart::of).collect(),
        statuses: &it.statuses,
        snippets: Snippets::of(document.name, it),
        sent: it.request.body_text(),
        answer: it.answer.as_deref(),
    });
    operations.collect()
}

impl<'a> ShownPart<'a> {
    fn of(part: &'a Part) -> Self {
        let fields = part.fields.iter().map(|field| ShownField {
            place: &field.place,
            kind: &field.kind,
            required: field.required,
            words: pieces(&field.words),
        });
        Self {
            heading: part.heading,
            fields: fields.collect(),
        }
    }
}

/// A part of a text: words, or code, which texts set between backticks.
struct Piece<'a> {
    text: &'a str,
    code: bool,
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let pieces = text.split('`').enumerate().map(|(at, text)| Piece {
        text,
        code: at % 2 == 1,
    });
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}
