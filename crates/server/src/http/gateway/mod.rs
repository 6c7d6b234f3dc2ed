//! What is asked before a request for inference (contract `gateway.md`): by a platform's gateway
//! ([`check`]), and by the stub that stands in for inference on a development server ([`inference`]).
//!
//! Both look up the profile that was named, in one question to storage, and let one rule of the domain
//! judge it.

pub(crate) mod check;
pub(crate) mod inference;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use rollcall_domain::gateway::{Verdict, first_use};
use rollcall_wire::error::ApiError;
use rollcall_wire::gateway::{CLIENT_HEADER, Named, one_value};

use super::call::{Tenant, header_values, within_rate};
use super::error::Failure;
use super::exchange::Exchange;
use crate::app::Operation;
use crate::gateway::{Asked, Judged, judged};

/// Whose request it is, in the words of the inference API.
static CLIENT: HeaderName = HeaderName::from_static(CLIENT_HEADER);

/// Asks storage and judges; makes the profile of a reference that is used for the first time, if the policy
/// says so.
async fn judge(
    exchange: &Exchange<'_>,
    tenant: Tenant<'_>,
    asked: &Asked,
) -> Result<Judged, Failure> {
    let app = exchange.app;
    let store = &app.store;
    let document = match &asked.who {
        None | Some(Named::Id(None)) => None,
        Some(Named::Id(Some(id))) => {
            let find = store.find_profile(tenant.scope, id);
            exchange.read(Operation::FindProfile, find).await?
        }
        Some(Named::Reference(reference)) => {
            let find = store.find_by_reference(tenant.scope, reference);
            exchange.read(Operation::FindByReference, find).await?
        }
    };
    let now = app.clock.now();
    let first = judged(tenant.organization, asked, document.as_ref(), now)?;
    let (Verdict::Create, Some(Named::Reference(reference))) = (first.decision.verdict, &asked.who)
    else {
        return Ok(first);
    };
    // Whoever thinks up references would fill the storage, since checks alone are not limited.
    within_rate(exchange, tenant.organization)?;
    let decided = first_use(app.ids.profile(now), reference.clone(), now);
    let act = tenant.act(now);
    let made = store.find_or_insert_by_reference(tenant.scope, &act, reference, decided);
    let made = exchange
        .write(Operation::FindOrInsertByReference, made)
        .await?;
    Ok(judged(tenant.organization, asked, Some(&made), now)?)
}

/// The value of the header `name`, which may be sent once.
fn header<'a>(head: &'a Parts, name: &'static HeaderName) -> Result<Option<&'a [u8]>, ApiError> {
    one_value(name.as_str(), header_values(head, name))
}

/// Texts that stand in these headers are ids, words and names of programs: visible ASCII all of them.
fn value(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(""))
}
