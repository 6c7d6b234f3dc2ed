//! `/v1/messages` of a development server: what stands in for the model, so that an app can be tested end to end with
//! an official SDK. It says the same text always; what it is for is what it refuses.

use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use rollcall_domain::billing::{BillTo, BillingState};
use rollcall_domain::gateway::{Reason, Verdict};
use rollcall_domain::id::ProfileId;
use rollcall_wire::error::ApiError;
use rollcall_wire::gateway::{Named, billing_refusal, refusal};
use rollcall_wire::inference::{InferenceAnswer, parse_count, parse_message, write_count};
use rollcall_wire::query::parse_query_beta_only;

use super::{CLIENT, header, judge};
use crate::development::Development;
use crate::gateway::{Asked, Judged};
use crate::http::answer::{Body, answer, json};
use crate::http::call::{BETA, PublicCall, header_values};
use crate::http::error::{Failure, Outcome, Written};

/// `POST /v1/messages`
pub(crate) async fn create_message(call: PublicCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let body = call.body().await?;
    let exchange = call.exchange();
    let betas = header_values(exchange.head, &BETA);
    let request = parse_message(&body, betas)?;
    let judged = admitted(&call, request.user_profile_id.as_deref()).await?;
    let development = development(&call)?;
    match request.bill_to {
        None | Some(BillTo::Itself) => {}
        Some(BillTo::UserProfile) => {
            let state = billing_state(development, &judged)?;
            state.bill().map_err(billing_refusal)?;
        }
    }
    let request_id = exchange.request_id.as_str();
    let id = request_id.replacen("req_", "msg_", 1);
    let said = InferenceAnswer {
        id: &id,
        model: &request.model,
        text: &development.stub_text,
        input_tokens: request.input_tokens,
    };
    if !request.stream {
        return Ok(json(said.message()));
    }
    let events = said.events().into_iter();
    let events = stream::iter(events.map(|event| Ok(Bytes::from(event))));
    let body = Body::streamed(events);
    Ok(answer(
        StatusCode::OK,
        "text/event-stream; charset=utf-8",
        body,
    ))
}

/// `POST /v1/messages/count_tokens`
pub(crate) async fn count_tokens(call: PublicCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let (tokens, user_profile_id) = parse_count(&call.body().await?)?;
    admitted(&call, user_profile_id.as_deref()).await?;
    Ok(json(write_count(tokens)))
}

/// Whom the request is made for, if it may be made: the same decision as a gateway's check.
async fn admitted(call: &PublicCall<'_>, in_body: Option<&str>) -> Result<Judged, Failure> {
    let exchange = call.exchange();
    let in_header = header(exchange.head, &CLIENT)?;
    let named = match (in_header, in_body.map(str::as_bytes)) {
        (Some(header), Some(body)) if header != body => {
            let message = "must be the same as in the header anthropic-user-profile-id";
            return Err(ApiError::at("user_profile_id", message).into());
        }
        (header, body) => header.or(body),
    };
    let asked = Asked {
        who: named.map(Named::by_id),
        program: None,
    };
    let judged = judge(exchange, call.tenant()?, &asked).await?;
    match judged.decision.verdict {
        Verdict::Allow => Ok(judged),
        Verdict::Deny | Verdict::Create => Err(refusal(judged.decision.reason).into()),
    }
}

fn billing_state(development: &Development, judged: &Judged) -> Result<BillingState, ApiError> {
    let profile = judged.profile.as_ref();
    let profile = profile.ok_or_else(|| refusal(Reason::Missing))?;
    let id = ProfileId::parse(&profile.id).map_err(|_| ApiError::internal())?;
    Ok(development.billing.state(&id))
}

fn development<'a>(call: &PublicCall<'a>) -> Result<&'a Development, Failure> {
    let development = call.app().development.as_ref();
    development.ok_or_else(|| {
        Failure::internal(
            "a development route without development controls",
            Written::Nothing,
        )
    })
}
