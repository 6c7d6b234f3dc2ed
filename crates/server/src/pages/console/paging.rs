//! Lists in pages: the cursor that an address carries, and the addresses of the pages around.
//!
//! A cursor belongs to one list under the filters it was made with; with others it is refused.

use rollcall_wire::operator::{ListPosition, Sealable as _};

use super::ConsoleCall;
use crate::http::error::Failure;
use crate::pages::form::Form;

/// What an address carries that narrows no list.
pub(super) const ASIDE: [&str; 4] = ["page", "done", "signed-in", "as"];

/// A list as an address asks for it.
pub(super) struct Paging<'a> {
    call: &'a ConsoleCall<'a>,
    /// The list's address.
    base: String,
    /// The filters, as a query.
    kept: String,
    page: Option<String>,
}

impl<'a> Paging<'a> {
    /// The list at `base` as the query says.
    pub(super) fn new(call: &'a ConsoleCall<'a>, base: impl Into<String>, form: &Form) -> Self {
        Self {
            call,
            base: base.into(),
            kept: form.to_query(&ASIDE),
            page: form.filled("page").map(str::to_owned),
        }
    }

    fn purpose(&self) -> String {
        format!("console {} {}", self.base, self.kept)
    }

    /// Where to go on; nothing on the first page.
    pub(super) fn after(&self) -> Result<Option<ListPosition>, Failure> {
        let Some(cursor) = &self.page else {
            return Ok(None);
        };
        let cursors = &self.call.app().cursors;
        let bytes = cursors.open_bytes(&self.purpose(), cursor)?;
        Ok(ListPosition::from_bytes(&bytes))
    }

    /// The pages around this one, which ends at `end` if more follows.
    pub(super) fn pager(&self, end: Option<ListPosition>) -> Pager {
        let next = end.map(|end| {
            let cursors = &self.call.app().cursors;
            cursors.seal_bytes(&self.purpose(), &end.to_bytes())
        });
        Pager::new(&self.base, &self.kept, next, self.page.is_some())
    }
}

/// The addresses of the pages around one.
#[derive(Debug)]
pub(super) struct Pager {
    /// The first page, unless this is it.
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
}

impl Pager {
    /// Of the list at `base` under the filters `kept`; `next` is the next page's cursor.
    pub(super) fn new(base: &str, kept: &str, next: Option<String>, is_later: bool) -> Self {
        let mark = if kept.is_empty() { "" } else { "?" };
        let and = if kept.is_empty() { "?" } else { "&" };
        Self {
            first: is_later.then(|| format!("{base}{mark}{kept}")),
            next: next.map(|cursor| format!("{base}{mark}{kept}{and}page={cursor}")),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.next.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_the_filters() {
        let pager = Pager::new("/a", "", Some("c".into()), false);
        assert_eq!((pager.first, pager.next), (None, Some("/a?page=c".into())));
        let pager = Pager::new("/a", "b=1", Some("c".into()), true);
        assert_eq!(
            (pager.first, pager.next),
            (Some("/a?b=1".into()), Some("/a?b=1&page=c".into()))
        );
    }
}
