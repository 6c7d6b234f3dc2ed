//! Whole records in and out: `PUT` of one, import and export of any number.
//!
//! Import and export hold a batch of records at a time, whatever passes through them. A batch is
//! stored while the next one is read, so that reading lines and committing share the processor.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::profile::ProfileRecord;
use rollcall_record::csv::{CsvError, CsvLines};
use rollcall_record::line::{self, Record};
use rollcall_store::registry::{Put, PutMode};
use rollcall_store::{StoreError, Stored};
use rollcall_wire::error::{ApiError, ErrorCode, ErrorKind};
use rollcall_wire::operator::profiles::{
    ImportReport, parse_export, parse_import, parse_record, write_import_report, write_record,
};
use rollcall_wire::query::parse_query_beta_only;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::acts::{profiles, records};
use crate::app::Operation;
use crate::first_ids::EarlierLines;
use crate::http::answer::json;
use crate::http::body::BodyError;
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome, Written};

/// How many records are stored at a time.
const BATCH: usize = 1_000;

/// How many bytes of lines are stored at a time, give or take one line.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// The longest line, in bytes; as long as a request body of the public API may be.
const LONGEST_LINE: usize = 1024 * 1024;

/// How much compressed input is decoded at a time. Gzip makes at most a thousand bytes of one, so this
/// bounds what a hostile stream can make of it.
const DECODED_AT_ONCE: usize = 4 * 1024;

/// How much uncompressed input is cut into lines at a time.
const CUT_AT_ONCE: usize = 64 * 1024;

/// How many bad lines are reported; the others are counted.
const REPORTED_ERRORS: usize = 1_000;
/// How many ids are remembered to recognise the same one further down; some 10 MiB.
const REMEMBERED_IDS: usize = 1_000_000;

/// `PUT /operator/v1/user_profiles/{id}`
pub(crate) async fn put(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = profiles::named(call.param("user_profile_id"))?;
    let body = call.body().await?;
    let app = call.app();
    let now = app.clock.now();
    let (organization_id, record) = parse_record(&body, id, &app.ids, now)?;
    let profile = records::put(&call.desk, &organization_id, record).await?;
    let mut shown = String::with_capacity(1_024);
    write_record(&mut shown, &organization_id, &profile, None, now)?;
    Ok(json(shown))
}

/// `POST /operator/v1/user_profiles/import`
pub(crate) async fn import(call: OperatorCall<'_>) -> Outcome {
    let request = parse_import(call.query())?;
    let headers = &call.exchange().head.headers;
    let csv = is_csv(headers)?.then(|| CsvLines::new(Vec::new()));
    let mut lines = Lines::new(Decoder::of(headers)?, csv);
    let Some(mut body) = call.exchange().take_body() else {
        return Err(Failure::internal("a body was read twice", Written::Nothing));
    };
    let mode = PutMode {
        match_reference: request.match_reference,
        dry_run: request.dry_run,
    };
    let mut import = Import::new(&call, mode);
    // The listener sees bytes move, an HTTP/2 peer's pings among them, and not that this body stopped.
    let patience = call.app().settings.listener.quiet_timeout;
    while let Some(frame) = timeout(patience, body.frame())
        .await
        .map_err(|_elapsed| BodyError::Incomplete)?
    {
        let frame = frame.map_err(|_broken| BodyError::Incomplete)?;
        let Ok(mut chunk) = frame.into_data() else {
            continue;
        };
        while !chunk.is_empty() {
            let part = chunk.split_to(chunk.len().min(lines.at_once()));
            lines = import.part(lines, Some(part)).await?;
        }
    }
    import.part(lines, None).await?;
    let report = import.finish().await?;
    Ok(json(write_import_report(&report)))
}

/// Whether the lines are a CSV's.
fn is_csv(headers: &HeaderMap) -> Result<bool, Failure> {
    const ACCEPTED: [&str; 4] = [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/json",
    ];
    let Some(sent) = headers.get(CONTENT_TYPE) else {
        return Ok(false);
    };
    let sent = sent.to_str().unwrap_or_default();
    let media_type = sent.split(';').next().unwrap_or_default().trim();
    let accepted = ACCEPTED
        .iter()
        .any(|accepted| media_type.eq_ignore_ascii_case(accepted));
    let is_csv = media_type.eq_ignore_ascii_case("text/csv");
    if accepted || is_csv {
        Ok(is_csv)
    } else {
        Err(ApiError::at("content-type", "must be application/x-ndjson or text/csv").into())
    }
}

/// An import on its way: what is being read, what is being stored, what became of it.
struct Import<'a> {
    call: &'a OperatorCall<'a>,
    batch: Vec<(u64, OrganizationId, ProfileRecord)>,
    /// The length of the lines that the batch was read from.
    batch_bytes: usize,
    storing: Option<Storing>,
    earlier: EarlierLines,
    mode: PutMode,
    report: ImportReport,
}

struct Storing {
    lines: Vec<u64>,
    task: JoinHandle<Stored<Vec<Put>>>,
}

impl<'a> Import<'a> {
    fn new(call: &'a OperatorCall<'a>, mode: PutMode) -> Self {
        Self {
            call,
            batch: Vec::with_capacity(BATCH),
            batch_bytes: 0,
            storing: None,
            earlier: EarlierLines::up_to(REMEMBERED_IDS, mode),
            mode,
            report: ImportReport::default(),
        }
    }

    /// Takes the lines that one more part of the stream completes, or that are left at its end.
    ///
    /// They are decoded and cut where nobody waits for it: four kilobytes can be four million of them.
    async fn part(&mut self, mut lines: Lines, part: Option<Bytes>) -> Result<Lines, Failure> {
        let mut unfed = Some(part);
        loop {
            let fed = unfed.take();
            let cutting = tokio::task::spawn_blocking(move || {
                match fed {
                    Some(Some(part)) => lines.feed(&part)?,
                    Some(None) => lines.end()?,
                    None => lines.go_on()?,
                }
                let some = lines.some();
                let bad = lines.take_bad();
                Ok((lines, some, bad))
            });
            let cut = cutting.await.unwrap_or_else(|error| {
                Err(Failure::internal(error.to_string(), Written::Perhaps))
            });
            let (some, bad);
            (lines, some, bad) = cut?;
            for (line, problem) in bad {
                self.fail(line, problem);
            }
            let are_all = some.len() < BATCH && !lines.has_more();
            for line in some {
                self.line(line).await?;
            }
            if are_all {
                return Ok(lines);
            }
        }
    }

    async fn line(&mut self, line: Line) -> Result<(), Failure> {
        let app = self.call.app();
        let Ok(bytes) = line.bytes else {
            self.fail(line.number, format!("must be at most {LONGEST_LINE} bytes"));
            return Ok(());
        };
        match line::parse(&bytes, &app.ids, app.clock.now()) {
            Err(error) => self.fail(line.number, error.to_string()),
            Ok(Record::WebhookEndpoint(_)) => {
                self.fail(line.number, "type: must be user_profile".into());
            }
            Ok(Record::Profile {
                organization_id: None,
                ..
            }) => {
                self.fail(line.number, "organization_id: is required".into());
            }
            Ok(Record::Profile {
                organization_id: Some(organization_id),
                profile,
            }) => {
                if let Some(problem) = self.earlier.repeated(&organization_id, &profile) {
                    self.fail(line.number, problem.into());
                } else {
                    self.batch_bytes += bytes.len();
                    self.batch.push((line.number, organization_id, *profile));
                }
            }
        }
        if self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES {
            self.store_batch().await?;
        }
        Ok(())
    }

    fn fail(&mut self, line: u64, message: String) {
        self.report.failed += 1;
        if self.report.errors.len() < REPORTED_ERRORS {
            self.report.errors.push((line, message));
        }
    }

    /// Hands the batch over once the one before it is stored.
    async fn store_batch(&mut self) -> Result<(), Failure> {
        self.stored().await?;
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.batch_bytes = 0;
        let mut lines = Vec::with_capacity(batch.len());
        let mut records = Vec::with_capacity(batch.len());
        for (line, organization_id, profile) in batch {
            lines.push(line);
            records.push((organization_id, profile));
        }
        let app = Arc::clone(self.call.app());
        let (proof, act) = (self.call.desk.proof, self.call.desk.act());
        let mode = self.mode;
        let put = async move { app.store.put_profiles(proof, &act, records, mode).await };
        let task = tokio::spawn(put);
        self.storing = Some(Storing { lines, task });
        Ok(())
    }

    /// Waits for the batch that is being stored.
    async fn stored(&mut self) -> Result<(), Failure> {
        let Some(Storing { lines, task }) = self.storing.take() else {
            return Ok(());
        };
        let put = async {
            task.await
                .unwrap_or_else(|error| Err(StoreError::OutcomeUnknown(error.to_string())))
        };
        let put = self.call.desk.write(Operation::PutProfiles, put).await?;
        for (line, put) in lines.into_iter().zip(put) {
            match records::refused(&put) {
                Ok(()) if put == Put::Created => self.report.imported += 1,
                Ok(()) => self.report.replaced += 1,
                Err(error) => self.fail(line, error.message),
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<ImportReport, Failure> {
        if !self.batch.is_empty() {
            self.store_batch().await?;
        }
        self.stored().await?;
        self.call.app().sweep_due.notify_one();
        // Batches fail after lines that were read later did.
        self.report.errors.sort_by_key(|(line, _)| *line);
        Ok(self.report)
    }
}

/// A line of the stream, counted from 1.
struct Line {
    number: u64,
    bytes: Result<Vec<u8>, TooLong>,
}

struct TooLong;

/// Cuts what arrives into lines.
struct Lines {
    decoder: Decoder,
    /// Decoded and not yet cut; what stands before `cut` is done with.
    decoded: Vec<u8>,
    cut: usize,
    /// Between `cut` and here there is no line break, so that a long line is read through once.
    searched: usize,
    number: u64,
    /// The present line is too long, and the rest of it is being passed over.
    skipping: bool,
    /// Nothing follows what is decoded.
    ended: bool,
    /// What makes lines of a CSV.
    csv: Option<CsvLines>,
    /// Decoded, and from `fed` on yet to be made lines of.
    plain: Vec<u8>,
    fed: usize,
}

impl Lines {
    fn new(decoder: Decoder, csv: Option<CsvLines>) -> Self {
        Self {
            decoder,
            decoded: Vec::new(),
            cut: 0,
            searched: 0,
            number: 0,
            skipping: false,
            ended: false,
            csv,
            plain: Vec::new(),
            fed: 0,
        }
    }

    /// How many bytes to feed at a time.
    fn at_once(&self) -> usize {
        match self.decoder {
            Decoder::Identity => CUT_AT_ONCE,
            Decoder::Gzip(_) => DECODED_AT_ONCE,
        }
    }

    fn feed(&mut self, part: &[u8]) -> Result<(), Failure> {
        self.decoded.drain(..self.cut);
        self.searched -= self.cut;
        self.cut = 0;
        if self.csv.is_none() {
            return self.decoder.decode(part, &mut self.decoded);
        }
        self.decoder.decode(part, &mut self.plain)?;
        self.go_on()
    }

    /// Makes more lines of a CSV, once those that were made are read.
    fn go_on(&mut self) -> Result<(), Failure> {
        let Some(csv) = &mut self.csv else {
            return Ok(());
        };
        if self.cut < self.decoded.len() {
            return Ok(());
        }
        self.decoded.clear();
        (self.cut, self.searched) = (0, 0);
        let refused = |error: CsvError| ApiError::new(ErrorKind::InvalidRequest, error.to_string());
        let unfed = &self.plain[self.fed..];
        self.fed += csv.feed(unfed, &mut self.decoded).map_err(refused)?;
        if self.fed == self.plain.len() {
            self.plain.clear();
            self.fed = 0;
            if self.ended {
                csv.end(&mut self.decoded).map_err(refused)?;
            }
        }
        Ok(())
    }

    /// Whether lines are yet to be made of what was fed.
    fn has_more(&self) -> bool {
        self.fed < self.plain.len()
    }

    /// The rows of a CSV that are none.
    fn take_bad(&mut self) -> Vec<(u64, String)> {
        self.csv.as_mut().map_or_else(Vec::new, CsvLines::take_bad)
    }

    /// Nothing follows; the last line need not end with a line break.
    fn end(&mut self) -> Result<(), Failure> {
        self.ended = true;
        if self.csv.is_none() {
            return self.decoder.finish(&mut self.decoded);
        }
        self.decoder.finish(&mut self.plain)?;
        self.go_on()
    }

    /// The next lines, without empty ones; fewer than a batch when the others are yet to come.
    fn some(&mut self) -> Vec<Line> {
        let lines = std::iter::from_fn(|| self.next());
        let filled = lines.filter(|line| {
            line.bytes
                .as_ref()
                .map_or(true, |it| !it.trim_ascii().is_empty())
        });
        filled.take(BATCH).collect()
    }

    fn next(&mut self) -> Option<Line> {
        loop {
            let new = &self.decoded[self.searched..];
            let end = new.iter().position(|byte| *byte == b'\n');
            let end = end.map(|end| self.searched + end);
            self.searched = self.decoded.len();
            if end.is_none() && !self.ended {
                return self.pass_over_too_long();
            }
            if end.is_none() && self.cut == self.decoded.len() {
                return None;
            }
            let bytes = self.decoded[self.cut..end.unwrap_or(self.decoded.len())].to_vec();
            self.cut = end.map_or(self.decoded.len(), |end| end + 1);
            self.searched = self.cut;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            self.number += 1;
            return Some(self.line(Ok(bytes)));
        }
    }

    /// Without a line's end, lets go of what is longer than a line may be; reported once.
    fn pass_over_too_long(&mut self) -> Option<Line> {
        if self.decoded.len() - self.cut <= LONGEST_LINE {
            return None;
        }
        self.decoded.clear();
        (self.cut, self.searched) = (0, 0);
        if std::mem::replace(&mut self.skipping, true) {
            return None;
        }
        self.number += 1;
        Some(self.line(Err(TooLong)))
    }

    fn line(&self, bytes: Result<Vec<u8>, TooLong>) -> Line {
        let bytes = bytes.and_then(|bytes| {
            if bytes.len() > LONGEST_LINE {
                Err(TooLong)
            } else {
                Ok(bytes)
            }
        });
        Line {
            number: self.number,
            bytes,
        }
    }
}

enum Decoder {
    Identity,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Decoder {
    fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut decoder = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            let value = value.to_str().unwrap_or("?").trim();
            if value.eq_ignore_ascii_case("gzip") && matches!(decoder, Self::Identity) {
                decoder = Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())));
            } else if !value.is_empty() && !value.eq_ignore_ascii_case("identity") {
                return Err(BodyError::EncodingUnsupported.into());
            }
        }
        Ok(decoder)
    }

    fn decode(&mut self, part: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::Identity => out.extend_from_slice(part),
            Self::Gzip(decoder) => {
                decoder.write_all(part).map_err(|_| not_gzip())?;
                out.append(decoder.get_mut());
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::Identity => {}
            Self::Gzip(decoder) => {
                decoder.try_finish().map_err(|_| not_gzip())?;
                out.append(decoder.get_mut());
            }
        }
        Ok(())
    }
}

fn not_gzip() -> Failure {
    ApiError::at("content-encoding", "the request body is not valid gzip")
        .with_code(ErrorCode::RequestBodyEncodingInvalid)
        .into()
}

/// `GET /operator/v1/user_profiles/export`
pub(crate) async fn export(call: OperatorCall<'_>) -> Outcome {
    let organization_id = parse_export(call.query())?;
    records::export(&call.desk, organization_id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(parts: &[&[u8]]) -> Vec<(u64, Option<usize>)> {
        let mut lines = Lines::new(Decoder::Identity, None);
        let mut found = Vec::new();
        let mut keep = |line: Line| {
            found.push((line.number, line.bytes.ok().map(|bytes| bytes.len())));
        };
        for part in parts {
            lines.feed(part).unwrap();
            while let Some(line) = lines.next() {
                keep(line);
            }
        }
        lines.end().unwrap();
        while let Some(line) = lines.next() {
            keep(line);
        }
        found
    }

    #[test]
    fn lines_are_cut_wherever_the_parts_are() {
        assert_eq!(
            cut(&[b"ab\nc", b"d", b"\n\ne"]),
            [(1, Some(2)), (2, Some(2)), (3, Some(0)), (4, Some(1)),]
        );
        assert_eq!(cut(&[b""]), []);
        assert_eq!(cut(&[b"a\n"]), [(1, Some(1))]);
    }

    #[test]
    fn a_part_of_a_csv_that_makes_much_is_made_lines_of_by_and_by() {
        let csv = Some(CsvLines::new(Vec::new()));
        let mut lines = Lines::new(Decoder::Identity, csv);
        let name = "\u{1}".repeat(100);
        let part = "name\n".to_owned() + &format!("{name}\n").repeat(10_000);
        lines.feed(part.as_bytes()).unwrap();
        let (mut found, mut ended) = (0, false);
        loop {
            assert!(lines.decoded.len() < 2 * 1024 * 1024);
            let some = lines.some();
            found += some.len();
            match (some.len() < BATCH && !lines.has_more(), ended) {
                (false, _) => lines.go_on().unwrap(),
                (true, false) => lines.end().unwrap(),
                (true, true) => break,
            }
            ended |= lines.ended;
        }
        assert_eq!((found, lines.number), (10_000, 10_001));
    }

    #[test]
    fn a_long_line_is_read_through_once_however_many_parts_it_comes_in() {
        let mut lines = Lines::new(Decoder::Identity, None);
        for part in 1..=100 {
            lines.feed(&[b'x'; 1_000]).unwrap();
            assert_eq!(lines.decoded.len() - lines.searched, 1_000, "part {part}");
            assert!(lines.next().is_none());
        }
        lines.feed(b"\ny").unwrap();
        assert_eq!(lines.next().unwrap().bytes.ok().unwrap().len(), 100_000);
    }

    #[test]
    fn a_line_that_is_too_long_is_reported_once_and_passed_over() {
        let half = vec![b'x'; LONGEST_LINE * 2 / 3];
        let parts: [&[u8]; 6] = [b"a\n", &half, &half, &half, &half, b"x\nb\n"];
        assert_eq!(cut(&parts), [(1, Some(1)), (2, None), (3, Some(1))]);
        let long = vec![b'x'; LONGEST_LINE + 1];
        assert_eq!(cut(&[&long]), [(1, None)]);
    }
}
