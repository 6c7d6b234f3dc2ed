//! Which rows a page takes: one more is asked for than it holds, and says whether anything follows.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::page::{Limit, ListPosition};

use crate::tenants::Listed;

/// The rows of the page, and the position of the last one where anything follows.
pub(crate) fn cut<T, P>(
    mut found: Vec<T>,
    limit: Limit,
    position: impl FnOnce(&T) -> P,
) -> (Vec<T>, Option<P>) {
    let more = found.len() > limit.get();
    found.truncate(limit.get());
    let next = found.last().filter(|_| more).map(position);
    (found, next)
}

impl<T> Listed<T> {
    /// The page of what was found, in the order of what `key` answers.
    pub(crate) fn of(
        found: Vec<T>,
        limit: Limit,
        key: impl FnOnce(&T) -> (Timestamp, &str),
    ) -> Self {
        let (items, next) = cut(found, limit, |last| {
            let (created_at, id) = key(last);
            ListPosition {
                created_at,
                id: id.to_owned(),
            }
        });
        Self { items, next }
    }
}
