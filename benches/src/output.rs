//! Everything this program prints: tables on a terminal, JSON into a pipe, and both in the documentation,
//! between the markers it keeps for figures, so that none there was ever typed by hand.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this program is for"
)]

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use comfy_table::Table;
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED};
use serde_json::Value;

use crate::results::{Results, Row, Target};
use crate::stats::Spread;

/// The result on standard output and, if asked for, in a file.
pub(crate) fn results(results: &Results, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let json = serde_json::to_string_pretty(results)?;
    if let Some(file) = file {
        fs::write(file, format!("{json}\n"))
            .with_context(|| format!("writing {}", file.display()))?;
    }
    if std::io::stdout().is_terminal() {
        println!("{}", text(results, UTF8_FULL_CONDENSED));
    } else {
        println!("{json}");
    }
    Ok(if results.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A table on standard output.
pub(crate) fn rows(rows: &[Row]) {
    println!("{}", table(rows, ASCII_MARKDOWN));
}

/// What the limit server says to the one who started it.
pub(crate) fn address(address: SocketAddr) -> anyhow::Result<()> {
    println!("{address}");
    Ok(std::io::stdout().flush()?)
}

/// What is being done, for someone who waits.
pub(crate) fn progress(what: &str) {
    eprintln!("{what}");
}

pub(crate) fn complain(problem: &str) {
    eprintln!("rollcall-benches: {problem}");
}

/// Puts the figures of a `--json` file into a document.
pub(crate) fn report(file: &Path, into: &Path) -> anyhow::Result<ExitCode> {
    let reading = |path: &Path| format!("reading {}", path.display());
    let json = fs::read(file).with_context(|| reading(file))?;
    let results: Results = serde_json::from_slice(&json).with_context(|| reading(file))?;
    let document = fs::read_to_string(into).with_context(|| reading(into))?;
    let name = &results.command;
    let filled = fill(&document, name, &text(&results, ASCII_MARKDOWN))
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

fn text(results: &Results, preset: &str) -> String {
    let mut parts = vec![results.conditions.clone()];
    if !results.targets.is_empty() {
        let rows: Vec<_> = results.targets.iter().map(target_row).collect();
        parts.push(table(&rows, preset));
    }
    parts.extend(results.tables.iter().map(|rows| table(rows, preset)));
    parts.extend(results.notes.iter().cloned());
    let failures = results.failures.iter();
    parts.extend(failures.map(|failure| format!("FAILED: {failure}")));
    parts.join("\n\n")
}

fn target_row(target: &Target) -> Row {
    let sign = if target.at_least { "≥" } else { "≤" };
    Row::of(&target.what)
        .with("figure", target.figure)
        .with("must", format!("{sign} {}", number(target.must)))
        .with("aim", format!("{sign} {}", number(target.aim)))
        .with("verdict", target.verdict())
}

/// A column for every name that any row has, in the order in which they come.
fn table(rows: &[Row], preset: &str) -> String {
    let mut columns: Vec<&String> = Vec::new();
    for column in rows.iter().flat_map(|row| row.figures.keys()) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let mut table = Table::new();
    let names = columns.iter().map(|name| name.as_str());
    table
        .load_preset(preset)
        .set_header(std::iter::once("").chain(names));
    for row in rows {
        let figures = columns.iter().map(|column| cell(row.figures.get(*column)));
        table.add_row(std::iter::once(row.name.clone()).chain(figures));
    }
    table.to_string()
}

fn cell(figure: Option<&Value>) -> String {
    match figure {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(figure)) => number(figure.as_f64().unwrap_or_default()),
        Some(spread) => match serde_json::from_value::<Spread>(spread.clone()) {
            Ok(Spread { median, min, max }) => {
                format!("{} [{}–{}]", number(median), number(min), number(max))
            }
            Err(_) => spread.to_string(),
        },
    }
}

/// What is large is whole, with commas; what is small has two decimals.
fn number(figure: f64) -> String {
    if figure.abs() < 100.0 {
        return format!("{figure:.2}");
    }
    let digits = format!("{:.0}", figure.abs());
    let mut text = if figure < 0.0 { "-" } else { "" }.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(number(0.4), "0.40");
        assert_eq!(number(-999.0), "-999");
        assert_eq!(number(26_500.2), "26,500");
        assert_eq!(number(1_000_000.0), "1,000,000");
    }

    #[test]
    fn a_table_has_the_columns_of_all_its_rows() {
        let spread = Spread::of([1.0, 2.0]);
        let rows = [Row::of("a").with("x", 1), Row::of("b").with("y", spread)];
        let text = table(&rows, ASCII_MARKDOWN);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert_eq!(lines[0], "|   | x    | y                |");
        assert_eq!(lines[2], "| a | 1.00 |                  |");
        assert_eq!(lines[3], "| b |      | 1.50 [1.00–2.00] |");
    }

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
