//! `/operator/v1/dev/…`: what a test suite asks of a development server. Under `rollcall serve` the
//! router has none of these paths.

use rollcall_wire::object;
use rollcall_wire::operator::dev::{
    ClockChange, parse_clock, parse_fault, write_clock, write_fault,
};
use rollcall_wire::operator::{ListRequest, parse_nothing};
use rollcall_wire::query::parse_query_beta_only;

use crate::app::Operation;
use crate::development::{Development, Numbered};
use crate::http::answer::{Answer, json};
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome, Written};

/// `POST /operator/v1/dev/reset`: back to the state right after the start.
pub(crate) async fn reset(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let development = development(&call)?;
    parse_query_beta_only(call.query())?;
    parse_nothing(&call.body().await?)?;
    let reset = app.store.reset(call.proof);
    call.exchange().write(Operation::Reset, reset).await?;
    development.forget();
    app.forget();
    let prepare = app.prepare();
    call.exchange().write(Operation::Reset, prepare).await?;
    app.announce_clock();
    Ok(json(write_clock(app.clock.now())))
}

/// `GET /operator/v1/dev/clock`
pub(crate) async fn show_clock(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    Ok(json(write_clock(call.app().clock.now())))
}

/// `POST /operator/v1/dev/clock`
pub(crate) async fn set_clock(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let clock = &development(&call)?.clock;
    parse_query_beta_only(call.query())?;
    match parse_clock(&call.body().await?)? {
        ClockChange::Advance(duration) => clock.advance(duration),
        ClockChange::StopAt(now) => clock.stop_at(now),
        ClockChange::FollowSystem => clock.follow_system(),
    }
    app.announce_clock();
    Ok(json(write_clock(app.clock.now())))
}

/// `POST /operator/v1/dev/faults`
pub(crate) async fn add_fault(call: OperatorCall<'_>) -> Outcome {
    let faults = &development(&call)?.faults;
    parse_query_beta_only(call.query())?;
    let fault = parse_fault(&call.body().await?)?;
    let text = super::written(|out| write_fault(out, &fault));
    faults.add(fault);
    Ok(json(text))
}

/// `GET /operator/v1/dev/faults`: what is still to come.
pub(crate) async fn list_faults(call: OperatorCall<'_>) -> Outcome {
    let request = ListRequest::parse(call.query(), &call.app().cursors, "faults")?;
    let faults = &development(&call)?.faults;
    let listed = faults.list(request.after, request.limit);
    Ok(list_answer(&call, &request, &listed, write_fault))
}

/// `DELETE /operator/v1/dev/faults`: answers with what is still to come, which is nothing.
pub(crate) async fn clear_faults(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    development(&call)?.faults.clear();
    Ok(json(object::page([], write_fault, None)))
}

/// `GET /operator/v1/dev/requests`: the last requests received, newest first.
pub(crate) async fn list_requests(call: OperatorCall<'_>) -> Outcome {
    let request = ListRequest::parse(call.query(), &call.app().cursors, "requests")?;
    let requests = &development(&call)?.requests;
    let listed = requests.list(request.after, request.limit);
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

fn development<'a>(call: &OperatorCall<'a>) -> Result<&'a Development, Failure> {
    let development = call.app().development.as_ref();
    development.ok_or_else(|| {
        Failure::internal(
            "a development route without development controls",
            Written::Nothing,
        )
    })
}
