//! `rollcall openapi`: the documents that a running server shows under `/openapi/`.

use super::failure::{Failure, Outcome};

/// Print an OpenAPI 3.1 document
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// ga, 2026-09-04, 2026-08-18, 2026-03-24 or operator
    #[arg(default_value = "ga")]
    document: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Outcome {
    Err(Failure::setup(format!(
        "{}: this version has no OpenAPI documents",
        arguments.document
    )))
}
