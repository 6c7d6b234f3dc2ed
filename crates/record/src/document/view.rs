//! A document looked at where it lies: its parts, borrowed, and nothing built from them.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{
    ActionKind, EnforcementStatus, IdentityCheck, Reason, StatusRules,
};
use rollcall_domain::id::ProfileId;
use rollcall_domain::profile::{AccountStatus, Relationship};
use wide::u8x16;

use super::{DamagedDocument, STORED_LINES};
use crate::time;

/// The parts of a document, each the JSON text of a value, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ProfileView<'a> {
    /// A string.
    pub id: &'a str,
    /// A string.
    pub created_at: &'a str,
    /// A string.
    pub updated_at: &'a str,
    /// A string: `"external"`, `"resold"` or `"internal"`.
    pub relationship: &'a str,
    /// A string or null.
    pub name: &'a str,
    /// An object of strings.
    pub metadata: &'a str,
    /// The first five of the external user details: `{"account_status":…,"name_hash":…`, without the
    /// brace. Answers go on with `onboarded_at` and `reference_id`.
    pub details_head: &'a str,
    /// A string or null.
    pub onboarded_at: &'a str,
    /// A string or null.
    pub reference_id: &'a str,
    /// Null, or the object that a full answer of the newest dialect shows.
    pub cyber: &'a str,
    /// Null, or the object that a full answer of the newest dialect shows.
    pub efs: &'a str,
    /// An object: `{"name":{"status":…},…}`.
    pub own_programs: &'a str,
    open_actions: &'a str,
}

impl<'a> ProfileView<'a> {
    /// Cuts a document into its parts.
    pub fn parse(document: &'a str) -> Result<Self, DamagedDocument> {
        let ends = line_ends(document.as_bytes());
        let mut lines = Lines {
            document: if document.starts_with('[') {
                document
            } else {
                ""
            },
            // The array's own bracket stands before the first.
            start: 1,
            ends: ends.iter(),
        };
        let id = lines.value(TEXT)?;
        let created_at = lines.value(TEXT)?;
        let updated_at = match lines.value(TEXT_OR_NULL)? {
            "null" => created_at,
            updated_at => updated_at,
        };
        Ok(Self {
            id,
            created_at,
            updated_at,
            relationship: lines.value(TEXT)?,
            name: lines.value(TEXT_OR_NULL)?,
            metadata: lines.value(OBJECT)?,
            details_head: lines
                .value(OBJECT)?
                .strip_suffix('}')
                .ok_or_else(|| lines.damaged())?,
            onboarded_at: lines.value(TEXT_OR_NULL)?,
            reference_id: lines.value(TEXT_OR_NULL)?,
            cyber: lines.value(OBJECT_OR_NULL)?,
            efs: lines.value(OBJECT_OR_NULL)?,
            own_programs: lines.value(OBJECT)?,
            open_actions: lines.value(ARRAY)?,
        })
    }

    /// The stored relationship.
    pub fn relationship(&self) -> Relationship {
        match self.relationship {
            "\"resold\"" => Relationship::Resold,
            "\"internal\"" => Relationship::Internal,
            _ => Relationship::External,
        }
    }

    /// The status in `cyber`, as JSON text (`"active"` with its quotes), if the profile has one.
    pub fn cyber_status(&self) -> Option<&'a str> {
        let rest = self.cyber.strip_prefix("{\"requirements\":")?;
        let rest = match rest.strip_prefix("null") {
            Some(rest) => rest,
            None => rest.split_once('}')?.1,
        };
        let rest = rest.strip_prefix(",\"status\":")?;
        let length = rest.get(1..)?.find('"')? + 2;
        rest.get(..length)
    }

    /// The status in `efs`, likewise.
    fn efs_status(&self) -> Option<&'a str> {
        // Its features have statuses too, and stand before it.
        let (_, status) = self.efs.strip_suffix('}')?.rsplit_once(':')?;
        Some(status)
    }

    /// The names of the programs that are active, in the order of answers: `cyber`, `efs`, the operator's own.
    pub fn active_programs(&self) -> impl Iterator<Item = &'a str> {
        let cyber = (self.cyber_status() == Some(ACTIVE)).then_some("cyber");
        let efs = (self.efs_status() == Some(ACTIVE)).then_some("efs");
        let own = OwnPrograms {
            rest: self.own_program_members(),
        };
        let own = own.filter_map(|(name, status)| (status == ACTIVE).then_some(name));
        cyber.into_iter().chain(efs).chain(own)
    }

    /// What the platform decided about the account.
    pub fn account_status(&self) -> Option<AccountStatus> {
        let rest = self.details_head.strip_prefix("{\"account_status\":")?;
        let (status, _) = cut_value(rest)?;
        AccountStatus::parse(status?).ok()
    }

    /// The members of [`Self::own_programs`] without the braces; empty when there are none.
    pub fn own_program_members(&self) -> &'a str {
        self.own_programs
            .get(1..self.own_programs.len() - 1)
            .unwrap_or_default()
    }

    /// Whether no enforcement action is unresolved, the usual case.
    pub fn is_untouched(&self) -> bool {
        self.open_actions == "[]"
    }

    /// The unresolved enforcement actions, oldest first; some may have reached their expiry.
    pub fn actions(&self) -> ActionViews<'a> {
        let inner = self.open_actions.strip_prefix('[');
        ActionViews {
            rest: inner
                .and_then(|inner| inner.strip_suffix(']'))
                .unwrap_or_default(),
        }
    }

    /// When the next action that is open at `now` ends by itself.
    pub fn next_expiry(&self, now: Timestamp) -> Result<Option<Timestamp>, DamagedDocument> {
        let mut next: Option<Timestamp> = None;
        for action in self.actions() {
            if let ActionKind::Restriction {
                expires_at: Some(expiry),
                ..
            } = action?.kind
                && expiry > now
            {
                next = Some(next.map_or(expiry, |earlier| earlier.min(expiry)));
            }
        }
        Ok(next)
    }

    /// What the actions open at `now` come to.
    pub fn enforcement_status(&self, now: Timestamp) -> Result<EnforcementStatus, DamagedDocument> {
        let mut rules = StatusRules::default();
        for action in self.actions() {
            let action = action?;
            if action.is_open_at(now) {
                rules.see(action.reason, action.kind);
            }
        }
        Ok(rules.status())
    }
}

/// The text of the status `active`.
const ACTIVE: &str = "\"active\"";

/// The operator's own programs, `"name":{"status":"…"}` each: names and statuses are plain.
struct OwnPrograms<'a> {
    rest: &'a str,
}

impl<'a> Iterator for OwnPrograms<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.rest.strip_prefix('"')?.split_once("\":")?;
        let (program, rest) = rest.split_once('}')?;
        self.rest = rest.strip_prefix(',').unwrap_or(rest);
        let status = program.strip_prefix("{\"status\":");
        Some((name, status.unwrap_or_default()))
    }
}

/// An unresolved enforcement action, borrowed from a document.
#[derive(Clone, Copy, Debug)]
pub struct ActionView<'a> {
    /// The object that the newest dialect shows, without the brace that ends it.
    pub shown: &'a str,
    /// Why it was taken.
    pub reason: Reason,
    /// Restriction or ban.
    pub kind: ActionKind,
}

impl ActionView<'_> {
    /// Whether its expiry, if it has one, is still to come.
    pub fn is_open_at(&self, now: Timestamp) -> bool {
        match self.kind {
            ActionKind::Ban => true,
            ActionKind::Restriction { expires_at, .. } => {
                expires_at.is_none_or(|expires_at| expires_at > now)
            }
        }
    }
}

/// The unresolved actions of a document, read without building them: their text has one form, the one
/// that [`super::ProfileDocument::encode`] gives it.
#[derive(Clone, Debug)]
pub struct ActionViews<'a> {
    rest: &'a str,
}

impl<'a> Iterator for ActionViews<'a> {
    type Item = Result<ActionView<'a>, DamagedDocument>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((action, rest)) = cut_action(self.rest) else {
            self.rest = "";
            return Some(Err(DamagedDocument(
                "an enforcement action does not fit".into(),
            )));
        };
        self.rest = rest.strip_prefix(',').unwrap_or(rest);
        Some(Ok(action))
    }
}

/// Cuts the first action off.
fn cut_action(text: &str) -> Option<(ActionView<'_>, &str)> {
    let (_, rest) = cut_value(text.strip_prefix("{\"id\":")?)?;
    let (next_step, rest) = cut_value(rest.strip_prefix(",\"action\":")?)?;
    let (expires_at, rest) = cut_value(rest.strip_prefix(",\"expires_at\":")?)?;
    let (_, rest) = cut_value(rest.strip_prefix(",\"opened_at\":")?)?;
    let (reason, rest) = cut_value(rest.strip_prefix(",\"reason\":")?)?;
    let (kind, rest) = cut_value(rest.strip_prefix(",\"type\":")?)?;
    let shown = &text[..text.len() - rest.len()];
    let submitted = rest.strip_prefix(",\"identity_check\":\"submitted\"");
    let check = match (next_step, submitted) {
        (Some(_), _) => IdentityCheck::Offered,
        (None, Some(_)) => IdentityCheck::Submitted,
        (None, None) => IdentityCheck::NotOffered,
    };
    let kind = match kind? {
        "restriction" => {
            let expires_at = expires_at.map(time::parse).transpose().ok()?;
            ActionKind::Restriction { expires_at, check }
        }
        "ban" => ActionKind::Ban,
        _ => return None,
    };
    let reason = Reason::parse(reason?).ok()?;
    let rest = submitted.unwrap_or(rest).strip_prefix('}')?;
    Some((
        ActionView {
            shown,
            reason,
            kind,
        },
        rest,
    ))
}

/// Cuts a plain string or null off: its content, and what follows it.
fn cut_value(text: &str) -> Option<(Option<&str>, &str)> {
    if let Some(rest) = text.strip_prefix("null") {
        return Some((None, rest));
    }
    let (value, rest) = text.strip_prefix('"')?.split_once('"')?;
    Some((Some(value), rest))
}

/// What takes the profiles of a page, one after the other in the order of the listing.
///
/// A store hands each row over while it still holds it, so that a page is copied from the storage's
/// memory straight into the answer; no page of owned profiles exists in between. A damaged profile is no
/// part of the page, and never left out in silence.
pub trait PageSink {
    /// Takes the next profile; the view is only valid during the call. After an error it is as if it had
    /// not been called.
    fn profile(&mut self, view: &ProfileView<'_>) -> Result<(), DamagedDocument>;

    /// Hears of a profile that belongs on the page and cannot be shown.
    fn damaged(&mut self, id: ProfileId, damage: DamagedDocument);
}

/// What a line may begin with: either of two characters.
type Beginnings = [u8; 2];
const TEXT: Beginnings = *b"\"\"";
const TEXT_OR_NULL: Beginnings = *b"\"n";
const OBJECT: Beginnings = *b"{{";
const OBJECT_OR_NULL: Beginnings = *b"{n";
const ARRAY: Beginnings = *b"[[";

/// How many lines there are from the id to the unresolved actions. What follows them nobody looks at here.
const LINES: usize = 13;

struct Lines<'a, 'e> {
    document: &'a str,
    /// Where the next one begins.
    start: usize,
    /// Where it and those after it end.
    ends: std::slice::Iter<'e, usize>,
}

impl<'a> Lines<'a, '_> {
    /// The value on the next line, which a comma ends.
    #[expect(
        clippy::inline_always,
        reason = "runs for every line of every profile; each call knows its beginnings"
    )]
    #[inline(always)]
    fn value(&mut self, [one, other]: Beginnings) -> Result<&'a str, DamagedDocument> {
        let end = self.ends.next().copied().unwrap_or(NOWHERE);
        let bytes = self.document.as_bytes();
        let first = bytes.get(self.start);
        let begins = first.is_some_and(|first| *first == one || *first == other);
        // The comma stands before the line break; of a line that is not there nothing does.
        let last = end.wrapping_sub(1);
        let value = match bytes.get(last) {
            Some(b',') if begins => self.document.get(self.start..last),
            _ => None,
        };
        let value = value.ok_or_else(|| self.damaged())?;
        self.start = end + 1;
        Ok(value)
    }

    /// What is wrong with the line that was taken last.
    #[cold]
    fn damaged(&self) -> DamagedDocument {
        let number = LINES - self.ends.len();
        let name = STORED_LINES[number - 1];
        DamagedDocument(format!("expected {name} on line {number}"))
    }
}

/// The end of a line that is not there.
const NOWHERE: usize = usize::MAX;

/// Where the first lines of `text` end, sixty-four bytes at a time: lines are so short that to search for each end anew
/// costs twice as much.
fn line_ends(text: &[u8]) -> [usize; LINES] {
    let mut ends = [NOWHERE; LINES];
    let mut places = ends.iter_mut();
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    for (number, block) in blocks.iter().chain([&last]).enumerate() {
        let mut found = line_breaks(block);
        while found != 0 {
            let Some(place) = places.next() else {
                return ends;
            };
            *place = number * BLOCK + found.trailing_zeros() as usize;
            found &= found - 1;
        }
    }
    ends
}

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// A bit for each byte that is a line break.
fn line_breaks(block: &[u8; BLOCK]) -> u64 {
    let breaks = u8x16::splat(b'\n');
    let quarters = block.as_chunks::<16>().0.iter().rev();
    quarters.fold(0, |found, bytes| {
        let bits = u8x16::new(*bytes).simd_eq(breaks).to_bitmask();
        found << 16 | u64::from(bits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_found_wherever_they_stand() {
        // Bytes beside a line break in each of their bits, and line breaks side by side.
        let end = "\n\u{b}\n\n\u{8}é\n\u{8a}0123456789\n\n\u{1}\u{ff}\n";
        for length in 0..=2 * BLOCK {
            let text = "-".repeat(length) + end;
            let text = text.as_bytes();
            let found = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            let mut expected = [NOWHERE; LINES];
            for (place, (at, _)) in expected.iter_mut().zip(found) {
                *place = at;
            }
            assert_eq!(line_ends(text), expected, "{length}");
        }
        assert_eq!(line_ends(&[b'\n'; 40])[LINES - 1], LINES - 1);
    }
}
