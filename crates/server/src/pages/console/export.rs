//! Export: every record as NDJSON, to be kept, looked at or imported elsewhere.

use askama::Template;
use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use rollcall_wire::operator::profiles::parse_export;

use super::{Choice, ConsoleCall, Frame, Organizations, shown};
use crate::acts::records;
use crate::http::error::Outcome;
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
        frame: Frame::new(&call, "profiles"),
        organizations: organizations.choices(None),
    })
}

/// `GET /console/export/profiles`
pub(crate) async fn download(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of_query(call.exchange().query());
    let organization_id = parse_export(Some(&form.to_query(&[])))?;
    let mut answer = records::export(&call.desk, organization_id).await?;
    let name = HeaderValue::from_static("attachment; filename=\"rollcall-profiles.ndjson\"");
    answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    protect(Room::Console, &mut answer);
    Ok(answer)
}
