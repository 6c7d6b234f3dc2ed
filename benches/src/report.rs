//! Puts the figures of a run into the documentation, between the markers it keeps for them, so
//! that no figure there was ever typed by hand.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::output::{self, Place};
use crate::results::Results;

pub(crate) fn write(file: &Path, into: &Path) -> anyhow::Result<ExitCode> {
    let reading = |path: &Path| format!("reading {}", path.display());
    let json = fs::read(file).with_context(|| reading(file))?;
    let results: Results = serde_json::from_slice(&json).with_context(|| reading(file))?;
    let document = fs::read_to_string(into).with_context(|| reading(into))?;
    let name = match &results {
        Results::Run(_) => "run",
        Results::Scale(_) => "scale",
        Results::Webhooks(_) => "webhooks",
        Results::Postgresql(_) => "postgresql",
        Results::Pages(_) => "pages",
    };
    let filled = fill(&document, name, &output::text(&results, Place::Markdown))
        .with_context(|| format!("{}: no markers for figures:{name}", into.display()))?;
    fs::write(into, filled).with_context(|| format!("writing {}", into.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// `None` when the document lacks the markers.
fn fill(document: &str, name: &str, figures: &str) -> Option<String> {
    let opening = format!("<!-- figures:{name} -->");
    let (before, rest) = document.split_once(&opening)?;
    let closing = format!("<!-- /figures:{name} -->");
    let (_, after) = rest.split_once(&closing)?;
    Some(format!(
        "{before}{opening}\n\n{figures}\n\n{closing}{after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_replace_what_stood_between_the_markers() {
        let document = "a\n<!-- figures:run -->\nold\n<!-- /figures:run -->\nb\n";
        let filled = fill(document, "run", "new").unwrap();
        assert_eq!(
            filled,
            "a\n<!-- figures:run -->\n\nnew\n\n<!-- /figures:run -->\nb\n"
        );
        assert_eq!(fill(&filled, "run", "new").unwrap(), filled);
        assert_eq!(fill(document, "scale", "new"), None);
    }
}
