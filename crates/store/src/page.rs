//! Which rows a page takes: one more is asked for than it holds, and says whether anything follows. And
//! which profiles a listing wants, whatever the ranges that an engine reads for it have left out.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::page::{Limit, ListPosition, ProfileListing};
use rollcall_record::document::{DamagedDocument, PageSink, ProfileView};

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

/// Shows a profile to `sink` if the listing wants it at `now`; answers whether it did.
pub(crate) fn show(
    listing: &ProfileListing,
    now: Timestamp,
    document: &str,
    sink: &mut dyn PageSink,
) -> Result<bool, DamagedDocument> {
    let view = ProfileView::parse(document)?;
    let wanted = match listing.status_filter {
        None => true,
        Some(filter) => filter.matches(view.enforcement_status(now)?),
    };
    if wanted {
        sink.profile(&view)?;
    }
    Ok(wanted)
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
