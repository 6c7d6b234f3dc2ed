//! What a command prints: the one place that writes to standard output and standard error.
//!
//! An answer is a JSON object in the shape of the API. On a terminal it becomes a table; in a pipe it
//! stays JSON, so that `rollcall … | jq` works without an option. Standard output carries the answer and
//! nothing else; notes, progress and complaints go to standard error.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::thread;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use terminal_size::terminal_size_of;

use super::failure::{Failure, Outcome};

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people
    Table,
    /// One JSON document, in the shape of the API's answer
    Json,
    /// One JSON object a line
    Ndjson,
}

/// The options of every command that prints an answer.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// How the answer is printed [default: table on a terminal, json elsewhere]
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        env = "ROLLCALL_OUTPUT",
        hide_env_values = true
    )]
    pub output: Option<Format>,
}

/// One column of a list: its heading and where a row has its value, as a JSON pointer.
pub type Column = (&'static str, &'static str);

/// Standard output, in one format.
pub struct Output {
    format: Format,
    on_terminal: bool,
    stream: BufWriter<anstream::AutoStream<io::Stdout>>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Output")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl OutputArgs {
    /// Standard output in the format asked for.
    pub fn open(self) -> Output {
        let on_terminal = io::stdout().is_terminal();
        let format = self.output.unwrap_or(if on_terminal {
            Format::Table
        } else {
            Format::Json
        });
        Output {
            format,
            on_terminal,
            stream: BufWriter::new(anstream::stdout()),
        }
    }
}

impl Output {
    /// Prints one object.
    pub fn item(&mut self, item: &Value) -> Outcome {
        match self.format {
            Format::Table => {
                let mut table = plain_table();
                for (path, value) in flattened(item) {
                    table.add_row([path, value]);
                }
                self.table(&table)
            }
            Format::Json if self.on_terminal => {
                serde_json::to_writer_pretty(&mut self.stream, item).map_err(io::Error::from)?;
                self.end_line()
            }
            Format::Json | Format::Ndjson => {
                serde_json::to_writer(&mut self.stream, item).map_err(io::Error::from)?;
                self.end_line()
            }
        }
    }

    /// Begins a list whose rows come page by page.
    pub fn list(&mut self, columns: &'static [Column]) -> Listing<'_> {
        Listing {
            output: self,
            columns,
            derive: None,
            rows: 0,
            widths: Vec::new(),
        }
    }

    /// Whether a person is to read it.
    pub fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Prints a text as it is, with the line break it needs to end.
    pub fn text(&mut self, text: &str) -> Outcome {
        self.stream.write_all(text.as_bytes())?;
        if text.ends_with('\n') {
            self.stream.flush()?;
            return Ok(());
        }
        self.end_line()
    }

    fn table(&mut self, table: &Table) -> Outcome {
        for line in table.lines() {
            self.stream.write_all(line.trim_end().as_bytes())?;
            self.stream.write_all(b"\n")?;
        }
        self.stream.flush()?;
        Ok(())
    }

    fn end_line(&mut self) -> Outcome {
        self.stream.write_all(b"\n")?;
        self.stream.flush()?;
        Ok(())
    }
}

/// A list being printed.
#[derive(Debug)]
pub struct Listing<'a> {
    output: &'a mut Output,
    columns: &'static [Column],
    derive: Option<fn(&mut Value)>,
    rows: usize,
    widths: Vec<u16>,
}

impl Listing<'_> {
    /// The same list, each row of a table completed by `derive` with what its columns name and the
    /// answer does not have.
    #[must_use]
    pub fn with(self, derive: Option<fn(&mut Value)>) -> Self {
        Self { derive, ..self }
    }

    /// Prints one page. Nothing of it is kept, so a walk over all pages takes constant memory.
    pub fn page(&mut self, rows: &[Value]) -> Outcome {
        match self.output.format {
            Format::Table => self.table_page(rows)?,
            Format::Json => {
                for row in rows {
                    let before: &[u8] = if self.rows == 0 { b"{\"data\":[" } else { b"," };
                    self.output.stream.write_all(before)?;
                    serde_json::to_writer(&mut self.output.stream, row).map_err(io::Error::from)?;
                    self.rows += 1;
                }
            }
            Format::Ndjson => {
                for row in rows {
                    serde_json::to_writer(&mut self.output.stream, row).map_err(io::Error::from)?;
                    self.output.stream.write_all(b"\n")?;
                }
            }
        }
        Ok(self.output.stream.flush()?)
    }

    fn table_page(&mut self, rows: &[Value]) -> Outcome {
        let mut table = plain_table();
        if self.rows == 0 && !rows.is_empty() {
            table.set_header(self.columns.iter().map(|(heading, _)| *heading));
        }
        for row in rows {
            let mut row = Cow::Borrowed(row);
            if let Some(derive) = self.derive {
                derive(row.to_mut());
            }
            table.add_row(self.columns.iter().map(|(_, pointer)| {
                row.pointer(pointer)
                    .map_or_else(|| "-".to_owned(), cell_text)
            }));
        }
        // Later pages keep at least the columns of the first, so that a walk reads as one table.
        for (column, width) in table.column_iter_mut().zip(&self.widths) {
            column.set_constraint(comfy_table::ColumnConstraint::LowerBoundary(
                comfy_table::Width::Fixed(*width),
            ));
        }
        if self.widths.is_empty() {
            self.widths = table.column_max_content_widths();
            self.widths.iter_mut().for_each(|width| *width += 2);
        }
        self.rows += rows.len();
        self.output.table(&table)
    }

    /// Ends the list; `next_page` is where the one who asked could go on.
    pub fn end(self, next_page: Option<&str>) -> Outcome {
        match self.output.format {
            Format::Table => {
                if self.rows == 0 {
                    note("nothing found");
                }
                if let Some(next_page) = next_page {
                    note(&format!(
                        "more follow: --page {next_page}, or --all for everything"
                    ));
                }
            }
            Format::Json => {
                let before = if self.rows == 0 { "{\"data\":[" } else { "" };
                let next_page = Value::from(next_page);
                write!(self.output.stream, "{before}],\"next_page\":{next_page}}}")?;
                self.output.end_line()?;
            }
            Format::Ndjson => {
                if let Some(next_page) = next_page {
                    note(&format!("more follow: --page {next_page}"));
                }
            }
        }
        Ok(())
    }
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    // Some terminals tell no width, or that they have none, which is no reason to put nothing into a line.
    if let Some((terminal_size::Width(width @ 1..), _)) = terminal_size_of(std::io::stdout()) {
        table.set_width(width);
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// Every value inside `item` with its dotted path; empty objects and arrays count as values.
fn flattened(item: &Value) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    flatten(&mut rows, "", item);
    rows
}

fn flatten(rows: &mut Vec<(String, String)>, path: &str, value: &Value) {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                flatten(rows, &below(&printable(name)), value);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            for (number, element) in elements.iter().enumerate() {
                flatten(rows, &below(&number.to_string()), element);
            }
        }
        value => rows.push((path.to_owned(), cell_text(value))),
    }
}

fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Array(elements) if elements.is_empty() => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(elements) if elements.iter().all(Value::is_string) => {
            let texts: Vec<_> = elements.iter().map(cell_text).collect();
            texts.join(" ")
        }
        other => printable(&other.to_string()),
    }
}

/// The text with control characters written out: what a platform stored must not drive a terminal.
pub fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Prints help or the version, coloured on a terminal.
pub fn help(text: &clap::builder::StyledStr) -> Outcome {
    write!(anstream::stdout(), "{}", text.ansi())?;
    Ok(())
}

/// Prints bytes as they are.
pub fn write_bytes(bytes: &[u8]) -> Outcome {
    let mut stdout = io::stdout();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// Prints on a thread of its own, for a server, which waits for nobody to read its standard output.
pub fn aside(print: impl FnOnce() -> Outcome + Send + 'static) {
    let print = || match print() {
        Ok(()) | Err(Failure::Closed) => {}
        Err(_) => tracing::warn!("standard output cannot be written"),
    };
    if let Err(error) = thread::Builder::new().spawn(print) {
        tracing::warn!(%error, "cannot start a thread to write standard output");
    }
}

/// Tells the person at the terminal something beside the answer.
pub fn note(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Standard output for a stream of bytes.
pub fn bytes() -> BufWriter<io::Stdout> {
    BufWriter::with_capacity(256 * 1024, io::stdout())
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // `rollcall … | head` has read what it wanted.
            Self::Closed
        } else {
            Self::Failed(format!("cannot write the output: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_flattened_to_dotted_paths() {
        let rows = flattened(&json!({
            "id": "x", "details": {"country": null, "tags": ["a", "b"]}, "programs": {},
            "actions": [{"type": "ban"}], "none": [],
        }));
        let expected = [
            ("id", "x"),
            ("details.country", "-"),
            ("details.tags", "a b"),
            ("programs", "{}"),
            ("actions.0.type", "ban"),
            ("none", "-"),
        ];
        assert_eq!(rows, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(printable("Zoë"), "Zoë");
    }
}
