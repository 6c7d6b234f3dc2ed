//! Failures on demand: the next matching public requests fail, or are slow, as a real server's would.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use http::request::Parts;
use parking_lot::Mutex;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::Limit;
use rollcall_wire::operator::dev::{Fault, FaultOutcome};

use super::Numbered;
use crate::http::error::Failure;

/// The failures to come, in the order they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    prepared: Mutex<Vec<Prepared>>,
    made: AtomicU64,
}

/// A failure with the number that names it in the header of the answers it struck.
#[derive(Clone, Debug)]
struct Prepared {
    number: u64,
    fault: Fault,
}

/// What struck a request.
#[derive(Debug)]
pub(crate) struct Strike {
    /// What a header of the answer calls it.
    pub(crate) name: Option<HeaderValue>,
    /// What the request comes to; nothing where it was only delayed.
    pub(crate) failure: Option<Failure>,
}

impl Faults {
    /// Prepares a failure.
    pub(crate) fn add(&self, fault: Fault) {
        // Numbered under the lock, so that they stand in the order of their numbers.
        let mut prepared = self.prepared.lock();
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        prepared.push(Prepared { number, fault });
    }

    /// Takes back what is still to come: all of it, or what is for one organization alone.
    pub(crate) fn clear(&self, of: Option<&OrganizationId>) {
        let mut prepared = self.prepared.lock();
        prepared.retain(|it| !is_of(&it.fault, of));
    }

    /// What is still to come, oldest first, from the fault after the one with this number.
    pub(crate) fn list(
        &self,
        of: Option<&OrganizationId>,
        after: Option<u64>,
        limit: Limit,
    ) -> Numbered<Fault> {
        let prepared = self.prepared.lock();
        let wanted = prepared
            .iter()
            .filter(|it| is_of(&it.fault, of) && after.is_none_or(|after| it.number > after));
        Numbered::first(wanted.map(|it| (it.number, it.fault.clone())), limit)
    }

    /// Takes one strike of the first failure that matches.
    fn take(&self, head: &Parts, of: Option<&OrganizationId>) -> Option<Prepared> {
        let mut prepared = self.prepared.lock();
        let place = prepared
            .iter()
            .position(|it| matches(&it.fault, head, of))?;
        let struck = prepared[place].clone();
        let left = &mut prepared[place].fault.times;
        *left = left.saturating_sub(1);
        if *left == 0 {
            prepared.remove(place);
        }
        Some(struck)
    }

    /// Lets the first matching failure strike a request with this head of this organization, if there is one.
    pub(crate) async fn strike(&self, head: &Parts, of: Option<&OrganizationId>) -> Option<Strike> {
        let Prepared { number, fault } = self.take(head, of)?;
        tokio::time::sleep(fault.delay).await;
        let (name, failure) = match fault.outcome {
            FaultOutcome::GoOn => {
                let delay = fault.delay.as_millis();
                (format!("fault_{number} delay {delay}ms"), None)
            }
            FaultOutcome::DropConnection => (
                "drop_connection".to_owned(),
                Some(Failure::dropped_connection()),
            ),
            FaultOutcome::Answer {
                status,
                error_type,
                error_code,
            } => (
                format!("fault_{number} {status} {error_type}"),
                Some(Failure::on_demand(status, error_type, error_code)),
            ),
        };
        Some(Strike {
            name: HeaderValue::from_str(&name).ok(),
            failure,
        })
    }
}

/// Whether a failure is for this organization alone; every one is where none is named.
fn is_of(fault: &Fault, of: Option<&OrganizationId>) -> bool {
    of.is_none() || fault.organization_id.as_ref() == of
}

fn matches(fault: &Fault, head: &Parts, of: Option<&OrganizationId>) -> bool {
    let method = fault.method.as_deref();
    let path = fault.path.as_deref();
    let organization_id = fault.organization_id.as_ref();
    organization_id.is_none_or(|id| of == Some(id))
        && method.is_none_or(|method| head.method.as_str() == method)
        && path.is_none_or(|pattern| path_matches(pattern, head.uri.path()))
}

/// A pattern matches segment by segment: `{…}` any segment, `*` at the end any rest, and everything
/// else itself.
fn path_matches(pattern: &str, path: &str) -> bool {
    let (pattern, open) = match pattern.strip_suffix('*') {
        Some(start) => (start, true),
        None => (pattern, false),
    };
    let mut segments = path.split('/');
    let mut wanted = pattern.split('/').peekable();
    while let Some(segment) = wanted.next() {
        let Some(sent) = segments.next() else {
            return false;
        };
        let is_last = wanted.peek().is_none();
        let fits = (segment.starts_with('{') && segment.ends_with('}') && !sent.is_empty())
            || segment == sent
            || (open && is_last && sent.starts_with(segment));
        if !fits {
            return false;
        }
    }
    open || segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_segment_by_segment() {
        for (pattern, path, matches) in [
            ("/v1/user_profiles", "/v1/user_profiles", true),
            ("/v1/user_profiles", "/v1/user_profiles/uprof_1", false),
            ("/v1/user_profiles*", "/v1/user_profiles/uprof_1", true),
            ("/v1/*", "/v1/user_profiles/uprof_1", true),
            ("/v1/user_profiles/{id}", "/v1/user_profiles/uprof_1", true),
            ("/v1/user_profiles/{id}", "/v1/user_profiles", false),
            (
                "/v1/user_profiles/{id}",
                "/v1/user_profiles/uprof_1/action_urls",
                false,
            ),
            ("/*", "/v1", true),
        ] {
            assert_eq!(path_matches(pattern, path), matches, "{pattern} {path}");
        }
    }
}
