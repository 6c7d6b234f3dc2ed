//! Lists in pages: the cursor that an address carries, and the addresses of the pages around.
//!
//! A cursor belongs to one list under the filters it was made with, and leads forward alone. So the way back is in the address
//! too: the cursors of the pages that somebody came through. *Previous* is then the page as it was come from, with what has
//! changed since, and storage is asked nothing that it is not asked anyhow. A long way is forgotten from its beginning.

use rollcall_domain::page::ListPosition;
use rollcall_wire::operator::Sealable as _;

use super::ConsoleCall;
use crate::http::error::Failure;
use crate::pages::form::Form;
use crate::pages::shown;

/// What an address carries that narrows no list.
pub(super) const ASIDE: [&str; 6] = ["page", "back", "refresh", "done", "signed-in", "as"];

/// The longest way back, in characters: some forty pages.
const LONGEST_WAY: usize = 3_000;

/// Between two cursors, none of which has it.
const JOINT: char = '.';

/// A list as an address asks for it.
pub(super) struct Paging<'a> {
    call: &'a ConsoleCall<'a>,
    way: Way,
}

impl<'a> Paging<'a> {
    /// The list at `base` as the query says.
    pub(super) fn new(call: &'a ConsoleCall<'a>, base: impl Into<String>, form: &Form) -> Self {
        Self {
            call,
            way: Way::new(base, form),
        }
    }

    fn purpose(&self) -> String {
        format!("console {} {}", self.way.base, self.way.kept)
    }

    /// Where to go on; nothing on the first page.
    pub(super) fn after(&self) -> Result<Option<ListPosition>, Failure> {
        let Some(cursor) = &self.way.page else {
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
        self.way.pager(next)
    }
}

/// Which page of a list an address names, and through which pages it was come to.
pub(super) struct Way {
    /// The list's address.
    base: String,
    /// The filters, as a query.
    kept: String,
    page: Option<String>,
    /// The cursors of the pages between the first one and this one, as many as are remembered.
    back: Vec<String>,
    /// Whether earlier ones are forgotten.
    is_cut: bool,
}

impl Way {
    /// The way to the page of the list at `base` that the query names.
    pub(super) fn new(base: impl Into<String>, form: &Form) -> Self {
        let written = form.filled("back").filter(|back| is_way(back));
        let is_cut = written.is_some_and(|written| written.starts_with(JOINT));
        let back = written.into_iter().flat_map(|written| written.split(JOINT));
        Self {
            base: base.into(),
            kept: form.to_query(&ASIDE),
            page: form.filled("page").map(str::to_owned),
            back: back
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
                .collect(),
            is_cut,
        }
    }

    /// The pages around this one; `next` is the next page's cursor.
    pub(super) fn pager(&self, next: Option<String>) -> Pager {
        let previous = self
            .page
            .as_ref()
            .and_then(|_| match self.back.split_last() {
                Some((last, before)) => Some(self.address(Some(last), before, self.is_cut)),
                None if self.is_cut => None,
                None => Some(self.address(None, &[], false)),
            });
        let is_far = !self.back.is_empty() || self.is_cut;
        let mut back = self.back.clone();
        back.extend(self.page.clone());
        let mut is_cut = self.is_cut;
        while back.iter().map(|it| it.len() + 1).sum::<usize>() > LONGEST_WAY {
            back.remove(0);
            is_cut = true;
        }
        Pager {
            first: (self.page.is_some() && is_far).then(|| self.address(None, &[], false)),
            previous,
            next: next.map(|next| self.address(Some(&next), &back, is_cut)),
            count: None,
        }
    }

    fn address(&self, page: Option<&String>, back: &[String], is_cut: bool) -> String {
        let mut query = self.kept.clone();
        let mut and = |name: &str, value: &str| {
            let joint = if query.is_empty() { "" } else { "&" };
            query += &format!("{joint}{name}={value}");
        };
        if let Some(page) = page {
            and("page", page);
        }
        if is_cut || !back.is_empty() {
            let forgotten = if is_cut { "." } else { "" };
            and("back", &format!("{forgotten}{}", back.join(".")));
        }
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{query}", self.base)
    }
}

/// Whether a text can be a way back: cursors are plain, and so need no escaping in an address.
fn is_way(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    text.len() <= LONGEST_WAY + 1 && text.bytes().all(plain)
}

/// The addresses of the pages around one.
#[derive(Debug)]
pub(super) struct Pager {
    /// The first page, unless this is it or the one before is.
    pub(super) first: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    /// How many there are on all pages, where that is known.
    pub(super) count: Option<String>,
}

impl Pager {
    /// Whether all there is stands on this page.
    pub(super) fn is_whole(&self) -> bool {
        self.previous.is_none() && self.first.is_none() && self.next.is_none()
    }

    /// With how many there are: those on this page if it is the only one, else `known`.
    pub(super) fn counting(self, here: usize, known: Option<u64>) -> Self {
        let here = u64::try_from(here).ok().filter(|_| self.is_whole());
        let count = here.or(known).filter(|count| *count > 0);
        Self {
            count: count.map(shown::number),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(query: &str) -> Way {
        Way::new("/a", &Form::of_query(Some(query)))
    }

    #[test]
    fn addresses_keep_the_filters_and_the_way_back() {
        let first = way("b=1").pager(Some("c1".into()));
        assert_eq!((first.first, first.previous), (None, None));
        assert_eq!(first.next.as_deref(), Some("/a?b=1&page=c1"));
        let second = way("b=1&page=c1").pager(Some("c2".into()));
        assert_eq!(
            (second.first, second.previous),
            (None, Some("/a?b=1".into()))
        );
        assert_eq!(second.next.as_deref(), Some("/a?b=1&page=c2&back=c1"));
        let third = way("b=1&page=c2&back=c1").pager(None);
        assert_eq!(third.first.as_deref(), Some("/a?b=1"));
        assert_eq!(third.previous.as_deref(), Some("/a?b=1&page=c1"));
        assert_eq!(third.next, None);
        let plain = way("").pager(Some("c1".into()));
        assert_eq!(plain.next.as_deref(), Some("/a?page=c1"));
    }

    #[test]
    fn a_long_way_is_forgotten_from_its_beginning() {
        let mut address = format!("page={}", "x".repeat(100));
        for _ in 0..50 {
            let next = way(&address).pager(Some("y".repeat(100))).next.unwrap();
            address = next.split_once('?').unwrap().1.to_owned();
            assert!(address.len() < LONGEST_WAY + 300, "{}", address.len());
        }
        let mut steps = 0;
        let first = loop {
            let pager = way(&address).pager(None);
            let Some(previous) = pager.previous else {
                break pager.first;
            };
            address = previous.split_once('?').unwrap().1.to_owned();
            steps += 1;
        };
        // Where the memory ends, the first page is the only one that is known.
        assert_eq!((steps, first.as_deref()), (29, Some("/a")));
    }

    #[test]
    fn nothing_foreign_gets_into_an_address() {
        let pager = way("page=c2&back=c1%26page%3Devil").pager(None);
        assert_eq!(pager.previous.as_deref(), Some("/a"));
    }
}
