//! What all lists of the operator API share: `limit`, `page`, and cursors that belong to one listing.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{AuditEventId, ProfileId};
use rollcall_domain::page::Limit;
pub use rollcall_domain::page::ListPosition;
use rollcall_domain::search::SearchPosition;

use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::query::Query;

/// A request for one page of a list whose pages go on after a `P`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRequest<P> {
    /// How many at the most.
    pub limit: Limit,
    /// Where to go on.
    pub after: Option<P>,
    purpose: String,
}

impl<P: Sealable> ListRequest<P> {
    /// Takes `limit`, `page` and the meaningless `beta`. The cursor must come from the list called
    /// `list` under the same other parameters, which must not have been taken yet.
    pub(crate) fn take(query: &mut Query, cursors: &Cursors, list: &str) -> Result<Self, ApiError> {
        let limit = query.take_limit()?;
        let page = query.take("page")?;
        query.take_beta()?;
        let purpose = format!("operator {list} {}", query.canonical());
        let after = page.map(|page| {
            let bytes = cursors.open_bytes(&purpose, &page)?;
            P::from_bytes(&bytes).ok_or_else(crate::cursor::invalid)
        });
        Ok(Self {
            limit,
            after: after.transpose()?,
            purpose,
        })
    }

    /// A list that has no other parameters.
    pub fn parse(query: Option<&str>, cursors: &Cursors, list: &str) -> Result<Self, ApiError> {
        let mut query = Query::parse(query)?;
        let request = Self::take(&mut query, cursors, list)?;
        query.finish()?;
        Ok(request)
    }

    /// The cursor of the next page, which goes on after `position`.
    pub fn next_page(&self, cursors: &Cursors, position: &P) -> String {
        cursors.seal_bytes(&self.purpose, &position.to_bytes())
    }
}

/// A position that a cursor can carry.
pub trait Sealable: Sized {
    /// The bytes to be sealed: at most some 1,400.
    fn to_bytes(&self) -> Vec<u8>;

    /// What [`Self::to_bytes`] was called on.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Sealable for ListPosition {
    fn to_bytes(&self) -> Vec<u8> {
        let micros = self.created_at.as_micros().to_be_bytes();
        [&micros, self.id.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_first_chunk()?;
        Some(Self {
            created_at: Timestamp::from_micros(i64::from_be_bytes(*micros))?,
            id: std::str::from_utf8(id).ok()?.to_owned(),
        })
    }
}

/// The number of the last thing in a list of things that are numbered as they come.
impl Sealable for u64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Sealable for AuditEventId {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?).ok()
    }
}

impl Sealable for SearchPosition {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::CreatedAt(created_at, id) => {
                let micros = created_at.as_micros().to_be_bytes();
                [b"t".as_slice(), &micros, id.as_str().as_bytes()].concat()
            }
            // No id contains a line break.
            Self::Name(folded, id) => format!("n{id}\n{folded}").into_bytes(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (b't', rest) => {
                let (micros, id) = rest.split_first_chunk()?;
                let created_at = Timestamp::from_micros(i64::from_be_bytes(*micros))?;
                let id = ProfileId::parse(std::str::from_utf8(id).ok()?).ok()?;
                Some(Self::CreatedAt(created_at, id))
            }
            (b'n', rest) => {
                let (id, folded) = std::str::from_utf8(rest).ok()?.split_once('\n')?;
                Some(Self::Name(folded.to_owned(), ProfileId::parse(id).ok()?))
            }
            _ => None,
        }
    }
}
