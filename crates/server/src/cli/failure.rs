//! How a command fails: what the person is told and with which status the process ends.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rollcall_domain::decision::Refusal;
use rollcall_store::{OpenError, StoreError};
use rollcall_wire::error::{ApiError, ErrorKind};

/// Why a command did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It could not even begin: a wrong option, a taken port, storage or a server that cannot be
    /// reached. Status 2; the text says what to do.
    Setup(String),
    /// It was tried and refused, or something went wrong on the way. Status 1.
    Failed(String),
    /// A server has nothing of the name it was asked for. Status 1.
    NotFound(String),
    /// A server does not know the key it was shown. Status 1.
    UnknownKey(String),
    /// It has told everything itself. Status 1.
    Told,
    /// Nothing was asked for, and the help has been shown. Status 2.
    Misused,
    /// Nobody reads the output any more, which is no failure. Status 0.
    Closed,
}

/// The result of a command or a step of one.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure to begin.
    pub fn setup(reason: impl std::fmt::Display) -> Self {
        Self::Setup(reason.to_string())
    }

    /// A failure on the way.
    pub fn failed(reason: impl std::fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }

    /// What went wrong; `None` where that has been told already.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Setup(reason)
            | Self::Failed(reason)
            | Self::NotFound(reason)
            | Self::UnknownKey(reason) => Some(reason),
            Self::Told | Self::Misused | Self::Closed => None,
        }
    }

    /// Tells the person and gives the status to end with.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Setup(reason) => {
                complain(reason);
                ExitCode::from(2)
            }
            Self::Failed(reason) | Self::NotFound(reason) | Self::UnknownKey(reason) => {
                complain(reason);
                ExitCode::FAILURE
            }
            Self::Told => ExitCode::FAILURE,
            Self::Misused => ExitCode::from(2),
            Self::Closed => ExitCode::SUCCESS,
        }
    }
}

/// How long the end of a process waits for somebody to read why it ends.
const COMPLAIN_WITHIN: Duration = Duration::from_secs(5);

/// Tells why a command failed, in one line.
pub fn complain(text: &str) {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (done, told) = mpsc::channel();
    let told_by = thread::Builder::new().spawn(move || {
        let _ = writeln!(io::stderr(), "rollcall: {line}");
        let _ = done.send(());
    });
    if told_by.is_ok() {
        let _ = told.recv_timeout(COMPLAIN_WITHIN);
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::setup(error),
            StoreError::OutcomeUnknown(_) | StoreError::Failed(_) => Self::failed(error),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::setup(error)
    }
}

impl From<ApiError> for Failure {
    /// What the operator API would have answered to the same.
    fn from(error: ApiError) -> Self {
        let (kind, message) = (error.kind, error.message);
        let said = format!("{} ({}): {message}", kind.error_type(), kind.status());
        match kind {
            ErrorKind::NotFound => Self::NotFound(said),
            _ => Self::Failed(said),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::failed(refusal)
    }
}

/// Clap's complaint in one line: what is wrong, what was probably meant, where to look it up.
/// `command` is the one it is about.
pub fn of_arguments(error: &clap::Error, command: &str) -> Failure {
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n");
    let problem = paragraphs.next().unwrap_or_default();
    let problem = problem.trim_start_matches("error: ");
    let tips: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tip: "))
        .collect();
    let tips = tips.iter().map(|tip| format!("; {tip}"));
    let tips: String = tips.collect();
    Failure::Setup(format!("{problem}{tips}; see {command} --help"))
}
