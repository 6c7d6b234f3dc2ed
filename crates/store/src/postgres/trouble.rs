//! What goes wrong between this process and the database, sorted by what can be done about it.

use rollcall_record::document::DamagedDocument;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::StoreError;

/// Why an attempt did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another transaction was in the way; run again, it will succeed.
    Conflict(String),
    /// A key exists already: another node was faster, or this decision has been applied.
    Duplicate(String),
    /// The organization a row was to belong to does not exist.
    NoOrganization,
    /// The connection is gone, and with it what was not committed.
    Lost(String),
    /// No answer came in time, and the question may still be worked on.
    Silent(String),
    /// The database cannot be reached at all.
    Unreachable(String),
    /// Another transaction has locked what is needed, for longer than this one waits for that.
    Held(String),
    /// The database has no room or no time; it did nothing.
    Busy(String),
    /// An earlier attempt, whose answer was lost, turns out to have been applied.
    Applied,
    /// Anything else.
    Stored(StoreError),
}

impl Trouble {
    /// What an error of the client library means.
    pub(super) fn of(error: &Error) -> Self {
        match error.as_db_error() {
            Some(answer) => Self::of_answer(answer),
            None if is_ours(error) => Self::Stored(StoreError::Failed(text(error))),
            None => Self::Lost(text(error)),
        }
    }

    /// What an error that the server answered with means.
    fn of_answer(answer: &DbError) -> Self {
        let code = answer.code();
        let text = line(answer);
        match code.code() {
            "40001" | "40P01" => Self::Conflict(text),
            "23505" => Self::Duplicate(text),
            // Only the organization is ever looked up into a column that must not be null.
            "23502" => Self::NoOrganization,
            // Connections that are of no use any more: of a primary that has become a standby, or with
            // a session that has lost a statement.
            "25006" | "26000" => Self::Lost(text),
            // One that keeps a statement which a migration has changed.
            "0A000" if answer.message().contains("cached plan") => Self::Lost(text),
            _ if ends_the_session(answer) => Self::Lost(text),
            "55P03" => Self::Held(text),
            "57014" => Self::Busy(text),
            code if ["53", "58"].contains(&&code[..2]) => Self::Busy(text),
            _ => Self::Stored(StoreError::Failed(text)),
        }
    }

    /// What an error while connecting means.
    pub(super) fn connecting(error: &Error) -> Self {
        Self::Unreachable(match error.as_db_error() {
            Some(answer) => line(answer),
            None => text(error),
        })
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Stored(error)
    }
}

impl From<DamagedDocument> for Trouble {
    fn from(error: DamagedDocument) -> Self {
        Self::Stored(error.into())
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Conflict(text) => {
                Self::Unavailable(format!("transactions kept conflicting: {text}"))
            }
            Trouble::Duplicate(text) => Self::Failed(text),
            Trouble::NoOrganization => Self::Unavailable("the organization was removed".into()),
            Trouble::Lost(text)
            | Trouble::Silent(text)
            | Trouble::Unreachable(text)
            | Trouble::Held(text)
            | Trouble::Busy(text) => Self::Unavailable(text),
            Trouble::Applied => Self::Failed("an applied decision was run again".into()),
            Trouble::Stored(error) => error,
        }
    }
}

/// Whether the answer means that the session has ended, whatever it was doing.
pub(super) fn ends_the_session(answer: &DbError) -> bool {
    let fatal = matches!(
        answer.parsed_severity(),
        Some(Severity::Fatal | Severity::Panic)
    );
    let code = answer.code();
    fatal
        || code.code().starts_with("08")
        || *code == SqlState::ADMIN_SHUTDOWN
        || *code == SqlState::CRASH_SHUTDOWN
        || *code == SqlState::CANNOT_CONNECT_NOW
}

/// Errors that say something about this code and nothing about the connection.
fn is_ours(error: &Error) -> bool {
    let text = error.to_string();
    [
        "error serializing parameter",
        "error deserializing column",
        "invalid column",
        "expected ",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}

/// The server's words in one line. Its detail is left out, because that quotes stored values.
pub(super) fn line(answer: &DbError) -> String {
    format!("{} ({})", answer.message(), answer.code().code())
}

/// The client library's words and their causes in one line.
pub(super) fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
