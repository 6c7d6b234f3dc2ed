//! The outbox: how deliveries come to be, are claimed, and end. See [`crate::deliveries`] for what is
//! promised.
//!
//! Nothing here looks at more rows than it changes, however many wait: the endpoints that wait are
//! found by hopping over the index of due deliveries, one hop each, and a claim reads at most as many
//! deliveries of an endpoint as it may lease.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::{DeliveryStatus, EndpointHealth, UnderWay, conclude};
use rollcall_domain::id::{DeliveryId, EventId, Ids, ProfileId, WebhookEndpointId};
use rollcall_domain::webhook::{AutoDisabled, EndpointState, WebhookEndpoint};
use rusqlite::{Connection, params};
use std::collections::HashMap;

use super::commit::keep_audit;
use super::endpoint_rows::{self, EndpointRow};
use super::failed;
use super::rows::{execute, optional_timestamp, parsed, query, timestamp};
use crate::Stored;
use crate::claim::{Room, Waiting};
use crate::columns::events_text;
use crate::deliveries::{AttemptReport, Claim, Claimed, ClaimedAttempt, DeliveryLease, Recorded};
use crate::webhooks::{OwnedEndpoint, SealedSecret};

/// How many deliveries are canceled at once, so that no write waits behind a large backlog.
const CANCEL_AT_ONCE: usize = 1_000;

/// Keeps a changed endpoint, and does what a change of its state asks for: one that is disabled loses
/// what waits for it, one that is enabled again begins with nothing waiting and in good health.
pub(super) fn store_endpoint(
    connection: &Connection,
    before: &WebhookEndpoint,
    after: &WebhookEndpoint,
    secret: &SealedSecret,
    now: Timestamp,
) -> Stored<()> {
    let id = &after.id;
    execute(
        connection,
        "UPDATE webhook_endpoints SET updated_at = ?2, description = ?3, name = ?4, url = ?5, \
         enabled_events = ?6, state = ?7, disabled_reason = ?8, key_id = ?9, sealed_secret = ?10 \
         WHERE id = ?1",
        params![
            id.as_str(),
            after.updated_at.as_micros(),
            after.description,
            after.name,
            after.url,
            events_text(&after.enabled_events),
            after.state.as_str(),
            after.disabled_reason.map(AutoDisabled::as_str),
            secret.key_id,
            secret.bytes
        ],
    )?;
    match (before.state, after.state) {
        (EndpointState::Enabled, EndpointState::Disabled) => {
            cancel_some(connection, id, now).map(|_| ())
        }
        (EndpointState::Disabled, EndpointState::Enabled) => {
            cancel_all(connection, id, now)?;
            endpoint_rows::store_health(connection, id, EndpointHealth::default())
        }
        (EndpointState::Enabled, EndpointState::Enabled)
        | (EndpointState::Disabled, EndpointState::Disabled) => Ok(()),
    }
}

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
    id: &DeliveryId,
    event: &KeptEvent<'_>,
    endpoint_id: &WebhookEndpointId,
    now: Timestamp,
) -> Stored<()> {
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
    )
    .map(|_| ())
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
            claimed.add(Claimed::nothing_until(Some(first_due)));
            continue;
        }
        let left = claim.limit.saturating_sub(claimed.attempts.len());
        if left == 0 {
            // What is left over is claimed as soon as there is room for it.
            break;
        }
        claimed.add(claim_for(connection, claim, &endpoint_id, left)?);
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

/// Claims what is due for one endpoint.
fn claim_for(
    connection: &Connection,
    claim: &Claim,
    endpoint_id: &WebhookEndpointId,
    left: usize,
) -> Stored<Claimed> {
    let endpoint = endpoint_rows::find_row(connection, endpoint_id)?.map(|row| row.owned);
    let Some(owned) = endpoint.filter(|owned| owned.endpoint.is_enabled()) else {
        let canceled = cancel_some(connection, endpoint_id, claim.now)?;
        let more = canceled == CANCEL_AT_ONCE;
        return Ok(Claimed::nothing_until(more.then_some(claim.now)));
    };
    if let Some(rest) = claim.rest(owned.health) {
        return Ok(Claimed::nothing_until(Some(rest)));
    }
    let room = Room::beside(leases(connection, claim, endpoint_id)?);
    let waiting = match room.free {
        0 => Vec::new(),
        free => waiting_deliveries(connection, claim, endpoint_id, free + 1)?,
    };
    let round = claim.round(&room, left, owned.health, waiting);
    let begin = round.begin.into_iter();
    let attempts = begin.map(|waiting| lease(connection, claim, &owned, waiting));
    let attempts = attempts.collect::<Stored<_>>()?;
    if let Some(health) = round.health {
        endpoint_rows::store_health(connection, endpoint_id, health)?;
    }
    Ok(Claimed {
        attempts,
        next: round.next,
        full: round.full,
    })
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

fn waiting_deliveries(
    connection: &Connection,
    claim: &Claim,
    endpoint_id: &WebhookEndpointId,
    limit: usize,
) -> Stored<Vec<Waiting<i64>>> {
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
                key: row.get(0).map_err(failed)?,
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
    endpoint: &OwnedEndpoint,
    waiting: Waiting<i64>,
) -> Stored<ClaimedAttempt> {
    let (row, attempts) = (waiting.key, waiting.all_attempts());
    let claimed = waiting.begin(endpoint);
    execute(
        connection,
        "UPDATE webhook_deliveries SET lease_owner = ?2, fence = ?3, due_at = ?4, \
         started_at = ?5, tries = ?6, attempts = ?7 WHERE number = ?1",
        params![
            row,
            claim.owner,
            claimed.fence,
            claim.lease_until.as_micros(),
            claim.now.as_micros(),
            claimed.number,
            rollcall_record::attempts::write(&attempts)
        ],
    )?;
    Ok(claimed)
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

/// Endpoints that need not be looked up again for the next report in the same transaction: the last one
/// changed nothing about them.
pub(super) type UnchangedEndpoints = HashMap<WebhookEndpointId, EndpointRow>;

pub(super) fn record(
    connection: &Connection,
    ids: &Ids,
    known: &mut UnchangedEndpoints,
    report: &AttemptReport,
) -> Stored<Recorded> {
    let Some((number, endpoint_id, delivery)) = find_under_way(connection, report)? else {
        return Ok(Recorded::Stale);
    };
    let endpoint = match known.remove(&endpoint_id) {
        Some(endpoint) => Some(endpoint),
        None => endpoint_rows::find_row(connection, &endpoint_id)?,
    };
    let judged = endpoint.as_ref().map(|row| &row.owned);
    let judged = judged.map(|owned| (&owned.endpoint, owned.health));
    let conclusion = conclude(report, delivery, judged);
    execute(
        connection,
        "UPDATE webhook_deliveries SET status = ?2, finished_at = ?3, due_at = ?4, \
         lease_owner = NULL, started_at = NULL, attempts = ?5 WHERE number = ?1",
        params![
            number,
            conclusion.status.as_str(),
            conclusion.finished_at.map(Timestamp::as_micros),
            conclusion.next_attempt_at.map(Timestamp::as_micros),
            rollcall_record::attempts::write(&conclusion.attempts)
        ],
    )?;
    // The usual case writes nothing.
    if let Some(health) = conclusion.health {
        endpoint_rows::store_health(connection, &endpoint_id, health)?;
    }
    if let (Some(endpoint), Some(decided)) = (&endpoint, &conclusion.disabled) {
        let secret = &endpoint.owned.secret;
        let before = &endpoint.owned.endpoint;
        store_endpoint(connection, before, &decided.value, secret, report.now)?;
        keep_audit(
            connection,
            ids,
            endpoint.number,
            &report.act(),
            &decided.audit,
        )?;
    }
    if let (Some(endpoint), None, None) = (endpoint, conclusion.health, &conclusion.disabled) {
        known.insert(endpoint_id, endpoint);
    }
    Ok(Recorded::Kept {
        status: conclusion.status,
        disabled: conclusion.disabled_reason(),
    })
}

/// A delivery whose attempt is being recorded, with the number of its row and its endpoint. Of an organization whose end has
/// begun it is nobody's any more, and must not fail the reports of others.
fn find_under_way(
    connection: &Connection,
    report: &AttemptReport,
) -> Stored<Option<(i64, WebhookEndpointId, UnderWay)>> {
    let found = query(
        connection,
        "SELECT d.number, d.endpoint_id, d.status, d.attempts, d.tries FROM webhook_deliveries d \
         JOIN organizations o ON o.number = d.organization AND o.removal IS NULL \
         WHERE d.id = ?1 AND d.lease_owner = ?2 AND d.fence = ?3",
        params![report.delivery_id.as_str(), report.owner, report.fence],
        |row| {
            let delivery = UnderWay {
                status: parsed(row, 2, DeliveryStatus::parse)?,
                attempts: parsed(row, 3, rollcall_record::attempts::read)?,
                tries: row.get(4).map_err(failed)?,
            };
            let endpoint_id = parsed(row, 1, WebhookEndpointId::parse)?;
            Ok((row.get(0).map_err(failed)?, endpoint_id, delivery))
        },
    )?;
    Ok(found.into_iter().next())
}
