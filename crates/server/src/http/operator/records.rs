//! Whole records in and out: `PUT` of one, import and export of any number.

use std::pin::pin;

use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use rollcall_store::registry::PutMode;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::profiles::{
    parse_export, parse_import, parse_record, write_import_report, write_record,
};
use rollcall_wire::query::parse_query_beta_only;

use crate::acts::import::{Decoder, Format, Import, Lines};
use crate::acts::{profiles, records};
use crate::http::answer::json;
use crate::http::body::BodyError;
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome, Written};

/// `PUT /operator/v1/user_profiles/{id}`
pub(crate) async fn put(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = profiles::named(call.param("user_profile_id"))?;
    let body = call.body().await?;
    let app = call.app();
    let now = app.clock.now();
    let (organization_id, record) = parse_record(&body, id, &app.ids, now)?;
    let profile = records::put(&call.desk, &organization_id, record).await?;
    let mut shown = String::with_capacity(1_024);
    write_record(&mut shown, &organization_id, &profile, None, now)?;
    Ok(json(shown))
}

/// `POST /operator/v1/user_profiles/import`
pub(crate) async fn import(call: OperatorCall<'_>) -> Outcome {
    let request = parse_import(call.query())?;
    let headers = &call.exchange().head.headers;
    let format = if is_csv(headers)? {
        Format::Csv
    } else {
        Format::Ndjson
    };
    let lines = Lines::new(decoder(headers)?, format);
    let Some(body) = call.exchange().take_body() else {
        return Err(Failure::internal("a body was read twice", Written::Nothing));
    };
    let mode = PutMode {
        match_reference: request.match_reference,
        dry_run: request.dry_run,
    };
    let mut import = Import::new(&call.desk, lines, mode, None);
    let mut parts = pin!(body.parts(call.app().settings.listener.quiet_timeout));
    while let Some(part) = parts.next().await {
        import.feed(part?).await?;
    }
    let report = import.finish().await?;
    Ok(json(write_import_report(&report)))
}

/// Whether the lines are a CSV's.
fn is_csv(headers: &HeaderMap) -> Result<bool, Failure> {
    const ACCEPTED: [&str; 4] = [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/json",
    ];
    let Some(sent) = headers.get(CONTENT_TYPE) else {
        return Ok(false);
    };
    let sent = sent.to_str().unwrap_or_default();
    let media_type = sent.split(';').next().unwrap_or_default().trim();
    let accepted = ACCEPTED
        .iter()
        .any(|accepted| media_type.eq_ignore_ascii_case(accepted));
    let is_csv = media_type.eq_ignore_ascii_case("text/csv");
    if accepted || is_csv {
        Ok(is_csv)
    } else {
        Err(ApiError::at("content-type", "must be application/x-ndjson or text/csv").into())
    }
}

/// What undoes the encoding that the headers name.
fn decoder(headers: &HeaderMap) -> Result<Decoder, Failure> {
    let mut decoder = Decoder::Identity;
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = value.to_str().unwrap_or("?").trim();
        if value.eq_ignore_ascii_case("gzip") && matches!(decoder, Decoder::Identity) {
            decoder = Decoder::gzip();
        } else if !value.is_empty() && !value.eq_ignore_ascii_case("identity") {
            return Err(BodyError::EncodingUnsupported.into());
        }
    }
    Ok(decoder)
}

/// `GET /operator/v1/user_profiles/export`
pub(crate) async fn export(call: OperatorCall<'_>) -> Outcome {
    let organization_id = parse_export(call.query())?;
    records::export(&call.desk, organization_id).await
}
