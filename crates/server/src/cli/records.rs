//! Reading a file of records on a thread of its own, batch by batch.
//!
//! Parsing costs half of what storing does, so the two run side by side: this thread reads ahead by a few
//! batches and no further, which bounds the memory whatever the size of the file. A line that is no
//! record is kept beside the good ones of its batch, so that what was stored and what was refused is
//! known up to the same line: the place from which an import can be resumed.

mod lines;

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use parking_lot::Mutex;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{Ids, OrganizationId};
use rollcall_domain::profile::ProfileRecord;
use rollcall_record::csv::{CsvError, CsvLines, Mapped};
use rollcall_record::json::write_string;
use rollcall_record::line::{self, Record};
use rollcall_store::registry::PutMode;

pub(crate) use self::lines::Place;
use self::lines::{FINGERPRINT_BYTES, LINE_BYTES, Lines};
use crate::first_ids::EarlierLines;

/// Most records in a batch for a storage: enough to share a commit, few enough to be held several times over.
pub(crate) const BATCH_RECORDS: usize = 8_000;
/// Most bytes of lines in a batch.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Batches that are parsed ahead.
const AHEAD: usize = 2;
/// How many ids are remembered to recognise the same one further down. Eight bytes and a bit each;
/// beyond that a repeated id replaces, as one from an earlier import does.
const REMEMBERED_IDS: usize = 7_000_000;
/// A record that can be stored.
#[derive(Debug)]
pub(crate) struct GoodLine {
    pub(crate) number: u64,
    pub(crate) organization_id: OrganizationId,
    /// Whether the line says so itself.
    names_organization: bool,
    pub(crate) profile: ProfileRecord,
    /// As it stood in the file; empty where that is not wanted.
    text: Vec<u8>,
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl GoodLine {
    /// Appends the line as a server is to read it: with the organization, and with the id that was made for it unless
    /// its reference says whose it is.
    pub(crate) fn write(&self, out: &mut Vec<u8>, mode: PutMode) {
        let mut added = String::from("{");
        let names_none = !self.names_organization && contains(&self.text, b"organization_id");
        if names_none {
            // It says that it names none, which cannot be said beside one.
            let mut whole = String::with_capacity(1_024);
            line::write_record(&mut whole, &self.organization_id, &self.profile);
            out.extend_from_slice(whole.as_bytes());
            return;
        }
        if !self.names_organization {
            added.push_str(r#""organization_id":"#);
            write_string(&mut added, self.organization_id.as_str());
            added.push(',');
        }
        if self.profile.left_out.id && !mode.match_reference {
            added.push_str(r#""id":"#);
            write_string(&mut added, self.profile.profile.id.as_str());
            added.push(',');
        }
        // An object with a member at the least: its type.
        let begin = self.text.iter().position(|byte| *byte == b'{');
        let rest = self.text.get(begin.map_or(0, |begin| begin + 1)..);
        out.extend_from_slice(added.as_bytes());
        out.extend_from_slice(rest.unwrap_or_default());
        out.push(b'\n');
    }
}

/// A line that cannot.
#[derive(Debug)]
pub(crate) struct BadLine {
    pub(crate) number: u64,
    pub(crate) problem: String,
}

/// Some lines.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) good: Vec<GoodLine>,
    pub(crate) bad: Vec<BadLine>,
    /// Where the next batch begins.
    pub(crate) end: Place,
}

/// What a line without an id, a time or an organization gets.
#[derive(Debug)]
pub(crate) struct Defaults {
    pub(crate) ids: Arc<Ids>,
    pub(crate) now: Timestamp,
    pub(crate) organization_id: Option<OrganizationId>,
}

/// How the file is read.
#[derive(Debug)]
pub(crate) struct Reading {
    /// What lines do not say.
    pub(crate) defaults: Defaults,
    /// How its records are written.
    pub(crate) mode: PutMode,
    /// Whether the lines themselves are wanted, to be sent on.
    pub(crate) keeps_text: bool,
    /// The most lines in a batch.
    pub(crate) most: usize,
    /// Columns of a CSV that go by other names than their fields.
    pub(crate) mapped: Vec<Mapped>,
}

/// A file being read.
#[derive(Debug)]
pub(crate) struct Records {
    /// The batches, in order; an error ends them.
    pub(crate) batches: tokio::sync::mpsc::Receiver<io::Result<Batch>>,
    /// The size of the file, if it is one.
    pub(crate) size: Option<u64>,
    /// How far the file has been read, compressed.
    pub(crate) read: Arc<AtomicU64>,
}

/// Starts reading `file`, or standard input for `-`, from `start` on.
pub(crate) fn read(file: &Path, start: Option<Place>, reading: Reading) -> io::Result<Records> {
    let bytes_read = Arc::new(AtomicU64::new(0));
    let (input, size): (Box<dyn Read + Send>, _) = if file.as_os_str() == "-" {
        (Box::new(io::stdin()), None)
    } else {
        let file = std::fs::File::open(file)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let size = metadata.is_file().then_some(metadata.len());
        (Box::new(file), size)
    };
    let counted = Counted {
        input,
        read: Arc::clone(&bytes_read),
    };
    let mut input = BufReader::with_capacity(256 * 1024, counted);
    let compressed = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let mut input: Box<dyn BufRead + Send> = if compressed {
        Box::new(BufReader::with_capacity(
            256 * 1024,
            MultiGzDecoder::new(input),
        ))
    } else {
        Box::new(input)
    };
    let bad_rows = Arc::default();
    if is_csv(input.fill_buf()?) {
        let rows = Rows {
            input,
            csv: CsvLines::new(reading.mapped.clone()),
            made: Vec::new(),
            taken: 0,
            ended: false,
            bad: Arc::clone(&bad_rows),
        };
        input = Box::new(BufReader::with_capacity(256 * 1024, rows));
    } else if !reading.mapped.is_empty() {
        return Err(io::Error::other(
            "its first line is no header of a CSV, whose columns --map could name",
        ));
    } else if let (Some(start), Some(_), false) = (start, size, compressed) {
        let ahead = start.offset.saturating_sub(FINGERPRINT_BYTES as u64);
        let mut plain = std::fs::File::open(file)?;
        plain.seek(SeekFrom::Start(ahead))?;
        bytes_read.store(ahead, Ordering::Relaxed);
        let counted = Counted {
            input: Box::new(plain),
            read: Arc::clone(&bytes_read),
        };
        let mut lines = Lines::new(Box::new(BufReader::with_capacity(256 * 1024, counted)));
        lines.place.offset = ahead;
        lines.skip_to(start)?;
        return spawn(lines, reading, bad_rows, size, bytes_read);
    }
    let mut lines = Lines::new(input);
    if let Some(start) = start {
        lines.skip_to(start)?;
    }
    spawn(lines, reading, bad_rows, size, bytes_read)
}

/// Whether a file that begins so is a CSV: records are objects, and begin with a brace.
fn is_csv(begin: &[u8]) -> bool {
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
    let first = begin.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|first| *first != b'{')
}

/// Rows that are none, with their numbers, in order.
type BadRows = Arc<Mutex<VecDeque<(u64, String)>>>;

/// The rows of a CSV, read as the lines of records that say the same.
struct Rows {
    input: Box<dyn BufRead + Send>,
    csv: CsvLines,
    made: Vec<u8>,
    taken: usize,
    ended: bool,
    bad: BadRows,
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.made.len() && !self.ended {
            self.made.clear();
            self.taken = 0;
            let part = self.input.fill_buf()?;
            let made = if part.is_empty() {
                self.ended = true;
                self.csv.end(&mut self.made).map(|()| 0)
            } else {
                self.csv.feed(part, &mut self.made)
            };
            self.input.consume(made.map_err(unreadable)?);
            self.bad.lock().extend(self.csv.take_bad());
        }
        let count = buffer.len().min(self.made.len() - self.taken);
        buffer[..count].copy_from_slice(&self.made[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

/// Why a CSV cannot be read, with what the options of a command can do about it.
fn unreadable(error: CsvError) -> io::Error {
    match error {
        CsvError::UnknownColumn(name) => io::Error::other(format!(
            "line 1: column {name:?} is no field of a record; give it one with --map {name}=FIELD, or leave it out with \
             --map {name}="
        )),
        other => io::Error::other(other),
    }
}

fn spawn(
    lines: Lines,
    reading: Reading,
    bad_rows: BadRows,
    size: Option<u64>,
    read: Arc<AtomicU64>,
) -> io::Result<Records> {
    let (sender, batches) = tokio::sync::mpsc::channel(AHEAD);
    let mut parser = Parser {
        lines,
        failed: None,
        defaults: reading.defaults,
        keeps_text: reading.keeps_text,
        most: reading.most,
        earlier: EarlierLines::up_to(REMEMBERED_IDS, reading.mode),
        bad_rows,
    };
    std::thread::Builder::new()
        .name("records".to_owned())
        .spawn(move || {
            while let Some(batch) = parser.batch().transpose() {
                let ended = batch.is_err();
                // The receiver goes away when storing failed; nobody wants the rest then.
                if sender.blocking_send(batch).is_err() || ended {
                    return;
                }
            }
        })?;
    Ok(Records {
        batches,
        size,
        read,
    })
}

struct Counted {
    input: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

struct Parser {
    lines: Lines,
    /// Why nothing more can be read; told after what was read before.
    failed: Option<io::Error>,
    defaults: Defaults,
    earlier: EarlierLines,
    bad_rows: BadRows,
    keeps_text: bool,
    most: usize,
}

impl Parser {
    /// The next lines, or `None` when all have been read.
    fn batch(&mut self) -> io::Result<Option<Batch>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let begin = self.lines.place;
        let mut good = Vec::with_capacity(self.most);
        let mut bad = Vec::new();
        let mut line = Vec::new();
        while good.len() + bad.len() < self.most
            && self.lines.place.offset - begin.offset < BATCH_BYTES as u64
        {
            let before = self.lines.place;
            match self.lines.next(&mut line) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let Some(end) = self.lines.place_at(before) else {
                        return Err(error);
                    };
                    self.failed = Some(error);
                    return Ok(Some(Batch { good, bad, end }));
                }
            }
            let number = self.lines.place.lines;
            if line.iter().all(u8::is_ascii_whitespace) {
                // The row of a CSV that is none has left an empty line.
                let mut rows = self.bad_rows.lock();
                let before = rows.partition_point(|(row, _)| *row < number);
                // Those that an earlier run has told.
                rows.drain(..before);
                if let Some((_, problem)) = rows.pop_front_if(|(row, _)| *row == number) {
                    bad.push(BadLine { number, problem });
                }
                continue;
            }
            match self.record(&line) {
                Ok((organization_id, names_organization, profile)) => good.push(GoodLine {
                    number,
                    organization_id,
                    names_organization,
                    profile,
                    text: if self.keeps_text {
                        line.clone()
                    } else {
                        Vec::new()
                    },
                }),
                Err(problem) => bad.push(BadLine { number, problem }),
            }
        }
        let end = self.lines.place();
        Ok((end.offset > begin.offset).then_some(Batch { good, bad, end }))
    }

    fn record(&mut self, line: &[u8]) -> Result<(OrganizationId, bool, ProfileRecord), String> {
        if line.len() > LINE_BYTES {
            return Err(format!("is longer than {LINE_BYTES} bytes"));
        }
        let record = line::parse(line, &self.defaults.ids, self.defaults.now)
            .map_err(|error| error.to_string())?;
        let (organization_id, profile) = match record {
            Record::Profile {
                organization_id,
                profile,
            } => (organization_id, profile),
            Record::WebhookEndpoint(_) => {
                return Err(
                    "type: must be user_profile; webhook endpoints are for seeds".to_owned(),
                );
            }
        };
        let names_organization = organization_id.is_some();
        let organization_id = organization_id
            .or_else(|| self.defaults.organization_id.clone())
            .ok_or("organization_id: is required; give it here or with --organization-id")?;
        match self.earlier.repeated(&organization_id, &profile) {
            Some(problem) => Err(problem.to_owned()),
            None => Ok((organization_id, names_organization, *profile)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str) -> Lines {
        Lines::new(Box::new(text.as_bytes()))
    }

    fn parser(text: String) -> Parser {
        Parser {
            lines: Lines::new(Box::new(io::Cursor::new(text))),
            failed: None,
            defaults: Defaults {
                ids: Arc::default(),
                now: Timestamp::EPOCH,
                organization_id: Some(OrganizationId::parse("org").unwrap()),
            },
            earlier: EarlierLines::up_to(REMEMBERED_IDS, PutMode::default()),
            bad_rows: Arc::default(),
            keeps_text: false,
            most: BATCH_RECORDS,
        }
    }

    #[test]
    fn a_batch_tells_good_from_bad_by_line() {
        let long = "x".repeat(LINE_BYTES + 10);
        let text = format!(
            "{}\n\nnope\n{long}\n{}\n{}\n",
            r#"{"type":"user_profile","id":"uprof_1"}"#,
            r#"{"type":"user_profile","id":"uprof_1"}"#,
            r#"{"type":"webhook_endpoint","url":"https://x.example","enabled_events":[]}"#,
        );
        let size = text.len() as u64;
        let mut parser = parser(text);
        let (mut good, mut bad, mut end) = (Vec::new(), Vec::new(), Place::default());
        while let Some(batch) = parser.batch().unwrap() {
            good.extend(batch.good.iter().map(|line| line.number));
            bad.extend(
                batch
                    .bad
                    .into_iter()
                    .map(|line| (line.number, line.problem)),
            );
            end = batch.end;
        }
        assert_eq!(good, [1]);
        let bad: Vec<_> = bad
            .iter()
            .map(|(line, text)| (*line, text.as_str()))
            .collect();
        assert_eq!(
            bad,
            [
                (3, "not valid JSON: expected value at column 2"),
                (4, "is longer than 1048576 bytes"),
                (5, "id: stands on an earlier line already"),
                (
                    6,
                    "type: must be user_profile; webhook endpoints are for seeds"
                ),
            ]
        );
        assert_eq!((end.offset, end.lines), (size, 6));
    }

    /// Gives what it has and then fails.
    struct Breaks(&'static [u8]);

    impl Read for Breaks {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("broken")),
                count => Ok(count),
            }
        }
    }

    #[test]
    fn what_was_read_before_a_failure_is_not_lost() {
        const TEXT: &str = "{\"type\":\"user_profile\"}\n{\"type\":\"user_";
        let mut parser = parser(String::new());
        parser.lines = Lines::new(Box::new(BufReader::new(Breaks(TEXT.as_bytes()))));
        let batch = parser.batch().unwrap().unwrap();
        assert_eq!((batch.good.len(), batch.end.lines), (1, 1));
        assert!(parser.batch().is_err());
        lines(TEXT).skip_to(batch.end).unwrap();
    }

    #[test]
    fn a_csv_that_is_resumed_tells_the_bad_rows_that_follow_and_no_earlier_ones() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bad.csv");
        std::fs::write(&file, "name\n,\nAna\n,\nBen\n,\n").unwrap();
        let reading = || Reading {
            defaults: parser(String::new()).defaults,
            mode: PutMode::default(),
            keeps_text: false,
            most: BATCH_RECORDS,
            mapped: Vec::new(),
        };
        let told = |start| {
            let mut records = read(&file, start, reading()).unwrap();
            let mut bad = Vec::new();
            while let Some(batch) = records.batches.blocking_recv() {
                bad.extend(batch.unwrap().bad.into_iter().map(|line| line.number));
            }
            bad
        };
        assert_eq!(told(None), [2, 4, 6]);
        let mut made = lines("\n\n{\"type\":\"user_profile\",\"name\":\"Ana\"}\n");
        let mut line = Vec::new();
        while made.next(&mut line).unwrap() {}
        assert_eq!(told(Some(made.place())), [4, 6]);
    }
}
