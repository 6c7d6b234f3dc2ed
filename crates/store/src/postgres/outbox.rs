//! The outbox: how deliveries come to be, are claimed, and end. See [`crate::deliveries`] for what is
//! promised.
//!
//! Nothing here looks at more rows than it changes, however many wait: the endpoints that wait are
//! found by hopping over the index of due deliveries, and a claim reads at most as many deliveries of an
//! endpoint as it may lease. An endpoint's row is the lock under which its deliveries are claimed and
//! recorded, so any number of workers stay within what one endpoint may have under way.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{DeliveryStatus, EndpointHealth, UnderWay, conclude};
use rollcall_domain::id::{DeliveryId, EventId, Ids, ProfileId, WebhookEndpointId};
use rollcall_domain::webhook::{AutoDisabled, EndpointState, WebhookEndpoint};
use rollcall_record::attempts;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio_postgres::Row;

use super::commit::{Keep, stays_open};
use super::endpoint_rows;
use super::rows::{column, damaged, number, optional_timestamp, parsed, timestamp};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::{Value, values};
use crate::Stored;
use crate::claim::{Room, Waiting};
use crate::columns::events_text;
use crate::deliveries::{AttemptReport, Claim, Claimed, ClaimedAttempt, Recorded};
use crate::webhooks::{OwnedEndpoint, SealedSecret};

/// How many deliveries are canceled at once, so that no write waits behind a large backlog.
const CANCEL_AT_ONCE: usize = 1_000;

/// Keeps a changed endpoint, and does what a change of its state asks for: one that is disabled loses
/// what waits for it, one that is enabled again begins with nothing waiting and in good health.
pub(super) fn store_endpoint(
    tx: &mut Tx,
    before: &WebhookEndpoint,
    after: &WebhookEndpoint,
    secret: &SealedSecret,
    now: Timestamp,
) {
    let id = &after.id;
    tx.write(
        "UPDATE webhook_endpoints SET updated_at = $2, description = $3, name = $4, url = $5, \
         enabled_events = $6, state = $7, disabled_reason = $8, key_id = $9, sealed_secret = $10 \
         WHERE id = $1",
        values![
            id.as_str(),
            after.updated_at,
            after.description.as_str(),
            after.name.as_str(),
            after.url.as_str(),
            events_text(&after.enabled_events),
            after.state.as_str(),
            after.disabled_reason.map(AutoDisabled::as_str),
            secret.key_id.as_str(),
            &secret.bytes[..],
        ],
    );
    match (before.state, after.state) {
        (EndpointState::Enabled, EndpointState::Disabled) => cancel_some(tx, id, now),
        (EndpointState::Disabled, EndpointState::Enabled) => {
            cancel_all(tx, id, now);
            endpoint_rows::store_health(tx, id, EndpointHealth::default());
        }
        (EndpointState::Enabled, EndpointState::Enabled)
        | (EndpointState::Disabled, EndpointState::Disabled) => {}
    }
}

/// An event as it is kept.
pub(super) struct KeptEvent<'a> {
    pub(super) id: &'a EventId,
    pub(super) organization: &'a str,
    pub(super) event_type: &'a str,
    pub(super) created_at: Timestamp,
    pub(super) profile_id: &'a str,
    pub(super) body: &'a str,
}

/// Keeps an event with its body as it will be sent.
pub(super) fn keep_event(tx: &mut Tx, event: &KeptEvent<'_>) {
    tx.write(
        "INSERT INTO events (organization, id, type, created_at, profile_id, body) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        values![
            event.organization,
            event.id.as_str(),
            event.event_type,
            event.created_at,
            event.profile_id,
            event.body,
        ],
    );
}

/// Adds the delivery of an event to an endpoint, due at once.
pub(super) fn add(
    tx: &mut Tx,
    id: &DeliveryId,
    event: &KeptEvent<'_>,
    endpoint_id: &WebhookEndpointId,
    now: Timestamp,
) {
    tx.write(
        "INSERT INTO webhook_deliveries (organization, id, endpoint_id, event_id, status, \
         stored_at, created_at, due_at) VALUES ($1, $2, $3, $4, 'pending', \
         (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $5, $5)",
        values![
            event.organization,
            id.as_str(),
            endpoint_id.as_str(),
            event.id.as_str(),
            now,
        ],
    );
    tx.adds_deliveries();
}

const CANCEL_SOME: &str = "UPDATE webhook_deliveries SET status = 'canceled', due_at = NULL, \
    finished_at = $2 WHERE (organization, id) IN (SELECT organization, id FROM webhook_deliveries \
      WHERE endpoint_id = $1 AND due_at IS NOT NULL ORDER BY due_at LIMIT $3)";

/// Cancels what waits for an endpoint, as far as one write may go.
pub(super) fn cancel_some(tx: &mut Tx, endpoint_id: &WebhookEndpointId, now: Timestamp) {
    tx.write(
        CANCEL_SOME,
        values![endpoint_id.as_str(), now, CANCEL_AT_ONCE],
    );
}

/// Cancels everything that waits for an endpoint.
pub(super) fn cancel_all(tx: &mut Tx, endpoint_id: &WebhookEndpointId, now: Timestamp) {
    tx.write(
        "UPDATE webhook_deliveries SET status = 'canceled', due_at = NULL, finished_at = $2 \
         WHERE endpoint_id = $1 AND due_at IS NOT NULL",
        values![endpoint_id.as_str(), now],
    );
}

/// The endpoints that deliveries wait for, the one whose first is due earliest first: one hop over the
/// index for each.
pub(super) const WAITING_ENDPOINTS: &str = "WITH RECURSIVE waiting AS ( \
      (SELECT endpoint_id, due_at FROM webhook_deliveries WHERE due_at IS NOT NULL \
       ORDER BY endpoint_id, due_at LIMIT 1) \
      UNION ALL \
      (SELECT next.endpoint_id, next.due_at FROM waiting CROSS JOIN LATERAL \
        (SELECT d.endpoint_id, d.due_at FROM webhook_deliveries d \
         WHERE d.due_at IS NOT NULL AND d.endpoint_id > waiting.endpoint_id \
         ORDER BY d.endpoint_id, d.due_at LIMIT 1) AS next) \
    ) SELECT endpoint_id, due_at FROM waiting ORDER BY due_at";

/// A claim of one endpoint's deliveries: a transaction of its own, the same for each attempt.
pub(super) struct EndpointClaim<'a> {
    pub(super) claim: &'a Claim,
    pub(super) endpoint_id: &'a WebhookEndpointId,
    /// How many may be claimed at the most.
    pub(super) left: usize,
    /// Names this call in what it claims.
    pub(super) mark: String,
}

impl EndpointClaim<'_> {
    pub(super) async fn run(&self, tx: &mut Tx) -> Result<Claimed, Trouble> {
        let (claim, id) = (self.claim, self.endpoint_id);
        let endpoint = endpoint_rows::lock(tx, id).await?;
        if tx.is_in_doubt() {
            let marked = tx
                .query(
                    "SELECT 1 FROM webhook_deliveries WHERE endpoint_id = $1 \
                     AND lease_owner IS NOT NULL AND mark = $2 LIMIT 1",
                    &values![id.as_str(), self.mark.as_str()],
                )
                .await?;
            if !marked.is_empty() {
                return Err(Trouble::Applied);
            }
        }
        let Some(owned) = endpoint.filter(|owned| owned.endpoint.is_enabled()) else {
            let sql = format!("WITH gone AS ({CANCEL_SOME} RETURNING 1) SELECT count(*) FROM gone");
            let parameters = values![id.as_str(), claim.now, CANCEL_AT_ONCE];
            let rows = tx.write_now(&sql, &parameters).await?;
            let canceled = rows.first().map_or(Ok(0), |row| number(row, 0))?;
            let more = usize::try_from(canceled) == Ok(CANCEL_AT_ONCE);
            return Ok(Claimed::nothing_until(more.then_some(claim.now)));
        };
        if let Some(rest) = claim.rest(owned.health) {
            return Ok(Claimed::nothing_until(Some(rest)));
        }
        let room = Room::beside(self.leases(tx).await?);
        let waiting = match room.free {
            0 => Vec::new(),
            free => self.waiting(tx, free + 1).await?,
        };
        let round = claim.round(&room, self.left, owned.health, waiting);
        let begin = round.begin.into_iter();
        let attempts = begin.map(|waiting| self.lease(tx, &owned, waiting));
        let attempts = attempts.collect();
        if let Some(health) = round.health {
            endpoint_rows::store_health(tx, id, health);
        }
        Ok(Claimed {
            attempts,
            next: round.next,
            full: round.full,
        })
    }

    /// The leases on the endpoint's deliveries; for each that another worker holds, when it ends.
    async fn leases(&self, tx: &mut Tx) -> Result<Vec<Option<Timestamp>>, Trouble> {
        let claim = self.claim;
        let rows = tx
            .query(
                "SELECT CASE WHEN lease_owner = $2 THEN NULL ELSE due_at END \
                 FROM webhook_deliveries WHERE endpoint_id = $1 AND lease_owner IS NOT NULL \
                 AND due_at IS NOT NULL \
                 AND (lease_owner = $2 OR (due_at > $3 AND due_at <= $4))",
                &values![
                    self.endpoint_id.as_str(),
                    claim.owner.as_str(),
                    claim.now,
                    claim.latest,
                ],
            )
            .await?;
        let leases = rows.iter().map(|row| optional_timestamp(row, 0));
        Ok(leases.collect::<Stored<_>>()?)
    }

    /// The deliveries that nobody has under way, as far as this worker is concerned.
    async fn waiting(&self, tx: &mut Tx, limit: usize) -> Result<Vec<Waiting<String>>, Trouble> {
        let claim = self.claim;
        let rows = tx
            .query(
                "SELECT d.organization, d.id, d.event_id, v.body, d.created_at, d.due_at, \
                 d.started_at, d.fence, d.tries, d.attempts FROM webhook_deliveries d \
                 JOIN events v ON v.organization = d.organization AND v.id = d.event_id \
                 WHERE d.endpoint_id = $1 AND d.due_at IS NOT NULL \
                 AND (d.lease_owner IS NULL \
                   OR (d.lease_owner <> $2 AND (d.due_at <= $3 OR d.due_at > $4))) \
                 ORDER BY d.due_at, d.stored_at, d.id LIMIT $5",
                &values![
                    self.endpoint_id.as_str(),
                    claim.owner.as_str(),
                    claim.now,
                    claim.latest,
                    limit,
                ],
            )
            .await?;
        Ok(rows.iter().map(waiting).collect::<Stored<_>>()?)
    }

    fn lease(
        &self,
        tx: &mut Tx,
        endpoint: &OwnedEndpoint,
        waiting: Waiting<String>,
    ) -> ClaimedAttempt {
        let claim = self.claim;
        let (organization, all) = (waiting.key.clone(), waiting.all_attempts());
        let claimed = waiting.begin(endpoint);
        tx.write(
            "UPDATE webhook_deliveries SET lease_owner = $3, mark = $4, fence = $5, due_at = $6, \
             started_at = $7, tries = $8, attempts = $9 WHERE organization = $1 AND id = $2",
            values![
                organization,
                claimed.delivery_id.as_str(),
                claim.owner.as_str(),
                self.mark.as_str(),
                claimed.fence,
                claim.lease_until,
                claim.now,
                i64::from(claimed.number),
                attempts::write(&all),
            ],
        );
        claimed
    }
}

/// Puts the end of leases off. A fencing number is given once, so it says that the lease is still the
/// one that was claimed. The rows are locked in the order in which recording locks them.
pub(super) const RENEW: &str = "UPDATE webhook_deliveries d SET due_at = $3 FROM \
    (SELECT w.organization, w.id FROM unnest($1, $2) AS lease (id, fence) \
     JOIN webhook_deliveries w ON w.id = lease.id AND w.fence = lease.fence \
     WHERE w.lease_owner IS NOT NULL AND w.due_at IS NOT NULL ORDER BY w.id FOR UPDATE OF w) AS held \
    WHERE d.organization = held.organization AND d.id = held.id";

fn waiting(row: &Row) -> Stored<Waiting<String>> {
    Ok(Waiting {
        key: column(row, 0)?,
        id: parsed(row, 1, DeliveryId::parse)?,
        event_id: parsed(row, 2, EventId::parse)?,
        body: column(row, 3)?,
        created_at: timestamp(row, 4)?,
        due_at: timestamp(row, 5)?,
        started_at: optional_timestamp(row, 6)?,
        fence: number(row, 7)?,
        tries: u32::try_from(number(row, 8)?).map_err(|_| damaged("a count of tries"))?,
        attempts: parsed(row, 9, attempts::read)?,
    })
}

/// Empties the events of a profile and what their receivers answered, and cancels what waits.
pub(super) fn erase_events_of(
    tx: &mut Tx,
    organization: &str,
    profile: &ProfileId,
    now: Timestamp,
) {
    tx.write(
        "UPDATE webhook_deliveries SET attempts = '[]', due_at = NULL, \
         status = CASE WHEN status = 'pending' THEN 'canceled' ELSE status END, \
         finished_at = coalesce(finished_at, $3) WHERE event_id IN \
         (SELECT id FROM events WHERE profile_id = $1 AND organization = $2)",
        values![profile.as_str(), organization, now],
    );
    tx.write(
        "UPDATE events SET body = '{}' WHERE profile_id = $1 AND organization = $2",
        values![profile.as_str(), organization],
    );
}

/// Attempts to be recorded in one transaction, the same for each attempt of that.
pub(super) struct Reports<'a> {
    pub(super) ids: &'a Ids,
    pub(super) all: &'a [AttemptReport],
    /// Names this call in what it records.
    pub(super) mark: String,
}

/// A delivery whose attempt is being recorded, and who holds it.
struct Held {
    organization: String,
    endpoint_id: WebhookEndpointId,
    lease_owner: Option<String>,
    fence: i64,
    delivery: UnderWay,
}

impl Held {
    fn is_held_under(&self, report: &AttemptReport) -> bool {
        self.lease_owner.as_deref() == Some(report.owner.as_str()) && self.fence == report.fence
    }
}

/// What is being recorded about, as it becomes report by report.
struct Recording {
    deliveries: HashMap<String, Held>,
    endpoints: BTreeMap<WebhookEndpointId, OwnedEndpoint>,
}

impl Reports<'_> {
    pub(super) async fn run(&self, tx: &mut Tx) -> Result<Vec<Recorded>, Trouble> {
        let mut recording = self.look(tx).await?;
        let mut recorded = Vec::with_capacity(self.all.len());
        for report in self.all {
            recorded.push(self.record(tx, &mut recording, report).await?);
        }
        Ok(recorded)
    }

    /// Locks the endpoints, then the deliveries.
    async fn look(&self, tx: &mut Tx) -> Result<Recording, Trouble> {
        let ids: BTreeSet<&str> = self
            .all
            .iter()
            .map(|report| report.delivery_id.as_str())
            .collect();
        let ids = Value::Texts(ids.into_iter().map(str::to_owned).collect());
        let concerned = tx
            .query(
                "SELECT DISTINCT endpoint_id FROM webhook_deliveries WHERE id = ANY ($1)",
                std::slice::from_ref(&ids),
            )
            .await?;
        let concerned = concerned.iter().map(|row| column(row, 0));
        let endpoints = endpoint_rows::lock_all(tx, concerned.collect::<Stored<_>>()?).await?;
        let rows = tx
            .query(
                "SELECT id, organization, endpoint_id, status, lease_owner, fence, attempts, \
                 mark = $2, tries FROM webhook_deliveries WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
                &[ids, self.mark.as_str().into()],
            )
            .await?;
        let mut deliveries = HashMap::new();
        for row in &rows {
            if column::<Option<bool>>(row, 7)? == Some(true) {
                return Err(Trouble::Applied);
            }
            let tries = u32::try_from(number(row, 8)?);
            let delivery = UnderWay {
                status: parsed(row, 3, DeliveryStatus::parse)?,
                attempts: parsed(row, 6, attempts::read)?,
                tries: tries.map_err(|_| damaged("a count of tries"))?,
            };
            let held = Held {
                organization: column(row, 1)?,
                endpoint_id: parsed(row, 2, WebhookEndpointId::parse)?,
                lease_owner: column(row, 4)?,
                fence: number(row, 5)?,
                delivery,
            };
            deliveries.insert(column(row, 0)?, held);
        }
        let endpoints = endpoints
            .into_iter()
            .map(|owned| (owned.endpoint.id.clone(), owned))
            .collect();
        Ok(Recording {
            deliveries,
            endpoints,
        })
    }

    async fn record(
        &self,
        tx: &mut Tx,
        recording: &mut Recording,
        report: &AttemptReport,
    ) -> Result<Recorded, Trouble> {
        let id = report.delivery_id.as_str();
        // Taken out: a second report under the same number would be stale.
        let held = match recording.deliveries.entry(id.to_owned()) {
            Entry::Occupied(held) if held.get().is_held_under(report) => held.remove(),
            Entry::Occupied(_) | Entry::Vacant(_) => return Ok(Recorded::Stale),
        };
        let mut endpoint = recording.endpoints.get_mut(&held.endpoint_id);
        let judged = endpoint.as_deref();
        let judged = judged.map(|owned| (&owned.endpoint, owned.health));
        let conclusion = conclude(report, held.delivery, judged);
        let disabled = conclusion.disabled_reason();
        // Of an organization whose end has begun it is nobody's any more; the other reports are.
        if disabled.is_some() && !stays_open(tx, &held.organization).await? {
            return Ok(Recorded::Stale);
        }
        tx.write(
            "UPDATE webhook_deliveries SET status = $3, finished_at = $4, due_at = $5, \
             lease_owner = NULL, mark = $6, started_at = NULL, attempts = $7 \
             WHERE organization = $1 AND id = $2",
            values![
                held.organization.as_str(),
                id,
                conclusion.status.as_str(),
                conclusion.finished_at,
                conclusion.next_attempt_at,
                self.mark.as_str(),
                attempts::write(&conclusion.attempts),
            ],
        );
        // The usual case writes nothing.
        if let (Some(owned), Some(health)) = (&mut endpoint, conclusion.health) {
            endpoint_rows::store_health(tx, &owned.endpoint.id, health);
            owned.health = health;
        }
        if let (Some(owned), Some(decided)) = (&mut endpoint, conclusion.disabled) {
            let secret = &owned.secret;
            store_endpoint(tx, &owned.endpoint, &decided.value, secret, report.now);
            let organization = owned.organization_id.as_str();
            Keep::new(self.ids, &report.act()).audit(tx, organization, &decided.audit);
            owned.endpoint = decided.value;
        }
        Ok(Recorded::Kept {
            status: conclusion.status,
            disabled,
        })
    }
}
