//! `/operator/v1/dev/…`: what a test suite asks of a development server. Under `rollcall serve` the
//! router has none of these paths.

use rollcall_wire::object;
use rollcall_wire::operator::dev::{
    parse_billing, parse_clock, parse_fault, parse_narrowed, parse_narrowed_list, write_billing,
    write_clock, write_fault,
};
use rollcall_wire::operator::{ListRequest, parse_nothing};
use rollcall_wire::query::parse_query_beta_only;

use crate::acts::development::{self, controls};
use crate::acts::profiles;
use crate::development::Numbered;
use crate::http::answer::{Answer, json};
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `POST /operator/v1/dev/reset`: back to the state right after the start.
pub(crate) async fn reset(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    parse_nothing(&call.body().await?)?;
    development::reset(&call.desk).await?;
    Ok(json(write_clock(call.app().clock.now())))
}

/// `GET /operator/v1/dev/clock`
pub(crate) async fn show_clock(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    Ok(json(write_clock(call.app().clock.now())))
}

/// `POST /operator/v1/dev/clock`
pub(crate) async fn set_clock(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    development::set_clock(&call.desk, parse_clock(call.fields().await?)?)?;
    Ok(json(write_clock(call.app().clock.now())))
}

/// `POST /operator/v1/dev/faults`
pub(crate) async fn add_fault(call: OperatorCall<'_>) -> Outcome {
    let faults = &controls(&call.desk)?.faults;
    parse_query_beta_only(call.query())?;
    let fault = parse_fault(call.fields().await?)?;
    let text = super::written(|out| write_fault(out, &fault));
    faults.add(fault);
    Ok(json(text))
}

/// `GET /operator/v1/dev/faults`: what is still to come.
pub(crate) async fn list_faults(call: OperatorCall<'_>) -> Outcome {
    let (request, of) = parse_narrowed_list(call.query(), &call.app().cursors, "faults")?;
    let faults = &controls(&call.desk)?.faults;
    let listed = faults.list(of.as_ref(), request.after, request.limit);
    Ok(list_answer(&call, &request, &listed, write_fault))
}

/// `DELETE /operator/v1/dev/faults`: answers with what is still to come of what was asked for, which is nothing.
pub(crate) async fn clear_faults(call: OperatorCall<'_>) -> Outcome {
    let of = parse_narrowed(call.query())?;
    controls(&call.desk)?.faults.clear(of.as_ref());
    Ok(json(object::page([], write_fault, None)))
}

/// `PUT /operator/v1/dev/user_profiles/{id}/billing`: how the billing of a profile stands.
pub(crate) async fn set_billing(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let state = parse_billing(call.fields().await?)?;
    let owned =
        profiles::find(&call.desk, &profiles::named(call.param("user_profile_id"))?).await?;
    let text = super::written(|out| write_billing(out, &owned.id, state));
    controls(&call.desk)?.billing.set(owned.id, state);
    Ok(json(text))
}

/// `GET /operator/v1/dev/requests`: the last requests received, newest first.
pub(crate) async fn list_requests(call: OperatorCall<'_>) -> Outcome {
    let (request, of) = parse_narrowed_list(call.query(), &call.app().cursors, "requests")?;
    let requests = &controls(&call.desk)?.requests;
    let listed = requests.list(of.as_ref(), request.after, request.limit);
    let write = |out: &mut String, request: &String| out.push_str(request);
    Ok(list_answer(&call, &request, &listed, write))
}

/// The answer to a list of what is numbered as it comes.
fn list_answer<T>(
    call: &OperatorCall<'_>,
    request: &ListRequest<u64>,
    listed: &Numbered<T>,
    write: impl FnMut(&mut String, &T),
) -> Answer {
    let next = listed.next.as_ref();
    let next_page = next.map(|next| request.next_page(&call.app().cursors, next));
    json(object::page(&listed.items, write, next_page.as_deref()))
}
