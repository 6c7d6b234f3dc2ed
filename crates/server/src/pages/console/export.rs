//! Export: every record as NDJSON, to be kept, looked at or imported elsewhere.

use askama::Template;
use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::profiles::parse_export;

use super::{Choice, ConsoleCall, Frame, Organizations, shown};
use crate::app::Operation;
use crate::http::error::Outcome;
use crate::http::operator::records;
use crate::pages::form::Form;
use crate::pages::{Room, protect};

#[derive(Template)]
#[template(path = "console/export.html")]
struct ExportPage {
    frame: Frame,
    organizations: Vec<Choice>,
}

/// `GET /console/export`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let organizations = Organizations::read(&call).await?;
    shown(&ExportPage {
        frame: Frame::new(&call, "export"),
        organizations: organizations.choices(None),
    })
}

/// `GET /console/export/profiles`
pub(crate) async fn download(call: ConsoleCall<'_>) -> Outcome {
    let app = call.app();
    let form = Form::of_query(call.exchange().query());
    let organization_id = parse_export(Some(&form.to_query(&[])))?;
    if let Some(id) = &organization_id {
        let find = app.store.find_organization(call.proof, id);
        let found = call.exchange().read(Operation::ReadTenants, find).await?;
        found.ok_or_else(|| ApiError::not_found("organization"))?;
    }
    let act = call.act(app.clock.now());
    let mut answer = records::stream(call.exchange(), call.proof, &act, organization_id).await?;
    let name = HeaderValue::from_static("attachment; filename=\"rollcall-profiles.ndjson\"");
    answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    protect(Room::Console, &mut answer);
    Ok(answer)
}
