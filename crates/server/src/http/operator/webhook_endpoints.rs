//! `/operator/v1/webhook_endpoints`: where platforms are told things. Managing endpoints is their
//! administrator's part; the operator looks, and tests.

use rollcall_store::webhooks::{EndpointFilter, OwnedEndpoint};
use rollcall_wire::object;
use rollcall_wire::operator::deliveries::write_delivery;
use rollcall_wire::operator::endpoints::{parse_list, write_endpoint};
use rollcall_wire::operator::parse_nothing;
use rollcall_wire::query::parse_query_beta_only;

use super::written;
use crate::acts::endpoints;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `GET /operator/v1/webhook_endpoints`: newest first.
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let cursors = &call.app().cursors;
    let request = parse_list(call.query(), cursors)?;
    let filter = EndpointFilter {
        organization_id: request.organization_id.clone(),
        state: request.state,
        is_failing: None,
    };
    let (after, limit) = (request.list.after.as_ref(), request.list.limit);
    let page = endpoints::list(&call.desk, &filter, after, limit).await?;
    let next_page = page.next.as_ref();
    let next_page = next_page.map(|next| request.list.next_page(cursors, next));
    let answer = object::page(&page.endpoints, write, next_page.as_deref());
    Ok(json(answer))
}

/// `GET /operator/v1/webhook_endpoints/{id}`
pub(crate) async fn get(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = endpoints::named(call.param("webhook_endpoint_id"))?;
    let owned = endpoints::find(&call.desk, &id).await?;
    Ok(json(written(|out| write(out, &owned))))
}

/// `POST /operator/v1/webhook_endpoints/{id}/test`: answers with the delivery, which is under way.
pub(crate) async fn test(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    parse_nothing(&call.body().await?)?;
    let id = endpoints::named(call.param("webhook_endpoint_id"))?;
    let delivery = endpoints::test(&call.desk, &id).await?;
    Ok(json(written(|out| write_delivery(out, &delivery, None))))
}

fn write(out: &mut String, owned: &OwnedEndpoint) {
    let failing_since = owned.health.failing_since;
    write_endpoint(out, &owned.organization_id, &owned.endpoint, failing_since);
}
