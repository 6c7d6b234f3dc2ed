//! Why settings are unusable.

use std::path::PathBuf;

/// Why settings are unusable. `Display` is one line: the source, the setting, what was expected.
///
/// What was written is not shown, since it may be a secret put into the wrong place; a log filter is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}; name a file that exists and is readable", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The operating system's reason.
        reason: String,
    },
    /// The configuration file is not TOML.
    #[error("{}, line {line}: not valid TOML: {reason}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The parser's reason.
        reason: String,
    },
    /// A key or variable that is no setting.
    #[error("{origin}: {key}: no such setting; {}", advice(nearest.as_deref()))]
    Unknown {
        /// The file, or the environment.
        origin: String,
        /// The unknown name.
        key: String,
        /// The most similar name of a setting.
        nearest: Option<String>,
    },
    /// A section was given a single value.
    #[error("{}: {key}: is a section; set {example} and its like instead", file.display())]
    NotASection {
        /// The file.
        file: PathBuf,
        /// The section.
        key: String,
        /// One of its settings.
        example: String,
    },
    /// A variable's value is not UTF-8.
    #[error("{variable}: the value is not valid UTF-8; set it again")]
    NotUtf8 {
        /// The variable.
        variable: String,
    },
    /// A value that the setting cannot take.
    #[error("{origin}: {key}: {reason}")]
    Invalid {
        /// Who set it.
        origin: String,
        /// The setting.
        key: &'static str,
        /// What was expected.
        reason: String,
    },
    /// Two settings that exclude each other.
    #[error(
        "{one} ({one_origin}) and {other} ({other_origin}) exclude each other; unset one of them"
    )]
    Conflict {
        /// The one.
        one: &'static str,
        /// Who set it.
        one_origin: String,
        /// The other.
        other: &'static str,
        /// Who set it.
        other_origin: String,
    },
    /// A secret key that is not 32 bytes in base64.
    #[error("{key}: expected 32 bytes in base64; make one with: openssl rand -base64 32")]
    NotAKey {
        /// The setting.
        key: &'static str,
    },
}

pub(super) fn advice(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "docs/reference/settings.md lists all".to_owned(),
    }
}
