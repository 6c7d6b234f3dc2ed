//! The outbox: how deliveries come to be, are claimed, and end. See [`crate::deliveries`] for what is
//! promised.
//!
//! Nothing here looks at more rows than it changes, however many wait: the endpoints that wait are
//! found by hopping over the index of due deliveries, and a claim reads at most as many deliveries of an
//! endpoint as it may lease. An endpoint's row is the lock under which its deliveries are claimed and
//! recorded, so any number of workers stay within what one endpoint may have under way.

use rollcall_domain::audit::{Act, Actor};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{
    Attempt, DeliveryStatus, EndpointHealth, IN_FLIGHT_PER_ENDPOINT, Outcome,
};
use rollcall_domain::id::{DeliveryId, EventId, Ids, ProfileId, WebhookEndpointId};
use rollcall_domain::webhook::AutoDisabled;
use rollcall_record::attempts;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio_postgres::Row;

use super::commit::Keep;
use super::rows::{column, damaged, number, optional_timestamp, parsed, timestamp};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::{Value, values};
use super::webhooks::{self, EndpointRow};
use crate::Stored;
use crate::deliveries::{AttemptReport, Claim, ClaimedAttempt, Recorded};

/// How many deliveries are canceled at once, so that no write waits behind a large backlog.
const CANCEL_AT_ONCE: usize = 1_000;

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
    ids: &Ids,
    event: &KeptEvent<'_>,
    endpoint_id: &WebhookEndpointId,
    now: Timestamp,
) -> DeliveryId {
    let id = ids.delivery(now);
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
    id
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

/// What a claim of one endpoint's deliveries came to.
pub(super) struct EndpointClaimed {
    pub(super) attempts: Vec<ClaimedAttempt>,
    pub(super) next: Option<Timestamp>,
    pub(super) full: bool,
}

impl EndpointClaim<'_> {
    pub(super) async fn run(&self, tx: &mut Tx) -> Result<EndpointClaimed, Trouble> {
        let (claim, id) = (self.claim, self.endpoint_id);
        let endpoint = webhooks::lock(tx, id).await?;
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
        let nothing = |next| EndpointClaimed {
            attempts: Vec::new(),
            next,
            full: false,
        };
        let Some(endpoint) = endpoint.filter(EndpointRow::is_enabled) else {
            let sql = format!("WITH gone AS ({CANCEL_SOME} RETURNING 1) SELECT count(*) FROM gone");
            let parameters = values![id.as_str(), claim.now, CANCEL_AT_ONCE];
            let rows = tx.write_now(&sql, &parameters).await?;
            let canceled = rows.first().map_or(Ok(0), |row| number(row, 0))?;
            let more = usize::try_from(canceled) == Ok(CANCEL_AT_ONCE);
            return Ok(nothing(more.then_some(claim.now)));
        };
        if let Some(rest) = endpoint.rests_until.filter(|rest| !claim.is_over(*rest)) {
            return Ok(nothing(Some(rest)));
        }
        let leases = self.leases(tx).await?;
        let free = IN_FLIGHT_PER_ENDPOINT.saturating_sub(leases.len());
        let lease_ends = leases.into_iter().flatten().min();
        if free == 0 {
            return Ok(EndpointClaimed {
                full: true,
                ..nothing(lease_ends)
            });
        }
        // One more than can be claimed says when the next is due.
        let (mut attempts, mut next_due) = (Vec::new(), None);
        for waiting in &self.waiting(tx, free + 1).await? {
            if attempts.len() < free.min(self.left) && claim.is_over(waiting.due_at) {
                attempts.push(self.lease(tx, &endpoint, waiting));
            } else if next_due.is_none() {
                next_due = Some(waiting.due_at);
            }
        }
        let due = attempts.len();
        let full = due == free;
        let rests_until = endpoint.owned.health.rests_until(claim.now);
        if due > 0 && rests_until.is_some() {
            webhooks::store_health(tx, id, endpoint.owned.health, rests_until);
            return Ok(EndpointClaimed {
                attempts,
                next: rests_until,
                full,
            });
        }
        let next_due = next_due.filter(|_| due < free);
        let next = [lease_ends, next_due].into_iter().flatten().min();
        Ok(EndpointClaimed {
            attempts,
            next,
            full,
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
    async fn waiting(&self, tx: &mut Tx, limit: usize) -> Result<Vec<Waiting>, Trouble> {
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
        Ok(rows.iter().map(Waiting::read).collect::<Stored<_>>()?)
    }

    fn lease(&self, tx: &mut Tx, endpoint: &EndpointRow, waiting: &Waiting) -> ClaimedAttempt {
        let claim = self.claim;
        let mut all = waiting.attempts.clone();
        all.extend(waiting.started_at.map(Attempt::unknown));
        let (fence, tries) = (waiting.fence + 1, waiting.tries + 1);
        tx.write(
            "UPDATE webhook_deliveries SET lease_owner = $3, mark = $4, fence = $5, due_at = $6, \
             started_at = $7, tries = $8, attempts = $9 WHERE organization = $1 AND id = $2",
            values![
                waiting.organization.as_str(),
                waiting.id.as_str(),
                claim.owner.as_str(),
                self.mark.as_str(),
                fence,
                claim.lease_until,
                claim.now,
                i64::from(tries),
                attempts::write(&all),
            ],
        );
        let owned = &endpoint.owned;
        ClaimedAttempt {
            delivery_id: waiting.id.clone(),
            fence,
            number: tries,
            organization_id: owned.organization_id.clone(),
            endpoint_id: owned.endpoint.id.clone(),
            url: owned.endpoint.url.clone(),
            secret: owned.secret.clone(),
            event_id: waiting.event_id.clone(),
            created_at: waiting.created_at,
            body: waiting.body.clone(),
        }
    }
}

/// Puts the end of leases off. A fencing number is given once, so it says that the lease is still the
/// one that was claimed. The rows are locked in the order in which recording locks them.
pub(super) const RENEW: &str = "UPDATE webhook_deliveries d SET due_at = $3 FROM \
    (SELECT w.organization, w.id FROM unnest($1, $2) AS lease (id, fence) \
     JOIN webhook_deliveries w ON w.id = lease.id AND w.fence = lease.fence \
     WHERE w.lease_owner IS NOT NULL AND w.due_at IS NOT NULL ORDER BY w.id FOR UPDATE OF w) AS held \
    WHERE d.organization = held.organization AND d.id = held.id";

/// A delivery that can be claimed.
struct Waiting {
    organization: String,
    id: DeliveryId,
    event_id: EventId,
    body: String,
    created_at: Timestamp,
    due_at: Timestamp,
    started_at: Option<Timestamp>,
    fence: i64,
    tries: u32,
    attempts: Vec<Attempt>,
}

impl Waiting {
    fn read(row: &Row) -> Stored<Self> {
        Ok(Self {
            organization: column(row, 0)?,
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

/// A delivery whose attempt is being recorded.
struct UnderWay {
    organization: String,
    endpoint_id: WebhookEndpointId,
    status: DeliveryStatus,
    lease_owner: Option<String>,
    fence: i64,
    tries: u32,
    attempts: Vec<Attempt>,
}

/// What is being recorded about, as it becomes report by report.
struct Recording {
    deliveries: HashMap<String, UnderWay>,
    endpoints: BTreeMap<WebhookEndpointId, EndpointRow>,
}

impl Reports<'_> {
    pub(super) async fn run(&self, tx: &mut Tx) -> Result<Vec<Recorded>, Trouble> {
        let mut recording = self.look(tx).await?;
        let mut recorded = Vec::with_capacity(self.all.len());
        for report in self.all {
            recorded.push(self.record(tx, &mut recording, report));
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
        let endpoints = webhooks::lock_all(tx, concerned.collect::<Stored<_>>()?).await?;
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
            let under_way = UnderWay {
                organization: column(row, 1)?,
                endpoint_id: parsed(row, 2, WebhookEndpointId::parse)?,
                status: parsed(row, 3, DeliveryStatus::parse)?,
                lease_owner: column(row, 4)?,
                fence: number(row, 5)?,
                attempts: parsed(row, 6, attempts::read)?,
                tries: u32::try_from(number(row, 8)?).map_err(|_| damaged("a count of tries"))?,
            };
            deliveries.insert(column(row, 0)?, under_way);
        }
        let endpoints = endpoints
            .into_iter()
            .map(|row| (row.owned.endpoint.id.clone(), row))
            .collect();
        Ok(Recording {
            deliveries,
            endpoints,
        })
    }

    fn record(&self, tx: &mut Tx, recording: &mut Recording, report: &AttemptReport) -> Recorded {
        let Some(under_way) = recording.deliveries.get_mut(report.delivery_id.as_str()) else {
            return Recorded::Stale;
        };
        if under_way.lease_owner.as_deref() != Some(report.owner.as_str())
            || under_way.fence != report.fence
        {
            return Recorded::Stale;
        }
        under_way.attempts.push(report.attempt.clone());
        under_way.lease_owner = None;
        let endpoint = recording.endpoints.get_mut(&under_way.endpoint_id);
        let endpoint = endpoint.filter(|row| row.is_enabled());
        // Disabled or deleted meanwhile: canceled already, or about to be.
        let canceled = under_way.status == DeliveryStatus::Canceled || endpoint.is_none();
        let status = match (report.outcome, report.retry_at) {
            (Outcome::Succeeded, _) => DeliveryStatus::Delivered,
            (_, _) if canceled => DeliveryStatus::Canceled,
            (Outcome::Failed, Some(_)) => DeliveryStatus::Pending,
            (Outcome::Failed, None) | (Outcome::Disabling(_), _) => DeliveryStatus::Failed,
        };
        let pending = status == DeliveryStatus::Pending;
        tx.write(
            "UPDATE webhook_deliveries SET status = $3, finished_at = $4, due_at = $5, \
             lease_owner = NULL, mark = $6, started_at = NULL, attempts = $7 \
             WHERE organization = $1 AND id = $2",
            values![
                under_way.organization.as_str(),
                report.delivery_id.as_str(),
                status.as_str(),
                (!pending).then_some(report.now),
                report.retry_at.filter(|_| pending),
                self.mark.as_str(),
                attempts::write(&under_way.attempts),
            ],
        );
        under_way.status = status;
        let disabled = endpoint.and_then(|endpoint| {
            let health = endpoint.owned.health;
            let lost = status == DeliveryStatus::Failed
                && !health.has_counted(&under_way.attempts, under_way.tries);
            self.judge(tx, report, endpoint, lost)
        });
        Recorded::Kept { status, disabled }
    }

    /// What an attempt means for its endpoint; answers with why it was disabled, if it was.
    fn judge(
        &self,
        tx: &mut Tx,
        report: &AttemptReport,
        endpoint: &mut EndpointRow,
        lost: bool,
    ) -> Option<AutoDisabled> {
        let id = endpoint.owned.endpoint.id.clone();
        if report.outcome == Outcome::Succeeded {
            // The usual case writes nothing.
            if endpoint.owned.health != EndpointHealth::default() || endpoint.rests_until.is_some()
            {
                endpoint.owned.health = EndpointHealth::default();
                endpoint.rests_until = None;
                webhooks::store_health(tx, &id, endpoint.owned.health, None);
            }
            return None;
        }
        endpoint.owned.health = endpoint.owned.health.after_failure(report.attempt.at, lost);
        webhooks::store_health(tx, &id, endpoint.owned.health, endpoint.rests_until);
        let reason = match report.outcome {
            Outcome::Disabling(reason) => Some(reason),
            Outcome::Succeeded | Outcome::Failed => endpoint
                .owned
                .health
                .has_failed_for(report.disable_after, report.now)
                .then_some(AutoDisabled::SustainedFailures),
        };
        let reason = reason?;
        let decided = endpoint.owned.endpoint.disable(reason, report.now);
        let act = Act {
            actor: Actor::system("webhook-worker"),
            at: report.now,
        };
        let secret = endpoint.owned.secret.clone();
        webhooks::store(tx, endpoint, &decided.value, &secret, report.now);
        let organization = endpoint.owned.organization_id.as_str();
        Keep::new(self.ids, &act).audit(tx, organization, &decided.audit);
        endpoint.owned.endpoint = decided.value;
        Some(reason)
    }
}
