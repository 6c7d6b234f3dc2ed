//! What a command prints: the one place that writes to standard output and standard error.
//!
//! An answer is a JSON object in the shape of the API. On a terminal it becomes a table; in a pipe it
//! stays JSON, so that `rollcall … | jq` works without an option. Standard output carries the answer and
//! nothing else; notes, progress and complaints go to standard error.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::thread;

use clap::ValueEnum;
use comfy_table::{Table, presets};
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

/// Which columns of a list a table shows.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Table")]
pub struct TableArgs {
    /// Show every column in full, however narrow the terminal is
    #[arg(long)]
    pub wide: bool,
    /// Show these columns of the table, by their headings, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub columns: Vec<String>,
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
    pub fn list(&mut self, columns: &'static [Column], table: &TableArgs) -> Outcome<Listing<'_>> {
        let all = columns.iter().enumerate();
        let shown = if table.columns.is_empty() {
            all.map(|(at, _)| at).collect()
        } else {
            let named = |name: &String| {
                let is_it = |(heading, _): &Column| heading.eq_ignore_ascii_case(name.trim());
                columns.iter().position(is_it).ok_or_else(|| {
                    let headings: Vec<_> = columns.iter().map(|(heading, _)| *heading).collect();
                    let headings = headings.join(", ");
                    Failure::setup(format!(
                        "there is no column {name:?}; there are: {headings}"
                    ))
                })
            };
            table.columns.iter().map(named).collect::<Outcome<_>>()?
        };
        // Whoever names columns wants them.
        let gives_way = !table.wide && table.columns.is_empty();
        Ok(Listing {
            room: terminal_width().filter(|_| gives_way),
            output: self,
            columns,
            layout: Layout {
                shown,
                most: vec![None; columns.len()],
            },
            left_out: Vec::new(),
            derive: None,
            rows: 0,
            widths: Vec::new(),
        })
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
    layout: Layout,
    /// Columns of a line, where a table has to fit into some.
    room: Option<usize>,
    /// The headings of those that had to give way.
    left_out: Vec<&'static str>,
    derive: Option<fn(&mut Value)>,
    rows: usize,
    widths: Vec<u16>,
}

/// How the rows of a table are laid out. No cell is ever broken: what does not fit gives way.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    /// The columns that are shown, in order.
    shown: Vec<usize>,
    /// To how many characters the texts of a column are cut.
    most: Vec<Option<usize>>,
}

/// To so many characters texts give way before a column does.
const SHORT_TEXT: usize = 24;
/// What stands beside each cell.
const BESIDE: usize = 2;

impl Layout {
    /// Fits columns of these widths into a line: first texts are cut, then columns are left out from the right.
    fn fit(&mut self, room: usize, widths: &[usize], is_text: &[bool]) {
        let width = |layout: &Self| -> usize {
            let of = |at: &usize| layout.most[*at].unwrap_or(usize::MAX).min(widths[*at]) + BESIDE;
            layout.shown.iter().map(of).sum()
        };
        for at in self.shown.clone() {
            if width(self) <= room {
                return;
            }
            if is_text[at] && widths[at] > SHORT_TEXT {
                self.most[at] = Some(SHORT_TEXT);
            }
        }
        while self.shown.len() > 1 && width(self) > room {
            self.shown.pop();
        }
    }

    fn cell(&self, at: usize, text: String) -> String {
        match self.most[at] {
            Some(most) if text.chars().count() > most => {
                let end = text.char_indices().nth(most - 1);
                let kept = &text[..end.map_or(text.len(), |(end, _)| end)];
                // An id among the words goes whole: half of one cannot be copied.
                let begun = kept.rfind(' ').map_or(0, |space| space + 1);
                let word = text[begun..].split(' ').next().unwrap_or_default();
                let is_id = word.contains('_') || word.matches('-').count() == 4;
                let kept = if is_id { &text[..begun] } else { kept };
                format!("{kept}…")
            }
            _ => text,
        }
    }
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
        let mut cells = Vec::with_capacity(rows.len());
        for row in rows {
            let mut row = Cow::Borrowed(row);
            if let Some(derive) = self.derive {
                derive(row.to_mut());
            }
            let cell = |(_, pointer): &Column| {
                row.pointer(pointer)
                    .map_or_else(|| "-".to_owned(), cell_text)
            };
            cells.push(self.columns.iter().map(cell).collect::<Vec<_>>());
        }
        let mut table = plain_table();
        if self.rows == 0 && !rows.is_empty() {
            self.fit(&cells);
            let shown = self.layout.shown.iter();
            table.set_header(shown.map(|at| self.columns[*at].0));
        }
        for mut row in cells {
            let shown = self.layout.shown.iter();
            let shown = shown.map(|at| self.layout.cell(*at, std::mem::take(&mut row[*at])));
            table.add_row(shown);
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

    /// Lets columns give way as the first page needs it; later ones keep to it.
    fn fit(&mut self, cells: &[Vec<String>]) {
        let Some(room) = self.room else { return };
        let columns = 0..self.columns.len();
        let longest = |at: usize| {
            let lengths = cells.iter().map(|row| row[at].chars().count());
            lengths
                .max()
                .unwrap_or_default()
                .max(self.columns[at].0.len())
        };
        let widths: Vec<_> = columns.clone().map(longest).collect();
        let has_words = |at: usize| cells.iter().any(|row| row[at].contains(' '));
        let is_text: Vec<_> = columns.clone().map(has_words).collect();
        self.layout.fit(room, &widths, &is_text);
        let left_out = columns.filter(|at| !self.layout.shown.contains(at));
        self.left_out = left_out.map(|at| self.columns[at].0).collect();
    }

    /// Ends the list; `next_page` is where the one who asked could go on.
    pub fn end(self, next_page: Option<&str>) -> Outcome {
        match self.output.format {
            Format::Table => {
                if self.rows == 0 {
                    note("nothing found");
                }
                if !self.left_out.is_empty() {
                    let left_out = self.left_out.join(", ");
                    note(&format!(
                        "not shown, the terminal is too narrow: {left_out}; --wide shows all"
                    ));
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

/// A table that breaks nothing: an id in two lines cannot be copied.
fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

/// How many columns the terminal has. Some tell none, or that they have none, which is no reason to put nothing into
/// a line.
fn terminal_width() -> Option<usize> {
    let (terminal_size::Width(width), _) = terminal_size_of(io::stdout())?;
    (width > 0).then_some(width.into())
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
    fn columns_give_way_and_no_id_is_cut() {
        let widths = [30, 40, 8, 26];
        let is_text = [false, true, false, false];
        let laid_out = |room| {
            let mut layout = Layout {
                shown: vec![0, 1, 2, 3],
                most: vec![None; 4],
            };
            layout.fit(room, &widths, &is_text);
            (layout.shown, layout.most[1])
        };
        assert_eq!(laid_out(120), (vec![0, 1, 2, 3], None));
        assert_eq!(laid_out(100), (vec![0, 1, 2, 3], Some(24)));
        assert_eq!(laid_out(80), (vec![0, 1, 2], Some(24)));
        assert_eq!(laid_out(60), (vec![0, 1], Some(24)));
        assert_eq!(laid_out(10), (vec![0], Some(24)));
        let layout = Layout {
            shown: vec![0],
            most: vec![Some(4)],
        };
        assert_eq!(layout.cell(0, "Zoë Ångström".to_owned()), "Zoë…");
        assert_eq!(layout.cell(0, "Zoë!".to_owned()), "Zoë!");
        let layout = Layout {
            shown: vec![0],
            most: vec![Some(24)],
        };
        let cell = |text: &str| layout.cell(0, text.to_owned());
        assert_eq!(cell("uprof_011CZkZCu8hGbp5mYRQgUmz9 high_harm"), "…");
        assert_eq!(
            cell("moved 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11"),
            "moved …"
        );
        assert_eq!(
            cell("Donaudampfschifffahrtsgesellschaft mbH"),
            "Donaudampfschifffahrtsg…"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(printable("Zoë"), "Zoë");
    }
}
