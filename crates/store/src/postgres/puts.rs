//! Whole records, many at a time: what each would do is worked out in memory from one look at the
//! database, then written in a handful of statements, however many records there are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rollcall_domain::audit::AuditEntry;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{EnforcementActionId, OrganizationId, ProfileId};
use rollcall_domain::profile::{Profile, ProfileRecord, Unmatched, import_audit};
use rollcall_record::document::ProfileDocument;

use super::commit::{Keep, kept_open};
use super::inserts::Insert;
use super::order::Names;
use super::overview::{self, Change, FOLDED};
use super::profile_rows::{actions, count, insert, open_actions, replace, slot};
use super::rows::{column, document, parsed, text};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::{Value, values};
use crate::columns::{day, text_lookup};
use crate::registry::{Put, PutMode};

/// Records to be written, the same for each attempt.
pub(super) struct Records<'a> {
    pub(super) keep: Keep<'a>,
    pub(super) sent: &'a [(OrganizationId, ProfileRecord)],
    pub(super) mode: PutMode,
}

/// What records must not overtake each other on. What one is matched with is not known before.
pub(super) fn names(records: &[(OrganizationId, ProfileRecord)], mode: PutMode) -> Names {
    if mode.match_reference {
        return Names::All;
    }
    Names::of(records.iter().flat_map(|(_, record)| {
        let actions = actions(&record.profile).map(|(id, _)| id);
        actions.chain([record.profile.id.as_str()])
    }))
}

/// The profiles that have references, two of each at the most.
const HOLDERS: &str = "SELECT wanted.organization, wanted.reference_id, holder.id \
    FROM unnest($1::text[], $2::text[]) AS wanted (organization, reference_id) \
    CROSS JOIN LATERAL (SELECT p.id FROM profiles p WHERE p.organization = wanted.organization \
    AND p.reference_id = wanted.reference_id ORDER BY p.created_at, p.id LIMIT 2) AS holder";

/// Whose an id is, of an organization that is known to be there.
static ID: Insert = Insert {
    one: "INSERT INTO profile_ids (id, organization) VALUES ($1, $2)",
    many: "INSERT INTO profile_ids (id, organization) SELECT * FROM unnest($1::text[], $2::text[])",
};

/// Waits until nobody else is about to use one of these references for the first time, and keeps others waiting
/// until the transaction ends; in one order everywhere, so that two imports do not lock each other out.
async fn first_use(tx: &mut Tx, references: &BTreeSet<(&str, &str)>) -> Result<(), Trouble> {
    let keys: BTreeSet<(&str, i64)> = references
        .iter()
        .map(|(organization, reference)| (*organization, text_lookup(reference)))
        .collect();
    let (organizations, lookups) = keys
        .into_iter()
        .map(|(organization, lookup)| (organization.to_owned(), lookup))
        .unzip();
    let keys = [Value::Texts(organizations), Value::Integers(lookups)];
    tx.write_now(
        "INSERT INTO first_uses (organization, reference) \
         SELECT * FROM unnest($1::text[], $2::bigint[])",
        &keys,
    )
    .await?;
    tx.write(
        "DELETE FROM first_uses WHERE (organization, reference) IN \
         (SELECT * FROM unnest($1::text[], $2::bigint[]))",
        keys,
    );
    Ok(())
}

/// A record on its way, or why it is nobody's.
type Matched<'a> = (
    &'a OrganizationId,
    Result<Cow<'a, ProfileRecord>, Unmatched>,
);

impl Records<'_> {
    pub(super) async fn run(&self, tx: &mut Tx) -> Result<Vec<Put>, Trouble> {
        let matched = self.matched(tx).await?;
        let mut known = Known::look(tx, &matched, self.keep.act().at).await?;
        self.keep.unless_applied(tx).await?;
        let puts: Vec<Put> = matched
            .iter()
            .zip(self.sent)
            .map(|((organization, record), (_, sent))| match record {
                // Its profile may be gone since it was found. Its id is not used again, least of all where it was erased.
                Ok(record) if record.profile.id != sent.profile.id && !known.has(record) => {
                    known.put(organization, sent)
                }
                Ok(record) => known.put(organization, record),
                Err(unmatched) => Put::Unmatched(unmatched.clone()),
            })
            .collect();
        if self.mode.dry_run {
            return Ok(puts);
        }
        known.write(tx);
        self.audit(tx, &puts, known.last.pop());
        known.count(tx);
        Ok(puts)
    }

    /// The records, each as that profile's whose it is.
    async fn matched(&self, tx: &mut Tx) -> Result<Vec<Matched<'_>>, Trouble> {
        let records = self.sent.iter();
        if !self.mode.match_reference {
            let as_they_are = |(organization, record)| (organization, Ok(Cow::Borrowed(record)));
            return Ok(records.map(|(o, r)| as_they_are((o, r))).collect());
        }
        let references: BTreeSet<(&str, &str)> = records
            .clone()
            .filter_map(|(organization, record)| {
                let reference = record.profile.details.reference_id.as_ref()?;
                Some((organization.as_str(), reference.as_str()))
            })
            .collect();
        if !self.mode.dry_run {
            first_use(tx, &references).await?;
        }
        let (organizations, references) = references
            .into_iter()
            .map(|(organization, reference)| (organization.to_owned(), reference.to_owned()))
            .unzip();
        let rows = tx
            .query(
                HOLDERS,
                &[Value::Texts(organizations), Value::Texts(references)],
            )
            .await?;
        let mut found: HashMap<(String, String), Vec<ProfileId>> = HashMap::new();
        for row in &rows {
            let holders = found.entry((column(row, 0)?, column(row, 1)?)).or_default();
            holders.push(parsed(row, 2, ProfileId::parse)?);
        }
        let matched = records.map(|(organization, record)| {
            let reference = record.profile.details.reference_id.as_ref();
            let holders = reference.and_then(|reference| {
                let key = (
                    organization.as_str().to_owned(),
                    reference.as_str().to_owned(),
                );
                found.get(&key)
            });
            let holders = holders.map_or(&[][..], Vec::as_slice);
            (organization, record.matched(holders).map(Cow::Owned))
        });
        Ok(matched.collect())
    }

    /// One audit entry for each organization; `last` is what was done to the record that was written last.
    fn audit(&self, tx: &mut Tx, puts: &[Put], last: Option<AuditEntry>) {
        let Some(last) = last else { return };
        let written = self
            .sent
            .iter()
            .zip(puts)
            .filter(|(_, put)| put.is_written());
        let mut organizations: BTreeMap<&OrganizationId, usize> = BTreeMap::new();
        for ((organization, _), _) in written {
            *organizations.entry(organization).or_default() += 1;
        }
        for (number, (organization, count)) in organizations.into_iter().enumerate() {
            let entry = import_audit(organization, self.sent.len(), count, last.clone());
            if number == 0 {
                self.keep.audit(tx, organization.as_str(), &[entry]);
            } else {
                self.keep.further_audit(tx, organization.as_str(), &entry);
            }
        }
    }
}

impl Put {
    fn is_written(&self) -> bool {
        match self {
            Self::Created | Self::Replaced => true,
            Self::Unchanged
            | Self::UnknownOrganization
            | Self::ForeignProfile
            | Self::ForeignAction(_)
            | Self::Unmatched(_) => false,
        }
    }
}

/// What the database says about the records' ids, and what the records before have made of it.
struct Known<'a> {
    organizations: HashSet<String>,
    /// Who has each profile id.
    owners: HashMap<String, String>,
    /// Which profile has each enforcement action id.
    holders: HashMap<String, String>,
    /// What is to be written in the end, by profile id.
    written: BTreeMap<&'a ProfileId, (&'a OrganizationId, Profile)>,
    /// The stored profiles that are replaced.
    replaced: BTreeSet<&'a ProfileId>,
    /// Changes of the counts, by organization, day and slot.
    counts: BTreeMap<(String, i64, i16), i64>,
    /// Changes of the figures, by organization.
    figures: BTreeMap<&'a str, Change>,
    /// What was done to the record that was written last.
    last: Vec<AuditEntry>,
    now: Timestamp,
    /// The first day that is not over.
    today: i64,
    /// What days that are not over are counted in.
    slot: i16,
    /// The stored profiles.
    stored: HashMap<String, Profile>,
}

impl<'a> Known<'a> {
    async fn look(
        tx: &mut Tx,
        matched: &'a [Matched<'a>],
        now: Timestamp,
    ) -> Result<Self, Trouble> {
        let records = matched
            .iter()
            .filter_map(|(o, record)| Some((*o, record.as_ref().ok()?)));
        let profiles: BTreeSet<&str> = records
            .clone()
            .map(|(_, record)| record.profile.id.as_str())
            .collect();
        // In one order everywhere, so that two imports do not lock each other out.
        let stored = tx
            .query(
                "SELECT p.id, p.organization, p.document FROM profile_ids i JOIN profiles p \
                 ON p.organization = i.organization AND p.id = i.id WHERE i.id = ANY ($1) \
                 ORDER BY p.id FOR UPDATE OF p",
                &[Value::Texts(owned(profiles))],
            )
            .await?;
        let organizations: BTreeSet<&str> = records.clone().map(|(o, _)| o.as_str()).collect();
        let organizations = kept_open(tx, owned(organizations)).await?;
        let ids: BTreeSet<&str> = records
            .flat_map(|(_, record)| actions(&record.profile))
            .map(|(id, _)| id)
            .collect();
        let holders = if ids.is_empty() {
            Vec::new()
        } else {
            tx.query(
                "SELECT id, profile_id FROM enforcement_actions WHERE id = ANY ($1)",
                &[Value::Texts(owned(ids))],
            )
            .await?
        };
        let mut known = Self {
            organizations,
            owners: HashMap::new(),
            holders: HashMap::new(),
            written: BTreeMap::new(),
            replaced: BTreeSet::new(),
            counts: BTreeMap::new(),
            figures: BTreeMap::new(),
            last: Vec::new(),
            now,
            today: day(now),
            slot: slot(),
            stored: HashMap::new(),
        };
        for row in &stored {
            let id = text(row, 0)?;
            known.owners.insert(id.to_owned(), column(row, 1)?);
            let profile = document(row, 2)?.decode()?;
            known.stored.insert(id.to_owned(), profile);
        }
        for row in &holders {
            known.holders.insert(column(row, 0)?, column(row, 1)?);
        }
        Ok(known)
    }

    /// Whether the profile that a record was matched with is still there, and has its reference.
    fn has(&self, record: &ProfileRecord) -> bool {
        let stored = self.stored.get(record.profile.id.as_str());
        stored.is_some_and(|it| it.details.reference_id == record.profile.details.reference_id)
    }

    /// What putting one record comes to, after those before it.
    fn put(&mut self, organization: &'a OrganizationId, record: &'a ProfileRecord) -> Put {
        if !self.organizations.contains(organization.as_str()) {
            return Put::UnknownOrganization;
        }
        let id = record.profile.id.as_str();
        let owner = self.owners.get(id);
        if owner.is_some_and(|owner| owner != organization.as_str()) {
            return Put::ForeignProfile;
        }
        for (action, _) in actions(&record.profile) {
            let holder = self.holders.get(action);
            if holder.is_some_and(|holder| holder != id)
                && let Ok(action) = EnforcementActionId::parse(action)
            {
                return Put::ForeignAction(action);
            }
        }
        self.put_over_own(organization, record)
    }

    /// Puts a record that may be put.
    fn put_over_own(&mut self, organization: &'a OrganizationId, record: &'a ProfileRecord) -> Put {
        let id = &record.profile.id;
        // What was put earlier in this very call is not stored yet; only the last one is written.
        let written = self.written.get(id).map(|(_, profile)| profile);
        let (result, profile) = match written.or_else(|| self.stored.get(id.as_str())) {
            None => {
                self.last = vec![record.profile.creation()];
                (Put::Created, record.profile.clone())
            }
            Some(before) => {
                let decided = record.replace(before, self.now);
                if !decided.changed {
                    return Put::Unchanged;
                }
                let (day, open) = (day(before.created_at), open_actions(before));
                for (action, _) in actions(before) {
                    if self.holders.get(action).is_some_and(|it| it == id.as_str()) {
                        self.holders.remove(action);
                    }
                }
                self.change_count(organization, day, -1);
                self.change_open(organization, -open);
                if self.stored.contains_key(id.as_str()) {
                    self.replaced.insert(id);
                }
                self.last = decided.audit;
                (Put::Replaced, decided.value)
            }
        };
        self.change_count(organization, day(profile.created_at), 1);
        self.change_open(organization, open_actions(&profile));
        let owner = organization.as_str().to_owned();
        self.owners.insert(id.as_str().to_owned(), owner);
        for (action, _) in actions(&profile) {
            let holder = id.as_str().to_owned();
            self.holders.insert(action.to_owned(), holder);
        }
        self.written.insert(id, (organization, profile));
        result
    }

    /// Days that are over are counted in their one row at once: a load of old records would fill every
    /// slot of years.
    fn change_count(&mut self, organization: &'a OrganizationId, day: i64, by: i64) {
        let slot = if day < self.today {
            let figures = self.figures.entry(organization.as_str()).or_default();
            figures.folded += by;
            FOLDED
        } else {
            self.slot
        };
        let key = (organization.as_str().to_owned(), day, slot);
        *self.counts.entry(key).or_default() += by;
    }

    fn change_open(&mut self, organization: &'a OrganizationId, by: i64) {
        let figures = self.figures.entry(organization.as_str()).or_default();
        figures.open_actions += by;
    }

    /// Writes everything in a few statements.
    fn write(&self, tx: &mut Tx) {
        if !self.replaced.is_empty() {
            let keys = self.replaced.iter().filter_map(|id| {
                let (organization, _) = self.written.get(*id)?;
                Some((organization.as_str().to_owned(), id.as_str().to_owned()))
            });
            let (organizations, ids) = keys.unzip();
            let keys = [Value::Texts(organizations), Value::Texts(ids)];
            tx.write(
                "DELETE FROM profile_programs WHERE (organization, profile_id) IN \
                 (SELECT * FROM unnest($1::text[], $2::text[]))",
                keys.clone(),
            );
            tx.write(
                "DELETE FROM enforcement_actions WHERE (organization, profile_id) IN \
                 (SELECT * FROM unnest($1::text[], $2::text[]))",
                keys,
            );
        }
        for (id, (organization, profile)) in &self.written {
            let (owner, document) = (organization.as_str(), ProfileDocument::encode(profile));
            if self.replaced.contains(id) {
                replace(tx, owner, profile, &document);
            } else {
                tx.insert(&ID, values![id.as_str(), owner]);
                insert(tx, owner, profile, &document);
            }
        }
    }

    fn count(self, tx: &mut Tx) {
        // In the order of their keys, so that two imports do not lock each other out.
        for (organization, change) in self.figures {
            overview::count(tx, organization, change);
        }
        for ((organization, day, slot), change) in self.counts {
            if change != 0 {
                count(tx, &organization, day, slot, change);
            }
        }
    }
}

fn owned(texts: BTreeSet<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}
