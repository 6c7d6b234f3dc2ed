//! Listings: which order, how much, from where.
//!
//! Paging is by keyset: a page goes on after a [`Position`], so it costs the same at any depth and
//! survives whatever is created, changed or deleted meanwhile.

use std::num::NonZeroU8;

use crate::clock::Timestamp;
use crate::enforcement::EnforcementStatus;
use crate::id::ProfileId;

crate::text_enum! {
    /// The direction of a listing.
    Order {
        /// Smallest first.
        Ascending = "asc",
        /// Largest first.
        Descending = "desc",
    }
}

crate::text_enum! {
    /// What a listing is ordered by.
    OrderBy {
        /// By creation time, then id.
        CreatedAt = "created_at",
        /// By folded name, then id; profiles without a name last in either direction.
        Name = "name",
    }
}

/// Where in a list ordered by creation time, then id, to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPosition {
    /// When the last thing was created.
    pub created_at: Timestamp,
    /// The last thing's id.
    pub id: String,
}

/// How many profiles a page holds: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(NonZeroU8);

impl Limit {
    /// The largest page.
    pub const MAX: u8 = 100;
    /// The page a client gets that does not say.
    pub const DEFAULT: Self = Self(NonZeroU8::new(20).unwrap());
    /// As much as a page can hold.
    pub const LARGEST: Self = Self(NonZeroU8::new(Self::MAX).unwrap());

    /// Accepts 1 to [`Self::MAX`].
    pub fn new(limit: u8) -> Option<Self> {
        NonZeroU8::new(limit)
            .filter(|limit| limit.get() <= Self::MAX)
            .map(Self)
    }

    /// The number.
    pub fn get(self) -> usize {
        usize::from(self.0.get())
    }

    /// How many profiles may be examined to fill one page of a filtered listing.
    pub fn examination_bound(self) -> usize {
        (self.get() * 10).max(1_000)
    }
}

/// Which enforcement statuses a listing wants. Never empty: no filter is `None` of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatusFilter(u8);

impl StatusFilter {
    /// The filter that any of `statuses` matches, or `None` for no status at all.
    pub fn any_of(statuses: impl IntoIterator<Item = EnforcementStatus>) -> Option<Self> {
        let bits = statuses
            .into_iter()
            .fold(0, |bits, status| bits | Self::bit(status));
        (bits != 0).then_some(Self(bits))
    }

    /// Whether a profile with this status is wanted.
    pub fn matches(self, status: EnforcementStatus) -> bool {
        self.0 & Self::bit(status) != 0
    }

    /// The wanted statuses, in the contract's order.
    pub fn statuses(self) -> impl Iterator<Item = EnforcementStatus> {
        EnforcementStatus::ALL
            .iter()
            .copied()
            .filter(move |status| self.matches(*status))
    }

    fn bit(status: EnforcementStatus) -> u8 {
        match status {
            EnforcementStatus::Unrestricted => 1,
            EnforcementStatus::Pending => 2,
            EnforcementStatus::Restricted => 4,
            EnforcementStatus::Banned => 8,
        }
    }
}

/// Where in an ordered listing a profile stands. It stays meaningful when the profile goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// In a listing by creation time.
    CreatedAt {
        /// The profile's creation time.
        created_at: Timestamp,
        /// Its id.
        id: ProfileId,
    },
    /// In a listing by name.
    Name {
        /// The folded name; `None` among the profiles without a name.
        folded: Option<String>,
        /// The profile's id.
        id: ProfileId,
    },
}

impl Position {
    /// What the listing is ordered by.
    pub fn order_by(&self) -> OrderBy {
        match self {
            Self::CreatedAt { .. } => OrderBy::CreatedAt,
            Self::Name { .. } => OrderBy::Name,
        }
    }
}

/// From where a page starts: its order and the position to go on after, which must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// By creation time, after that position or from the beginning.
    CreatedAt(Option<(Timestamp, ProfileId)>),
    /// By name, after that position (folded name, id) or from the beginning.
    Name(Option<(Option<String>, ProfileId)>),
}

impl Start {
    /// The beginning of a listing.
    pub fn beginning(order_by: OrderBy) -> Self {
        match order_by {
            OrderBy::CreatedAt => Self::CreatedAt(None),
            OrderBy::Name => Self::Name(None),
        }
    }

    /// Right after `position`.
    pub fn after(position: Position) -> Self {
        match position {
            Position::CreatedAt { created_at, id } => Self::CreatedAt(Some((created_at, id))),
            Position::Name { folded, id } => Self::Name(Some((folded, id))),
        }
    }

    /// What the listing is ordered by.
    pub fn order_by(&self) -> OrderBy {
        match self {
            Self::CreatedAt(_) => OrderBy::CreatedAt,
            Self::Name(_) => OrderBy::Name,
        }
    }
}

/// A request for one page of an organization's profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileListing {
    /// How many profiles at the most.
    pub limit: Limit,
    /// The direction.
    pub order: Order,
    /// What it is ordered by, and where it goes on.
    pub start: Start,
    /// Only profiles with one of these enforcement statuses.
    pub status_filter: Option<StatusFilter>,
}

impl ProfileListing {
    /// Of all profiles, from the beginning.
    pub fn beginning(limit: Limit, order: Order, order_by: OrderBy) -> Self {
        Self {
            limit,
            order,
            start: Start::beginning(order_by),
            status_filter: None,
        }
    }

    /// Whether it leaves any profile out, so that more are examined than shown.
    pub fn is_filtered(&self) -> bool {
        self.status_filter.is_some()
    }
}
