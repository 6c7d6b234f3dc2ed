//! The outbox: how deliveries come to be, are claimed, and end. See [`crate::deliveries`] for what is
//! promised.
//!
//! Nothing here looks at more rows than it changes, however many wait: the endpoints that wait are
//! found by hopping over the index of due deliveries, one hop each, and a claim reads at most as many
//! deliveries of an endpoint as it may lease.

use rollcall_domain::audit::{Act, Actor};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{
    Attempt, DeliveryStatus, EndpointHealth, IN_FLIGHT_PER_ENDPOINT, Outcome,
};
use rollcall_domain::id::{DeliveryId, EventId, Ids, ProfileId, WebhookEndpointId};
use rollcall_domain::webhook::{AutoDisabled, EndpointState};
use rusqlite::{Connection, params};
use std::collections::HashMap;

use super::commit::keep_audit;
use super::failed;
use super::rows::{execute, optional_timestamp, parsed, query, timestamp};
use super::webhooks::{self, EndpointRow};
use crate::Stored;
use crate::deliveries::{AttemptReport, Claim, Claimed, ClaimedAttempt, DeliveryLease, Recorded};

/// How many deliveries are canceled at once, so that no write waits behind a large backlog.
const CANCEL_AT_ONCE: usize = 1_000;

/// An event as it is kept.
pub(super) struct KeptEvent<'a> {
    pub(super) id: &'a EventId,
    pub(super) organization: i64,
    pub(super) event_type: &'a str,
    pub(super) created_at: Timestamp,
    pub(super) profile_id: &'a str,
    pub(super) body: &'a str,
}

/// Keeps an event with its body as it will be sent.
pub(super) fn keep_event(connection: &Connection, event: &KeptEvent<'_>) -> Stored<()> {
    execute(
        connection,
        "INSERT INTO events (id, organization, type, created_at, profile_id, body) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            event.id.as_str(),
            event.organization,
            event.event_type,
            event.created_at.as_micros(),
            event.profile_id,
            event.body
        ],
    )
    .map(|_| ())
}

/// Adds the delivery of an event to an endpoint, due at once.
pub(super) fn add(
    connection: &Connection,
    ids: &Ids,
    event: &KeptEvent<'_>,
    endpoint_id: &WebhookEndpointId,
    now: Timestamp,
) -> Stored<DeliveryId> {
    let id = ids.delivery(now);
    execute(
        connection,
        "INSERT INTO webhook_deliveries (id, organization, endpoint_id, event_id, status, \
         created_at, due_at) VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?5)",
        params![
            id.as_str(),
            event.organization,
            endpoint_id.as_str(),
            event.id.as_str(),
            now.as_micros()
        ],
    )?;
    Ok(id)
}

/// Cancels what waits for an endpoint, as far as one write may go; answers with how many it were.
pub(super) fn cancel_some(
    connection: &Connection,
    endpoint_id: &WebhookEndpointId,
    now: Timestamp,
) -> Stored<usize> {
    execute(
        connection,
        "UPDATE webhook_deliveries SET status = 'canceled', due_at = NULL, finished_at = ?2 \
         WHERE number IN (SELECT number FROM webhook_deliveries \
           INDEXED BY webhook_deliveries_due \
           WHERE endpoint_id = ?1 AND due_at IS NOT NULL ORDER BY due_at LIMIT ?3)",
        params![
            endpoint_id.as_str(),
            now.as_micros(),
            i64::try_from(CANCEL_AT_ONCE).unwrap_or(i64::MAX)
        ],
    )
}

/// Cancels everything that waits for an endpoint.
pub(super) fn cancel_all(
    connection: &Connection,
    endpoint_id: &WebhookEndpointId,
    now: Timestamp,
) -> Stored<()> {
    while cancel_some(connection, endpoint_id, now)? == CANCEL_AT_ONCE {}
    Ok(())
}

/// Empties the events of a profile and what their receivers answered, and cancels what waits.
pub(super) fn erase_events_of(
    connection: &Connection,
    profile: &ProfileId,
    now: Timestamp,
) -> Stored<()> {
    execute(
        connection,
        "UPDATE webhook_deliveries SET attempts = '[]', due_at = NULL, \
         status = CASE WHEN status = 'pending' THEN 'canceled' ELSE status END, \
         finished_at = coalesce(finished_at, ?2) \
         WHERE event_id IN (SELECT id FROM events WHERE profile_id = ?1)",
        params![profile.as_str(), now.as_micros()],
    )?;
    execute(
        connection,
        "UPDATE events SET body = '{}' WHERE profile_id = ?1",
        params![profile.as_str()],
    )?;
    Ok(())
}

/// Ends every lease: this process alone has the storage, so whoever held one is gone.
pub(super) fn end_leases(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE webhook_deliveries SET lease_owner = NULL, \
             due_at = CASE WHEN due_at IS NULL THEN NULL ELSE coalesce(started_at, due_at) END \
             WHERE lease_owner IS NOT NULL",
            [],
        )
        .map(|_| ())
}

pub(super) fn claim(connection: &Connection, claim: &Claim) -> Stored<Claimed> {
    let mut claimed = Claimed::default();
    for (endpoint_id, first_due) in waiting_endpoints(connection)? {
        if !claim.is_over(first_due) {
            claimed.next = claimed.next.into_iter().chain([first_due]).min();
            continue;
        }
        let left = claim.limit.saturating_sub(claimed.attempts.len());
        if left == 0 {
            // What is left over is claimed as soon as there is room for it.
            break;
        }
        let next = claim_for(connection, claim, &endpoint_id, left, &mut claimed)?;
        claimed.next = [claimed.next, next].into_iter().flatten().min();
    }
    Ok(claimed)
}

/// The endpoints that deliveries wait for, the one whose first is due earliest first.
fn waiting_endpoints(connection: &Connection) -> Stored<Vec<(WebhookEndpointId, Timestamp)>> {
    let mut waiting = Vec::new();
    let mut after = String::new();
    loop {
        let found = query(
            connection,
            "SELECT endpoint_id, due_at FROM webhook_deliveries \
             INDEXED BY webhook_deliveries_due \
             WHERE due_at IS NOT NULL AND endpoint_id > ?1 ORDER BY endpoint_id, due_at LIMIT 1",
            [&after],
            |row| {
                Ok((
                    parsed(row, 0, WebhookEndpointId::parse)?,
                    timestamp(row, 1)?,
                ))
            },
        )?;
        let Some((endpoint_id, due_at)) = found.into_iter().next() else {
            break;
        };
        endpoint_id.as_str().clone_into(&mut after);
        waiting.push((endpoint_id, due_at));
    }
    waiting.sort_by_key(|(_, due_at)| *due_at);
    Ok(waiting)
}

/// Claims what is due for one endpoint, and says when claiming for it again may come to something.
fn claim_for(
    connection: &Connection,
    claim: &Claim,
    endpoint_id: &WebhookEndpointId,
    left: usize,
    claimed: &mut Claimed,
) -> Stored<Option<Timestamp>> {
    let endpoint = webhooks::find_row(connection, endpoint_id)?;
    let endpoint = endpoint.filter(|row| row.owned.endpoint.state == EndpointState::Enabled);
    let Some(endpoint) = endpoint else {
        let canceled = cancel_some(connection, endpoint_id, claim.now)?;
        return Ok((canceled == CANCEL_AT_ONCE).then_some(claim.now));
    };
    if let Some(rest) = endpoint.rests_until.filter(|rest| !claim.is_over(*rest)) {
        return Ok(Some(rest));
    }
    let leases = leases(connection, claim, endpoint_id)?;
    let free = IN_FLIGHT_PER_ENDPOINT.saturating_sub(leases.len());
    let lease_ends = leases.into_iter().flatten().min();
    if free == 0 {
        claimed.full = true;
        return Ok(lease_ends);
    }
    // One more than can be claimed says when the next is due.
    let waiting = waiting_deliveries(connection, claim, endpoint_id, free + 1)?;
    let (mut due, mut next_due) = (0, None);
    for waiting in &waiting {
        if due < free.min(left) && claim.is_over(waiting.due_at) {
            claimed
                .attempts
                .push(lease(connection, claim, &endpoint, waiting)?);
            due += 1;
        } else if next_due.is_none() {
            next_due = Some(waiting.due_at);
        }
    }
    claimed.full |= due == free;
    let rests_until = endpoint.owned.health.rests_until(claim.now);
    if due > 0 && rests_until.is_some() {
        webhooks::store_health(connection, endpoint_id, endpoint.owned.health, rests_until)?;
        return Ok(rests_until);
    }
    let next_due = next_due.filter(|_| due < free);
    Ok([lease_ends, next_due].into_iter().flatten().min())
}

/// The leases on an endpoint's deliveries; for each that another worker holds, when it ends.
fn leases(
    connection: &Connection,
    claim: &Claim,
    endpoint_id: &WebhookEndpointId,
) -> Stored<Vec<Option<Timestamp>>> {
    query(
        connection,
        "SELECT CASE WHEN lease_owner = ?2 THEN NULL ELSE due_at END FROM webhook_deliveries \
         INDEXED BY webhook_deliveries_leased \
         WHERE endpoint_id = ?1 AND lease_owner IS NOT NULL AND due_at IS NOT NULL \
         AND (lease_owner = ?2 OR (due_at > ?3 AND due_at <= ?4))",
        params![
            endpoint_id.as_str(),
            claim.owner,
            claim.now.as_micros(),
            claim.latest.as_micros()
        ],
        |row| optional_timestamp(row, 0),
    )
}

/// A delivery that nobody has under way, as far as this worker is concerned.
struct Waiting {
    number: i64,
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

fn waiting_deliveries(
    connection: &Connection,
    claim: &Claim,
    endpoint_id: &WebhookEndpointId,
    limit: usize,
) -> Stored<Vec<Waiting>> {
    query(
        connection,
        "SELECT d.number, d.id, d.event_id, v.body, d.created_at, d.due_at, d.started_at, d.fence, \
         d.tries, d.attempts FROM webhook_deliveries d INDEXED BY webhook_deliveries_due \
         JOIN events v ON v.id = d.event_id \
         WHERE d.endpoint_id = ?1 AND d.due_at IS NOT NULL \
         AND (d.lease_owner IS NULL \
           OR (d.lease_owner <> ?2 AND (d.due_at <= ?3 OR d.due_at > ?4))) \
         ORDER BY d.due_at, d.number LIMIT ?5",
        params![
            endpoint_id.as_str(),
            claim.owner,
            claim.now.as_micros(),
            claim.latest.as_micros(),
            i64::try_from(limit).unwrap_or(i64::MAX)
        ],
        |row| {
            Ok(Waiting {
                number: row.get(0).map_err(failed)?,
                id: parsed(row, 1, DeliveryId::parse)?,
                event_id: parsed(row, 2, EventId::parse)?,
                body: row.get(3).map_err(failed)?,
                created_at: timestamp(row, 4)?,
                due_at: timestamp(row, 5)?,
                started_at: optional_timestamp(row, 6)?,
                fence: row.get(7).map_err(failed)?,
                tries: row.get(8).map_err(failed)?,
                attempts: parsed(row, 9, rollcall_record::attempts::read)?,
            })
        },
    )
}

fn lease(
    connection: &Connection,
    claim: &Claim,
    endpoint: &EndpointRow,
    waiting: &Waiting,
) -> Stored<ClaimedAttempt> {
    let mut attempts = waiting.attempts.clone();
    attempts.extend(waiting.started_at.map(Attempt::unknown));
    let (fence, number) = (waiting.fence + 1, waiting.tries + 1);
    execute(
        connection,
        "UPDATE webhook_deliveries SET lease_owner = ?2, fence = ?3, due_at = ?4, \
         started_at = ?5, tries = ?6, attempts = ?7 WHERE number = ?1",
        params![
            waiting.number,
            claim.owner,
            fence,
            claim.lease_until.as_micros(),
            claim.now.as_micros(),
            number,
            rollcall_record::attempts::write(&attempts)
        ],
    )?;
    let owned = &endpoint.owned;
    Ok(ClaimedAttempt {
        delivery_id: waiting.id.clone(),
        fence,
        number,
        organization_id: owned.organization_id.clone(),
        endpoint_id: owned.endpoint.id.clone(),
        url: owned.endpoint.url.clone(),
        secret: owned.secret.clone(),
        event_id: waiting.event_id.clone(),
        created_at: waiting.created_at,
        body: waiting.body.clone(),
    })
}

/// Puts the end of a lease off. A fencing number is given once, so it says that the lease is still the
/// one that was claimed.
pub(super) fn renew(
    connection: &Connection,
    lease: &DeliveryLease,
    until: Timestamp,
) -> Stored<()> {
    execute(
        connection,
        "UPDATE webhook_deliveries SET due_at = ?3 WHERE id = ?1 AND fence = ?2 \
         AND lease_owner IS NOT NULL AND due_at IS NOT NULL",
        params![lease.delivery_id.as_str(), lease.fence, until.as_micros()],
    )
    .map(|_| ())
}

/// A delivery whose attempt is being recorded.
struct UnderWay {
    number: i64,
    endpoint_id: WebhookEndpointId,
    status: DeliveryStatus,
    tries: u32,
    attempts: Vec<Attempt>,
}

/// Endpoints that need not be looked up again for the next report in the same transaction: nothing about
/// them changes as long as attempts succeed.
pub(super) type HealthyEndpoints = HashMap<WebhookEndpointId, EndpointRow>;

fn is_healthy(endpoint: &EndpointRow) -> bool {
    endpoint.owned.health == EndpointHealth::default() && endpoint.rests_until.is_none()
}

pub(super) fn record(
    connection: &Connection,
    ids: &Ids,
    known: &mut HealthyEndpoints,
    report: &AttemptReport,
) -> Stored<Recorded> {
    let Some(mut under_way) = find_under_way(connection, report)? else {
        return Ok(Recorded::Stale);
    };
    under_way.attempts.push(report.attempt.clone());
    let endpoint = match known.remove(&under_way.endpoint_id) {
        Some(endpoint) => Some(endpoint),
        None => webhooks::find_row(connection, &under_way.endpoint_id)?,
    };
    let enabled = endpoint
        .as_ref()
        .is_some_and(|row| row.owned.endpoint.state == EndpointState::Enabled);
    // Disabled or deleted meanwhile: canceled already, or about to be.
    let canceled = under_way.status == DeliveryStatus::Canceled || !enabled;
    let status = match (report.outcome, report.retry_at) {
        (Outcome::Succeeded, _) => DeliveryStatus::Delivered,
        (_, _) if canceled => DeliveryStatus::Canceled,
        (Outcome::Failed, Some(_)) => DeliveryStatus::Pending,
        (Outcome::Failed, None) | (Outcome::Disabling(_), _) => DeliveryStatus::Failed,
    };
    let pending = status == DeliveryStatus::Pending;
    execute(
        connection,
        "UPDATE webhook_deliveries SET status = ?2, finished_at = ?3, due_at = ?4, \
         lease_owner = NULL, started_at = NULL, attempts = ?5 WHERE number = ?1",
        params![
            under_way.number,
            status.as_str(),
            (!pending).then(|| report.now.as_micros()),
            report
                .retry_at
                .filter(|_| pending)
                .map(Timestamp::as_micros),
            rollcall_record::attempts::write(&under_way.attempts)
        ],
    )?;
    let disabled = match endpoint.filter(|_| enabled) {
        None => None,
        Some(endpoint) => {
            let health = endpoint.owned.health;
            let lost = status == DeliveryStatus::Failed
                && !health.has_counted(&under_way.attempts, under_way.tries);
            let disabled = judge(connection, ids, report, &endpoint, lost)?;
            if report.outcome == Outcome::Succeeded && is_healthy(&endpoint) {
                known.insert(under_way.endpoint_id, endpoint);
            }
            disabled
        }
    };
    Ok(Recorded::Kept { status, disabled })
}

fn find_under_way(connection: &Connection, report: &AttemptReport) -> Stored<Option<UnderWay>> {
    let found = query(
        connection,
        "SELECT number, endpoint_id, status, attempts, tries FROM webhook_deliveries \
         WHERE id = ?1 AND lease_owner = ?2 AND fence = ?3",
        params![report.delivery_id.as_str(), report.owner, report.fence],
        |row| {
            Ok(UnderWay {
                number: row.get(0).map_err(failed)?,
                endpoint_id: parsed(row, 1, WebhookEndpointId::parse)?,
                status: parsed(row, 2, DeliveryStatus::parse)?,
                attempts: parsed(row, 3, rollcall_record::attempts::read)?,
                tries: row.get(4).map_err(failed)?,
            })
        },
    )?;
    Ok(found.into_iter().next())
}

/// What an attempt means for its endpoint; answers with why it was disabled, if it was.
fn judge(
    connection: &Connection,
    ids: &Ids,
    report: &AttemptReport,
    endpoint: &EndpointRow,
    lost: bool,
) -> Stored<Option<AutoDisabled>> {
    let id = &endpoint.owned.endpoint.id;
    if report.outcome == Outcome::Succeeded {
        // The usual case writes nothing.
        if !is_healthy(endpoint) {
            webhooks::store_health(connection, id, EndpointHealth::default(), None)?;
        }
        return Ok(None);
    }
    let health = endpoint.owned.health.after_failure(report.attempt.at, lost);
    webhooks::store_health(connection, id, health, endpoint.rests_until)?;
    let reason = match report.outcome {
        Outcome::Disabling(reason) => Some(reason),
        Outcome::Succeeded | Outcome::Failed => health
            .has_failed_for(report.disable_after, report.now)
            .then_some(AutoDisabled::SustainedFailures),
    };
    let Some(reason) = reason else {
        return Ok(None);
    };
    let decided = endpoint.owned.endpoint.disable(reason, report.now);
    let act = Act {
        actor: Actor::system("webhook-worker"),
        at: report.now,
    };
    let secret = &endpoint.owned.secret;
    webhooks::store(connection, endpoint, &decided.value, secret, report.now)?;
    keep_audit(connection, ids, endpoint.number, &act, &decided.audit)?;
    Ok(Some(reason))
}
