//! Import of a file: first every line is checked and nothing written, then the same file is sent to be imported. Both are what the
//! operator API's import does, with `dry_run` and without.
//!
//! The file is read as it arrives and kept nowhere: a batch of records is in memory, whatever its length, and no copy of people's
//! data is left behind that somebody has to delete. So it is chosen a second time. The browser shows how far the sending is; when
//! all of it is there, all but the last batch is stored, and the page answers with what became of every line.

use askama::Template;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use multer::{Field, Multipart};
use rollcall_domain::id::OrganizationId;
use rollcall_store::registry::PutMode;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::profiles::ImportReport;

use super::{Choice, ConsoleCall, Frame, Organizations, Told};
use crate::acts::import::{Decoder, Format, Import, Lines};
use crate::http::body::BodyError;
use crate::http::error::{Failure, Outcome, Written};
use crate::pages::shown::number;
use crate::pages::{Room, page};

/// The longest value of a field that is no file, in bytes.
const LONGEST_FIELD: usize = 1_024;

/// What a file that gzip made begins with.
const GZIP: &[u8] = &[0x1f, 0x8b];

#[derive(Template)]
#[template(path = "console/import.html")]
struct ImportPage {
    frame: Frame,
    organizations: Vec<Choice>,
    matches: Vec<Choice>,
    /// What the form does when it is sent.
    next: Step,
    outcome: Option<Shown>,
}

/// What became of a file.
#[derive(Debug)]
struct Shown {
    step: Step,
    file: String,
    imported: String,
    replaced: String,
    failed: String,
    /// How many records are there to be imported.
    good: u64,
    errors: Vec<(u64, String)>,
    /// How many more lines are bad than are shown.
    more_errors: u64,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Check,
    Import,
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Import => "import",
        }
    }
}

/// What the form says before the file.
#[derive(Default)]
struct Asked {
    step: Option<Step>,
    match_reference: Option<bool>,
    organization_id: Option<OrganizationId>,
}

/// `GET /console/import`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    shown(&call, &Asked::default(), None, None).await
}

/// `POST /console/import`: the form, whose last field is the file.
pub(crate) async fn run(call: ConsoleCall<'_>) -> Outcome {
    let mut asked = Asked::default();
    match read(&call, &mut asked).await {
        Ok(outcome) => shown(&call, &asked, Some(outcome), None).await,
        Err(failure) => {
            let told = Told::of(failure)?;
            shown(&call, &asked, None, Some(told)).await
        }
    }
}

async fn shown(
    call: &ConsoleCall<'_>,
    asked: &Asked,
    outcome: Option<Shown>,
    told: Option<Told>,
) -> Outcome {
    let organizations = Organizations::read(call).await?;
    let matches = [
        (REFERENCE, "Replaces the profile that has its reference ID"),
        (NOTHING, "Makes a new profile each time"),
    ];
    let chosen = match asked.match_reference {
        Some(false) => NOTHING,
        Some(true) | None => REFERENCE,
    };
    let is_checked = outcome
        .as_ref()
        .is_some_and(|it| it.step == Step::Check && it.good > 0);
    let import = ImportPage {
        frame: Frame::new(call, "profiles").telling(told),
        organizations: organizations
            .choices(asked.organization_id.as_ref().map(OrganizationId::as_str)),
        matches: Choice::all(
            matches.map(|(value, label)| (value, label.to_owned())),
            Some(chosen),
        ),
        next: if is_checked {
            Step::Import
        } else {
            Step::Check
        },
        outcome,
    };
    page(Room::Console, import.frame.status(), &import)
}

const REFERENCE: &str = "reference_id";
const NOTHING: &str = "nothing";

/// Reads the form, and does with the file what it says.
async fn read(call: &ConsoleCall<'_>, asked: &mut Asked) -> Result<Shown, Failure> {
    let exchange = call.exchange();
    let content_type = exchange.head.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(content_type.unwrap_or_default())
        .map_err(|_| ApiError::at("content-type", "must be multipart/form-data"))?;
    let Some(body) = exchange.take_body() else {
        return Err(Failure::internal("a body was read twice", Written::Nothing));
    };
    let parts = body.parts(call.app().settings.listener.quiet_timeout);
    let mut form = Multipart::new(parts, boundary);
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            return file(call, asked, field).await;
        }
        let value = text(&mut field).await?;
        match (name.as_str(), value.as_str()) {
            ("do", "check") => asked.step = Some(Step::Check),
            ("do", "import") => asked.step = Some(Step::Import),
            ("match", REFERENCE) => asked.match_reference = Some(true),
            ("match", NOTHING) => asked.match_reference = Some(false),
            ("organization_id", "") => {}
            ("organization_id", id) => {
                let id = OrganizationId::parse(id);
                let id = id.map_err(|error| ApiError::at("organization_id", error))?;
                asked.organization_id = Some(id);
            }
            (name, _) => return Err(ApiError::at(name, "is not what this form sends").into()),
        }
    }
    Err(ApiError::at("file", "is required").into())
}

async fn file(
    call: &ConsoleCall<'_>,
    asked: &Asked,
    mut field: Field<'_>,
) -> Result<Shown, Failure> {
    // What comes behind a file is read after it, which is too late.
    let (Some(step), Some(match_reference)) = (asked.step, asked.match_reference) else {
        return Err(ApiError::at("file", "must come last, after do and match").into());
    };
    let file = field.file_name().unwrap_or_default().to_owned();
    let mut begin = Vec::new();
    while begin.len() < GZIP.len() {
        match field.chunk().await.map_err(broken)? {
            Some(part) => begin.extend_from_slice(&part),
            None => break,
        }
    }
    if begin.is_empty() {
        return Err(ApiError::at("file", "choose one that is not empty").into());
    }
    let decoder = if begin.starts_with(GZIP) {
        Decoder::gzip()
    } else {
        Decoder::Identity
    };
    let lines = Lines::new(decoder, Format::AsItBegins);
    let mode = PutMode {
        match_reference,
        dry_run: step == Step::Check,
    };
    let mut import = Import::new(&call.desk, lines, mode, asked.organization_id.clone());
    import.feed(Bytes::from(begin)).await?;
    while let Some(part) = field.chunk().await.map_err(broken)? {
        import.feed(part).await?;
    }
    Ok(Shown::new(step, file, import.finish().await?))
}

/// The value of a field that is no file.
async fn text(field: &mut Field<'_>) -> Result<String, Failure> {
    let mut value = Vec::new();
    while let Some(part) = field.chunk().await.map_err(broken)? {
        value.extend_from_slice(&part);
        if value.len() > LONGEST_FIELD {
            let message = format!("must be at most {LONGEST_FIELD} bytes");
            return Err(ApiError::at(field.name().unwrap_or_default(), message).into());
        }
    }
    let value = String::from_utf8(value);
    value.map_err(|_| ApiError::invalid("The form is not valid").into())
}

fn broken(error: multer::Error) -> Failure {
    match error {
        multer::Error::StreamReadFailed(_)
        | multer::Error::IncompleteStream
        | multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders => BodyError::Incomplete.into(),
        error => ApiError::invalid(format!("The form is not valid: {error}")).into(),
    }
}

impl Shown {
    fn new(step: Step, file: String, report: ImportReport) -> Self {
        let told = u64::try_from(report.errors.len()).unwrap_or(report.failed);
        Self {
            step,
            file,
            imported: number(report.imported),
            replaced: number(report.replaced),
            failed: number(report.failed),
            good: report.imported + report.replaced,
            errors: report.errors,
            more_errors: report.failed - told,
        }
    }

    fn is_checked(&self) -> bool {
        self.step == Step::Check
    }
}
