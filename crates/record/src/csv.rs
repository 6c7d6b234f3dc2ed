//! Records out of CSV: each row becomes the line of NDJSON that says the same, at the number that it has in the
//! file, so that whoever reads lines reads both.
//!
//! The first row names the fields, as a path: `name`, `external_user_details.country`, `metadata.plan`,
//! `programs.cyber.status`. An empty cell leaves its field out. Rows may be quoted, and a quoted cell may hold line
//! breaks.

use csv_core::{ReadRecordResult, Reader};
use rollcall_domain::program::ProgramName;
use rollcall_domain::text::MetadataKey;
use thiserror::Error;

use crate::json::write_string;

/// The longest row that is read, in bytes; as long as a line may be.
const LONGEST_ROW: usize = 1024 * 1024;
/// Most columns; every field of a record, all metadata and a dozen programs fit.
const MOST_COLUMNS: usize = 256;
/// What a spreadsheet writes before its text, to tell the encoding.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// How many bytes of lines are made at a time, give or take one line.
const ENOUGH: usize = 1024 * 1024;
/// How many bad rows are told at a time.
const ENOUGH_BAD: usize = 4_096;
/// Why a row that is longer is passed over.
const TOO_LONG: &str = "is longer than 1 MiB; is a quotation mark left open?";
/// Why a row with more cells is passed over.
const TOO_MANY: &str = "has more than 256 cells";
/// Why the last row is passed over, which goes on to the end of the file.
const LEFT_OPEN: &str = "a quotation mark is left open, and what follows it is not read";
/// The longest name of a column that an error repeats, in characters.
const LONGEST_TOLD: usize = 100;
/// The members of a record that are texts.
const FIELDS: [&str; 8] = [
    "type",
    "organization_id",
    "id",
    "created_at",
    "updated_at",
    "access_type",
    "relationship",
    "name",
];
/// The members of `external_user_details`.
const DETAILS: [&str; 7] = [
    "account_status",
    "country",
    "email_hash",
    "entity_type",
    "name_hash",
    "onboarded_at",
    "reference_id",
];

/// Appends a row. Every cell is quoted, and one that a spreadsheet would take for a formula gets an apostrophe in front.
pub fn write_row<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (at, cell) in cells.into_iter().enumerate() {
        out.push_str(if at == 0 { "\"" } else { ",\"" });
        // A spreadsheet passes over a tab or a line break in front.
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
            out.push('\'');
        }
        out.push_str(&cell.replace('"', "\"\""));
        out.push('"');
    }
    out.push_str("\r\n");
}

/// Why a CSV cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CsvError {
    /// The first row names nothing.
    #[error("line 1, the header: {0}")]
    NoHeader(&'static str),
    /// The header names a column that is no field.
    #[error("line 1: column {0:?} is no field of a record; name it as one, or leave it out")]
    UnknownColumn(String),
    /// The header names a field twice.
    #[error("line 1: two columns are {0}")]
    TwiceTheSame(String),
    /// A column was given a field that the header does not have.
    #[error("there is no column {0:?} to map; the header of the file names its columns")]
    NoSuchColumn(String),
}

/// A column that goes by another name than its field, and the field; an empty one leaves the column out.
pub type Mapped = (String, String);

/// What a column is the value of: the names on the way to it; none for one that is left out.
type Path = Vec<String>;

/// Makes lines of what is fed to it.
pub struct CsvLines {
    reader: Reader,
    mapped: Vec<Mapped>,
    header: Option<Header>,
    /// The row that is being read, its cells one behind the other.
    cells: Vec<u8>,
    filled: usize,
    ends: Vec<usize>,
    ended: usize,
    /// Line breaks that were read.
    read: u64,
    /// Line breaks that were written.
    written: u64,
    /// The first bytes, until there are enough to know whether they are a mark.
    begin: Option<Vec<u8>>,
    /// The row that is being read is bad, and told already.
    passing_over: bool,
    bad: Vec<(u64, String)>,
}

struct Header {
    columns: usize,
    root: Vec<Node>,
}

/// A member: a column's value, or an object of further members.
struct Node {
    name: String,
    column: Option<usize>,
    members: Vec<Node>,
}

impl std::fmt::Debug for CsvLines {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is being read is personal data.
        formatter.debug_struct("CsvLines").finish_non_exhaustive()
    }
}

impl CsvLines {
    /// Begins with the header.
    pub fn new(mapped: Vec<Mapped>) -> Self {
        Self {
            reader: Reader::new(),
            mapped,
            header: None,
            cells: vec![0; 4_096],
            filled: 0,
            ends: vec![0; MOST_COLUMNS],
            ended: 0,
            read: 0,
            written: 0,
            begin: Some(Vec::new()),
            passing_over: false,
            bad: Vec::new(),
        }
    }

    /// Takes of the next part of the file what makes some 1 MiB of lines, and appends those that it completes; answers
    /// with how many bytes it took. The rest is to be fed once `out` is read.
    pub fn feed(&mut self, part: &[u8], out: &mut Vec<u8>) -> Result<usize, CsvError> {
        let mut rest = part;
        if let Some(mut begin) = self.begin.take() {
            let (first, others) = rest.split_at(rest.len().min(MARK.len() - begin.len()));
            begin.extend_from_slice(first);
            rest = others;
            if begin.len() < MARK.len() && MARK.starts_with(&begin) {
                self.begin = Some(begin);
            } else if begin != MARK {
                self.steps(&begin, out)?;
            }
        }
        while !rest.is_empty() && out.len() <= ENOUGH && self.bad.len() < ENOUGH_BAD {
            let used = self.step(rest, out)?;
            rest = &rest[used..];
        }
        Ok(part.len() - rest.len())
    }

    /// Appends the last line, which need not have ended with a line break.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), CsvError> {
        let begin = self.begin.take().unwrap_or_default();
        self.steps(&begin, out)?;
        self.steps(b"\n", out)?;
        // Only a quotation takes a line break in, so that a row which goes on has one that nothing ends.
        let (result, ..) = self.reader.read_record(&[], &mut [], &mut [0]);
        if matches!(result, ReadRecordResult::Record) {
            self.pass_over(LEFT_OPEN, out)?;
        }
        Ok(())
    }

    /// The rows since the last time that are none, with their numbers; their lines are empty.
    pub fn take_bad(&mut self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.bad)
    }

    /// Takes all of the part.
    fn steps(&mut self, mut part: &[u8], out: &mut Vec<u8>) -> Result<(), CsvError> {
        while !part.is_empty() {
            let used = self.step(part, out)?;
            part = &part[used..];
        }
        Ok(())
    }

    /// Goes on as far as it can at once; answers with how much of the part was used.
    fn step(&mut self, part: &[u8], out: &mut Vec<u8>) -> Result<usize, CsvError> {
        let (cells, ends) = (&mut self.cells[self.filled..], &mut self.ends[self.ended..]);
        let (result, used, filled, ended) = self.reader.read_record(part, cells, ends);
        let breaks = memchr::memchr_iter(b'\n', &part[..used]).count();
        self.read += breaks as u64;
        self.filled += filled;
        self.ended += ended;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            ReadRecordResult::OutputFull if self.cells.len() < LONGEST_ROW => {
                self.cells.resize(2 * self.cells.len(), 0);
            }
            ReadRecordResult::OutputFull => self.pass_over(TOO_LONG, out)?,
            ReadRecordResult::OutputEndsFull => self.pass_over(TOO_MANY, out)?,
            ReadRecordResult::Record if self.passing_over => {
                self.passing_over = false;
                (self.filled, self.ended) = (0, 0);
            }
            ReadRecordResult::Record => {
                // The break of a row that ends with two bytes is read with the next row.
                let ends_here = part[..used].last() == Some(&b'\n');
                let last = self.read + u64::from(!ends_here);
                self.row(last, out)?;
                (self.filled, self.ended) = (0, 0);
            }
        }
        Ok(used)
    }

    /// Lets go of what was read of a row that is none; reported once, at its first line.
    fn pass_over(&mut self, problem: &'static str, out: &mut Vec<u8>) -> Result<(), CsvError> {
        if self.header.is_none() {
            return Err(CsvError::NoHeader(problem));
        }
        if !std::mem::replace(&mut self.passing_over, true) {
            let inside = memchr::memchr_iter(b'\n', &self.cells[..self.filled]).count();
            let line = self.first_line(self.read + 1, inside);
            self.blank(line, out);
            self.bad.push((line, problem.to_owned()));
        }
        // As they come, as a row has no end of them.
        self.blank(self.read, out);
        (self.filled, self.ended) = (0, 0);
        Ok(())
    }

    /// Where a row begins that has so many line breaks inside and is at its last line.
    fn first_line(&self, last: u64, inside: usize) -> u64 {
        last.saturating_sub(inside as u64).max(self.written + 1)
    }

    /// Appends empty lines up to the one with the number.
    fn blank(&mut self, number: u64, out: &mut Vec<u8>) {
        let count = number.saturating_sub(self.written);
        out.extend((0..count).map(|_| b'\n'));
        self.written += count;
    }

    /// One row, whose last line is known.
    fn row(&mut self, last: u64, out: &mut Vec<u8>) -> Result<(), CsvError> {
        let inside = memchr::memchr_iter(b'\n', &self.cells[..self.filled]).count();
        let line = self.first_line(last, inside);
        self.blank(line - 1, out);
        let cells = &self.cells[..self.filled];
        let mut begins = 0;
        let cells = self.ends[..self.ended].iter().map(|&end| {
            let cell = &cells[begins..end];
            begins = end;
            cell
        });
        let cells: Result<Vec<_>, _> = cells.map(std::str::from_utf8).collect();
        let Ok(cells) = cells else {
            if self.header.is_none() {
                return Err(CsvError::NoHeader("is not UTF-8"));
            }
            self.bad.push((line, "is not UTF-8".to_owned()));
            out.push(b'\n');
            self.written += 1;
            return Ok(());
        };
        match &self.header {
            None => self.header = Some(Header::of(&cells, &self.mapped)?),
            Some(header) if header.columns != cells.len() => {
                let (has, columns) = (cells.len(), header.columns);
                let problem = format!("has {has} cells, and the header {columns}");
                self.bad.push((line, problem));
            }
            Some(header) => {
                out.extend_from_slice(br#"{"type":"user_profile""#);
                for node in &header.root {
                    node.write(&cells, out, b',');
                }
                out.push(b'}');
            }
        }
        out.push(b'\n');
        self.written += 1;
        Ok(())
    }
}

impl Header {
    fn of(cells: &[&str], mapped: &[Mapped]) -> Result<Self, CsvError> {
        let names: Vec<_> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
        if let Some((column, _)) = mapped.iter().find(|(column, _)| !names.contains(column)) {
            return Err(CsvError::NoSuchColumn(column.clone()));
        }
        let mut root = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let field = mapped.iter().find(|(column, _)| column == name);
            let field = field.map_or(name.as_str(), |(_, field)| field.as_str());
            if field.is_empty() && field != name {
                continue;
            }
            let path = path(field).ok_or_else(|| CsvError::UnknownColumn(told(name)))?;
            // Every line has its own already.
            if path == ["type"] {
                continue;
            }
            if !Node::insert(&mut root, &path, number) {
                return Err(CsvError::TwiceTheSame(field.to_owned()));
            }
        }
        Ok(Self {
            columns: names.len(),
            root,
        })
    }
}

/// The names on the way to a field; none to what no record has, so that a path is four names at the most and none of
/// them longer than a record takes. A key of metadata may have dots in it.
fn path(field: &str) -> Option<Path> {
    let (first, rest) = field.split_once('.').unwrap_or((field, ""));
    let is_there = match first {
        "external_user_details" => DETAILS.contains(&rest),
        "metadata" => MetadataKey::parse(rest).is_ok(),
        "programs" => {
            let (name, member) = rest.split_once('.')?;
            let members: &[&str] = match ProgramName::parse(name).ok()? {
                ProgramName::Cyber => &["status", "tiers.a", "tiers.b", "tiers.c"],
                ProgramName::Efs => &[
                    "status",
                    "features.data_retention_exemption",
                    "features.cmek",
                    "features.storage",
                ],
                ProgramName::Own(_) => &["status"],
            };
            if !members.contains(&member) {
                return None;
            }
            return Some(field.split('.').map(str::to_owned).collect());
        }
        _ => return FIELDS.contains(&field).then(|| vec![field.to_owned()]),
    };
    is_there.then(|| vec![first.to_owned(), rest.to_owned()])
}

/// As much of a column's name as is worth telling.
fn told(name: &str) -> String {
    name.chars().take(LONGEST_TOLD).collect()
}

impl Node {
    /// Puts a column where its path leads. `false`: there is one already.
    fn insert(nodes: &mut Vec<Self>, path: &[String], column: usize) -> bool {
        let Some((name, rest)) = path.split_first() else {
            return false;
        };
        let at = nodes.iter().position(|node| node.name == *name);
        let node = match at {
            Some(at) => &mut nodes[at],
            None => nodes.push_mut(Self {
                name: name.clone(),
                column: None,
                members: Vec::new(),
            }),
        };
        if !rest.is_empty() {
            return node.column.is_none() && Self::insert(&mut node.members, rest, column);
        }
        let is_free = node.column.is_none() && node.members.is_empty();
        node.column = Some(column);
        is_free
    }

    /// Appends the member, if any cell of it has a value; answers whether one had.
    fn write(&self, cells: &[&str], out: &mut Vec<u8>, before: u8) -> bool {
        let begin = out.len();
        out.push(before);
        write_text(out, &self.name);
        out.push(b':');
        let is_there = if let Some(column) = self.column {
            let cell = cells.get(column).copied().unwrap_or_default();
            write_text(out, cell);
            !cell.is_empty()
        } else {
            out.push(b'{');
            let mut between = b' ';
            for member in &self.members {
                if member.write(cells, out, between) {
                    between = b',';
                }
            }
            out.push(b'}');
            between == b','
        };
        if !is_there {
            out.truncate(begin);
        }
        is_there
    }
}

/// Appends a text as JSON has it, so that nothing in it can end the line.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let mut written = String::with_capacity(text.len() + 2);
    write_string(&mut written, text);
    out.extend_from_slice(written.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(
        csv: impl AsRef<[u8]>,
        mapped: &[(&str, &str)],
        part: usize,
    ) -> Result<String, String> {
        let owned = |&(column, field): &(&str, &str)| (column.to_owned(), field.to_owned());
        let mut reader = CsvLines::new(mapped.iter().map(owned).collect());
        let mut out = Vec::new();
        for part in csv.as_ref().chunks(part) {
            let mut rest = part;
            while !rest.is_empty() {
                let mut made = Vec::new();
                let taken = reader.feed(rest, &mut made).map_err(|it| it.to_string())?;
                rest = &rest[taken..];
                out.append(&mut made);
            }
        }
        reader.end(&mut out).map_err(|it| it.to_string())?;
        let bad = reader.take_bad();
        let bad = bad
            .iter()
            .map(|(line, problem)| format!("{line}: {problem}\n"));
        Ok(String::from_utf8(out).unwrap() + &bad.collect::<String>())
    }

    #[test]
    fn a_cell_is_quoted_and_no_formula() {
        let mut row = String::new();
        let cells = ["a\"b", "", "=1+1", "+1", "-1", "@x", "\t=1", "x=1,y"];
        write_row(&mut row, cells);
        let expected = "\"a\"\"b\",\"\",\"'=1+1\",\"'+1\",\"'-1\",\"'@x\",\"'\t=1\",\"x=1,y\"\r\n";
        assert_eq!(row, expected);
    }

    #[test]
    fn a_row_is_the_line_of_the_same_number_however_it_is_cut() {
        let csv = "name,external_user_details.country,metadata.a.b,Plan,metadata.c\r\n\
                   \"Ana \"\"A\"\"\",PT,x,team,\n\
                   \"two\nlines\",,,,\n\
                   \n\
                   short,SE\n\
                   Zoë,,,free,y";
        let expected = "\n\
            {\"type\":\"user_profile\",\"name\":\"Ana \\\"A\\\"\",\"external_user_details\":{ \"country\":\"PT\"},\"metadata\":{ \"a.b\":\"x\",\"plan\":\"team\"}}\n\
            {\"type\":\"user_profile\",\"name\":\"two\\nlines\"}\n\
            \n\n\n\
            {\"type\":\"user_profile\",\"name\":\"Zoë\",\"metadata\":{ \"plan\":\"free\",\"c\":\"y\"}}\n\
            6: has 2 cells, and the header 5\n";
        for part in [1, 2, 3, 7, 1_000] {
            let mapped = [("Plan", "metadata.plan")];
            assert_eq!(lines(csv, &mapped, part).as_deref(), Ok(expected), "{part}");
        }
    }

    #[test]
    fn a_cell_that_is_no_text_fails_its_row_and_smuggles_no_line_in() {
        let csv = b"name,metadata.a\nAna,\"\xff\n{\"\"type\"\":\"\"user_profile\"\"}\n\"\nBen,\n\xff\nCem,";
        let expected = "\n\n\n\n{\"type\":\"user_profile\",\"name\":\"Ben\"}\n\n\
            {\"type\":\"user_profile\",\"name\":\"Cem\"}\n2: is not UTF-8\n6: is not UTF-8\n";
        for part in [1, 7, 1_000] {
            assert_eq!(lines(csv, &[], part).as_deref(), Ok(expected), "{part}");
        }
        let told = lines(b"name,metadata.\xff\n", &[], 100).unwrap_err();
        assert_eq!(told, "line 1, the header: is not UTF-8");
    }

    #[test]
    fn a_header_names_fields_and_nothing_else() {
        let refused = |csv: &str, mapped: &[(&str, &str)]| lines(csv, mapped, 100).unwrap_err();
        let unknown = refused("name,Phone\n", &[]);
        assert!(
            unknown.contains("column \"Phone\" is no field"),
            "{unknown}"
        );
        assert!(refused("metadata\n", &[]).contains("is no field"));
        assert!(refused("programs\n", &[]).contains("is no field"));
        assert!(refused("enforcement_actions\n", &[]).contains("is no field"));
        assert_eq!(refused("name,name\n", &[]), "line 1: two columns are name");
        let deep = format!("programs.{}", "a.".repeat(450_000));
        let long = format!("metadata.{}", "a".repeat(65));
        for unknown in [
            &deep,
            &long,
            "metadata.",
            "external_user_details.phone",
            "programs.cyber",
            "programs.cyber.tiers",
            "programs.cyber.tiers.a.a",
            "programs.mine.tiers.a",
            "programs.Mine.status",
        ] {
            let told = refused(&format!("{unknown}\n"), &[]);
            assert!(
                told.contains("is no field") && told.len() < 1_000,
                "{unknown:.40}"
            );
        }
        let twice = refused("programs.efs.status,programs.efs.status\n", &[]);
        assert_eq!(twice, "line 1: two columns are programs.efs.status");
        let deepest = lines("programs.cyber.tiers.a\nactive\n", &[], 100);
        let record = r#"{"type":"user_profile","programs":{ "cyber":{ "tiers":{ "a":"active"}}}}"#;
        assert_eq!(deepest.unwrap(), format!("\n{record}\n"));
        assert!(refused("name\n", &[("nick", "name")]).starts_with("there is no column"));
        for part in [1, 2, 3, 4, 100] {
            let left_out = lines("\u{feff}name,Phone\nAna,1\n", &[("Phone", "")], part);
            assert_eq!(
                left_out.unwrap(),
                "\n{\"type\":\"user_profile\",\"name\":\"Ana\"}\n"
            );
            let half = lines(&MARK[..2], &[], part).unwrap_err();
            assert_eq!(half, "line 1, the header: is not UTF-8");
        }
    }

    #[test]
    fn a_row_that_is_too_long_is_told_and_passed_over() {
        let long = format!("name\nAna\n\"{}\"\n\nBen", "x\n".repeat(2 * LONGEST_ROW));
        let made = lines(&long, &[], 10_000).unwrap();
        let count = 2 * LONGEST_ROW as u64 + 5;
        let told = "3: is longer than 1 MiB; is a quotation mark left open?\n";
        let ben = "{\"type\":\"user_profile\",\"name\":\"Ben\"}\n";
        assert!(made.ends_with(&format!("\n\n{ben}{told}")));
        assert_eq!(made.matches('\n').count() as u64, count + 1);
        let open = lines(&long[..LONGEST_ROW + 20], &[], 10_000).unwrap();
        assert!(open.ends_with(&format!("\n\n{told}")));
        let header = lines(format!("\"{}", "x".repeat(LONGEST_ROW)), &[], 10_000);
        assert_eq!(header, Err(format!("line 1, the header: {TOO_LONG}")));
    }

    #[test]
    fn a_row_has_no_more_cells_than_are_read() {
        let most = ",".repeat(MOST_COLUMNS - 1);
        for part in [1, 100, 10_000] {
            let csv = format!("name\n{most}\n{most},\n{most}{most}{most}\nAna\n{most},");
            let expected = "\n\n\n\n{\"type\":\"user_profile\",\"name\":\"Ana\"}\n\n\
                2: has 256 cells, and the header 1\n3: has more than 256 cells\n4: has more than 256 cells\n\
                6: has more than 256 cells\n";
            assert_eq!(lines(csv, &[], part).as_deref(), Ok(expected), "{part}");
            let told = lines(format!("name{most},\n"), &[], part).unwrap_err();
            assert_eq!(told, "line 1, the header: has more than 256 cells");
        }
        let mut reader = CsvLines::new(Vec::new());
        let mut out = Vec::new();
        reader.feed(b"name\n", &mut out).unwrap();
        reader
            .feed(",".repeat(1_000_000).as_bytes(), &mut out)
            .unwrap();
        assert_eq!(reader.ends.len(), MOST_COLUMNS);
    }

    #[test]
    fn no_more_is_made_at_once_than_is_asked_for() {
        let keys = (0..MOST_COLUMNS).map(|number| format!("metadata.{number:064}"));
        let header = keys.collect::<Vec<_>>().join(",") + "\n";
        let row = ["x"; MOST_COLUMNS].join(",") + "\n";
        let wide = header + &row.repeat(1_000);
        let bad = "name\n".to_owned() + &"a,b\n".repeat(100_000);
        for csv in [wide, bad] {
            let mut reader = CsvLines::new(Vec::new());
            let (mut rest, mut breaks) = (csv.as_bytes(), 0);
            while !rest.is_empty() {
                let mut out = Vec::new();
                let taken = reader.feed(rest, &mut out).unwrap();
                assert!(out.len() < 2 * ENOUGH && reader.take_bad().len() <= ENOUGH_BAD);
                rest = &rest[taken..];
                breaks += memchr::memchr_iter(b'\n', &out).count();
            }
            assert_eq!(breaks, csv.lines().count());
        }
    }

    #[test]
    fn a_quotation_mark_that_is_left_open_is_told() {
        for part in [1, 7, 1_000] {
            let ana = "{\"type\":\"user_profile\",\"name\":\"Ana\"}\n";
            for (rest, blank) in [("Ben\nCem\n", "\n\n\n"), ("", "\n"), ("Ben", "\n")] {
                let made = lines(format!("name\r\nAna\r\n\"{rest}"), &[], part);
                let made = made.unwrap();
                let told = made.strip_prefix(&format!("\n{ana}{blank}"));
                assert_eq!(told, Some(&*format!("3: {LEFT_OPEN}\n")), "{part} {rest}");
            }
            let ends = lines("name\n\"Ana\"", &[], part);
            assert_eq!(ends, Ok(format!("\n{ana}")));
            let header = lines("\"name\nAna\n", &[], part);
            assert_eq!(header, Err(format!("line 1, the header: {LEFT_OPEN}")));
            assert_eq!(lines("", &[], part).as_deref(), Ok(""));
        }
    }
}
