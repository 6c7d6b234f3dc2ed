//! Everything this program prints: tables on a terminal, JSON into a pipe.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this program is for"
)]

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use comfy_table::Table;
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED};

use crate::results::{
    PagesResults, PostgresqlFigures, PostgresqlResults, Results, RunResults, ScaleResults,
    ServerFigures, Settings, TransferFigures, WebhookResults,
};
use crate::stats::{Spread, float};
use crate::targets::{Bound, Judged, Unit, megabytes};

/// Where a table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Terminal,
    Markdown,
}

/// The result on standard output and, if asked for, in a file.
pub(crate) fn results(results: &Results, file: Option<&Path>) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(results)?;
    if let Some(file) = file {
        std::fs::write(file, format!("{json}\n"))
            .with_context(|| format!("writing {}", file.display()))?;
    }
    if std::io::stdout().is_terminal() {
        println!("{}", text(results, Place::Terminal));
    } else {
        println!("{json}");
    }
    Ok(())
}

pub(crate) fn import(import: &TransferFigures) -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() {
        println!("{}", import_sentence(import));
    } else {
        println!("{}", serde_json::to_string_pretty(import)?);
    }
    Ok(())
}

/// What the limit server says to the one who started it.
pub(crate) fn address(address: SocketAddr) -> anyhow::Result<()> {
    use std::io::Write as _;
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

/// The tables and the sentences around them.
pub(crate) fn text(results: &Results, place: Place) -> String {
    match results {
        Results::Run(run) => run_text(run, place),
        Results::Scale(scale) => scale_text(scale, place),
        Results::Webhooks(webhooks) => webhooks_text(webhooks, place),
        Results::Postgresql(results) => postgresql_text(results, place),
        Results::Pages(results) => pages_text(results, place),
    }
}

fn run_text(run: &RunResults, place: Place) -> String {
    let mut parts = vec![conditions(&run.rollcall, &run.machine, &run.settings)];
    parts.push(targets_table(&run.targets, place));
    let mut rows = Vec::new();
    for scenario in &run.scenarios {
        rows.push(server_row(
            &scenario.name,
            &scenario.rollcall,
            &range(scenario.of_limit, 2),
        ));
        rows.push(server_row("  the limit server", &scenario.limit, ""));
    }
    if let Some(creates) = &run.creates {
        let times = format!("{} x reference", range(creates.times_reference, 1));
        rows.push(server_row("creates, 64 clients", &creates.rollcall, &times));
        let alone = format!("1 / {} of the above", range(creates.times_alone, 1));
        rows.push(server_row("  1 client", &creates.alone, &alone));
        let reference = thousands(creates.reference_per_second.median);
        rows.push(["  one commit each", "", &reference, "", "", "", ""].map(str::to_owned));
    }
    let header = [
        "scenario",
        "CPU µs/request",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "bytes",
        "limit / rollcall",
    ];
    parts.push(table(&header, &rows, place));
    parts.push(import_sentence(&run.import));
    parts.extend(
        run.export
            .as_ref()
            .map(|export| transfer_sentence("Export", export)),
    );
    parts.push(format!(
        "Memory under load: {:.1} MB anonymous, {:.1} MB resident, {:.1} MB resident at the most. \
         Cold start: {} ms.",
        megabytes(run.memory.anonymous),
        megabytes(run.memory.resident),
        megabytes(run.memory.peak_resident),
        range(run.cold_start_ms, 0),
    ));
    parts.extend(run.notes.iter().map(|note| format!("Note: {note}")));
    let failures = run.failures.iter();
    parts.extend(
        failures.map(|failure| format!("FAILED: {}: {}", failure.scenario, failure.reason)),
    );
    parts.join("\n\n")
}

fn scale_text(scale: &ScaleResults, place: Place) -> String {
    let rows = [&scale.small, &scale.large].map(|size| {
        let name = format!("list at {} profiles", thousands(float(size.profiles)));
        server_row(&name, &size.list, "")
    });
    let header = [
        "scenario",
        "CPU µs/request",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "bytes",
        "",
    ];
    [
        conditions(&scale.rollcall, &scale.machine, &scale.settings),
        targets_table(&scale.targets, place),
        table(&header, &rows, place),
        import_sentence(&scale.large.import),
    ]
    .join("\n\n")
}

fn webhooks_text(webhooks: &WebhookResults, place: Place) -> String {
    let figures = &webhooks.deliveries;
    let mut rows = vec![
        ["decisions/s", &range(figures.decisions_per_second, 0)].map(str::to_owned),
        [
            "lists/s beside them, endpoints disabled",
            &range(figures.lists_without, 0),
        ]
        .map(str::to_owned),
        [
            "lists/s beside them, endpoints enabled",
            &range(figures.lists_with, 0),
        ]
        .map(str::to_owned),
        ["decision to arrival, p50 ms", &range(figures.lag_p50_ms, 1)].map(str::to_owned),
        ["decision to arrival, p99 ms", &range(figures.lag_p99_ms, 1)].map(str::to_owned),
        [
            "a decision's answer, p99 ms",
            &range(figures.decision_p99_ms, 1),
        ]
        .map(str::to_owned),
    ];
    if let Some(backlog) = &webhooks.backlog {
        let waiting = thousands(float(backlog.waiting));
        rows.push([
            "decision to arrival, p99 ms, before the backlog".to_owned(),
            range(backlog.lag_p99_ms_without, 1),
        ]);
        rows.push([
            format!("the same while {waiting} events wait for a dead endpoint"),
            range(backlog.lag_p99_ms_with, 1),
        ]);
    }
    [
        conditions(&webhooks.rollcall, &webhooks.machine, &webhooks.settings),
        format!(
            "{} decisions a second for {} s in each half of a round, each told to {} of {} endpoints; {} of {} \
             deliveries arrived.",
            thousands(webhooks.rate),
            webhooks.settings.seconds,
            webhooks.fan_out,
            webhooks.endpoints,
            thousands(float(figures.arrived)),
            thousands(float(figures.wanted)),
        ),
        targets_table(&webhooks.targets, place),
        table(&["figure", ""], &rows, place),
    ]
    .join("\n\n")
}

fn postgresql_text(results: &PostgresqlResults, place: Place) -> String {
    let figures = results.reads.iter().chain(&results.creates);
    let rows: Vec<_> = figures.flat_map(postgresql_rows).collect();
    let header = [
        "scenario",
        "Rollcall CPU µs",
        "database CPU µs",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "Rollcall / pgbench",
    ];
    let settings = &results.settings;
    [
        conditions(&results.rollcall, &results.machine, settings),
        format!(
            "On PostgreSQL {}, which has the server's core too, as pgbench has the generator's.",
            results.postgresql
        ),
        targets_table(&results.targets, place),
        table(&header, &rows, place),
        import_sentence(&results.import),
    ]
    .join("\n\n")
}

fn pages_text(results: &PagesResults, place: Place) -> String {
    let settings = &results.settings;
    let mut parts = vec![
        format!(
            "{}, {} profiles; {} cores of {}, Linux {}; one request at a time, each page {} times; medians, and \
             the range in brackets.",
            results.rollcall,
            thousands(float(settings.profiles)),
            results.machine.cores,
            results.machine.cpu,
            results.machine.kernel,
            settings.rounds,
        ),
        targets_table(&results.targets, place),
    ];
    let [Some(one), Some(other)] = [results.engines.first(), results.engines.get(1)] else {
        return parts.join("\n\n");
    };
    let header = [
        "page",
        &format!("{}, ms", one.name),
        &format!("{}, ms", other.name),
    ];
    let pages = one.pages.iter().zip(&other.pages);
    let rows: Vec<_> = pages
        .map(|(one, other)| [one.name.clone(), range(one.ms, 1), range(other.ms, 1)])
        .collect();
    parts.push(table(&header, &rows, place));
    for engine in &results.engines {
        let header = [
            &format!("slowest of {} searches, {}", engine.searches, engine.name),
            "ms",
        ];
        let slowest = engine.slowest.iter();
        let rows: Vec<_> = slowest
            .map(|search| [format!("`{}`", search.name), range(search.ms, 1)])
            .collect();
        parts.push(table(&header, &rows, place));
    }
    parts.join("\n\n")
}

/// A row for what went through Rollcall, and one for each reference.
fn postgresql_rows(figures: &PostgresqlFigures) -> Vec<[String; 7]> {
    let server = &figures.rollcall;
    let mut rows = vec![[
        figures.name.clone(),
        range(server.cpu_us, 1),
        range(figures.database_cpu_us, 1),
        thousands(server.requests_per_second.median),
        thousands(server.p50_us.median),
        thousands(server.p99_us.median),
        String::new(),
    ]];
    rows.extend(figures.references.iter().map(|reference| {
        let rate = thousands(reference.per_second.median);
        let times = range(reference.times_reference, 2);
        let name = format!("  {}", reference.name);
        [&name, "", "", &rate, "", "", &times].map(str::to_owned)
    }));
    rows
}

fn conditions(rollcall: &str, machine: &crate::results::Machine, settings: &Settings) -> String {
    let cores = if settings.separate_cores {
        "a core each"
    } else {
        "sharing a core"
    };
    let arguments = match settings.serve_arguments.as_slice() {
        [] => "default settings".to_owned(),
        arguments => arguments.join(" "),
    };
    format!(
        "{rollcall}, {arguments}, {} profiles; {} cores of {}, Linux {}; server and generator {cores}; \
         {} rounds of {} s, {} connections; medians, and the range over the rounds in brackets.",
        thousands(float(settings.profiles)),
        machine.cores,
        machine.cpu,
        machine.kernel,
        settings.rounds,
        settings.seconds,
        settings.connections,
    )
}

fn targets_table(targets: &[Judged], place: Place) -> String {
    let rows: Vec<_> = targets
        .iter()
        .map(|row| {
            let figure = row
                .figure
                .map_or_else(|| "–".to_owned(), |figure| amount(figure, row.unit));
            let verdict = row.verdict.words().to_owned();
            [
                row.what.clone(),
                figure,
                bound(row.must, row.unit),
                bound(row.aim, row.unit),
                verdict,
            ]
        })
        .collect();
    table(&["what", "figure", "must", "aim", "verdict"], &rows, place)
}

fn server_row(name: &str, server: &ServerFigures, last: &str) -> [String; 7] {
    [
        name.to_owned(),
        range(server.cpu_us, 1),
        thousands(server.requests_per_second.median),
        thousands(server.p50_us.median),
        thousands(server.p99_us.median),
        thousands(server.bytes),
        last.to_owned(),
    ]
}

fn import_sentence(import: &TransferFigures) -> String {
    transfer_sentence("Import", import)
}

fn transfer_sentence(what: &str, transfer: &TransferFigures) -> String {
    format!(
        "{what}: {} records ({:.0} MB) in {:.1} s, {} records/s, {:.1} s of CPU, peak RSS {:.1} MB.",
        thousands(float(transfer.records)),
        megabytes(transfer.bytes),
        transfer.seconds,
        thousands(transfer.records_per_second),
        transfer.cpu_seconds,
        megabytes(transfer.peak_resident),
    )
}

fn table<const COLUMNS: usize>(
    header: &[&str; COLUMNS],
    rows: &[[String; COLUMNS]],
    place: Place,
) -> String {
    let preset = if place == Place::Terminal {
        UTF8_FULL_CONDENSED
    } else {
        ASCII_MARKDOWN
    };
    let mut table = Table::new();
    table.load_preset(preset).set_header(header);
    table.add_rows(rows);
    table.to_string()
}

fn amount(figure: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio => format!("{figure:.2}"),
        Unit::Megabytes => format!("{figure:.1} MB"),
        Unit::Milliseconds => format!("{figure:.0} ms"),
        Unit::PerSecond => format!("{}/s", thousands(figure)),
        Unit::Percent => format!("{figure:.2} %"),
    }
}

fn bound(bound: Bound, unit: Unit) -> String {
    match bound {
        Bound::AtLeast(figure) => format!("≥ {}", amount(figure, unit)),
        Bound::AtMost(figure) => format!("≤ {}", amount(figure, unit)),
    }
}

fn range(spread: Spread, decimals: usize) -> String {
    let Spread { median, min, max } = spread;
    format!("{median:.decimals$} [{min:.decimals$}–{max:.decimals$}]")
}

/// Whole, with commas.
fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
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
        assert_eq!(thousands(0.4), "0");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(26_500.2), "26,500");
        assert_eq!(thousands(1_000_000.0), "1,000,000");
    }

    #[test]
    fn a_table_in_the_documentation_is_markdown() {
        let text = table(
            &["a", "b"],
            &[["1".to_owned(), "2".to_owned()]],
            Place::Markdown,
        );
        assert_eq!(text, "| a | b |\n|---|---|\n| 1 | 2 |");
    }
}
