//! Cuts what arrives of an import into lines: of records, or of the rows of a CSV; compressed or not.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;
use rollcall_record::csv::{CsvError, CsvLines};
use rollcall_wire::error::{ApiError, ErrorCode, ErrorKind};

use crate::http::error::Failure;

/// How many lines are taken, and records stored, at a time.
pub(super) const BATCH: usize = 1_000;

/// The longest line, in bytes; as long as a request body of the public API may be.
pub(super) const LONGEST_LINE: usize = 1024 * 1024;

/// How much compressed input is decoded at a time. Gzip makes at most a thousand bytes of one, so this
/// bounds what a hostile stream can make of it.
const DECODED_AT_ONCE: usize = 4 * 1024;

/// How much uncompressed input is cut into lines at a time.
const CUT_AT_ONCE: usize = 64 * 1024;

/// What some programs put before a text.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A line of the stream, counted from 1.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) bytes: Result<Vec<u8>, TooLong>,
}

pub(super) struct TooLong;

/// What the lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Records of JSON.
    Ndjson,
    /// Rows of values, the first of which names the fields.
    Csv,
    /// Either, as the first character tells.
    AsItBegins,
}

/// Cuts what arrives into lines.
pub(crate) struct Lines {
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
    /// Nothing has been seen yet that tells a CSV.
    is_unknown: bool,
    /// What makes lines of a CSV.
    csv: Option<CsvLines>,
    /// Decoded, and from `fed` on yet to be made lines of.
    plain: Vec<u8>,
    fed: usize,
}

impl Lines {
    /// Of what the decoder makes of it.
    pub(crate) fn new(decoder: Decoder, format: Format) -> Self {
        let csv = (format == Format::Csv).then(|| CsvLines::new(Vec::new()));
        Self {
            decoder,
            is_unknown: format == Format::AsItBegins,
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
    pub(super) fn at_once(&self) -> usize {
        match self.decoder {
            Decoder::Identity => CUT_AT_ONCE,
            Decoder::Gzip(_) => DECODED_AT_ONCE,
        }
    }

    pub(super) fn feed(&mut self, part: &[u8]) -> Result<(), Failure> {
        self.decoded.drain(..self.cut);
        self.searched -= self.cut;
        self.cut = 0;
        if self.csv.is_none() && !self.is_unknown {
            return self.decoder.decode(part, &mut self.decoded);
        }
        self.decoder.decode(part, &mut self.plain)?;
        self.recognise();
        self.go_on()
    }

    /// Tells by the first character what it is, as the command line does: a record begins with a brace, a CSV with the name
    /// of a column.
    fn recognise(&mut self) {
        let is_mark = self.plain.len() < MARK.len() && MARK.starts_with(&self.plain);
        if !self.is_unknown || is_mark && !self.ended {
            return;
        }
        let begin = self.plain.strip_prefix(MARK).unwrap_or(&self.plain);
        match begin.trim_ascii_start().first() {
            None => {}
            Some(b'{') => {
                self.decoded = begin.to_vec();
                self.plain.clear();
                self.is_unknown = false;
            }
            Some(_) => {
                self.csv = Some(CsvLines::new(Vec::new()));
                self.is_unknown = false;
            }
        }
    }

    /// Makes more lines of a CSV, once those that were made are read.
    pub(super) fn go_on(&mut self) -> Result<(), Failure> {
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
    pub(super) fn has_more(&self) -> bool {
        self.fed < self.plain.len()
    }

    /// The rows of a CSV that are none.
    pub(super) fn take_bad(&mut self) -> Vec<(u64, String)> {
        self.csv.as_mut().map_or_else(Vec::new, CsvLines::take_bad)
    }

    /// Nothing follows; the last line need not end with a line break.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.ended = true;
        if self.csv.is_none() && !self.is_unknown {
            return self.decoder.finish(&mut self.decoded);
        }
        self.decoder.finish(&mut self.plain)?;
        self.recognise();
        self.go_on()
    }

    /// The next lines, without empty ones; fewer than a batch when the others are yet to come.
    pub(super) fn some(&mut self) -> Vec<Line> {
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
            let end = memchr::memchr(b'\n', new);
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

/// What undoes the encoding of what arrives.
pub(crate) enum Decoder {
    Identity,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Decoder {
    pub(crate) fn gzip() -> Self {
        Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(parts: &[&[u8]]) -> Vec<(u64, Option<usize>)> {
        let mut lines = Lines::new(Decoder::Identity, Format::Ndjson);
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
        let mut lines = Lines::new(Decoder::Identity, Format::Csv);
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
        let mut lines = Lines::new(Decoder::Identity, Format::Ndjson);
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

    #[test]
    fn what_a_file_is_shows_in_its_first_character_however_it_comes() {
        for (file, is_csv) in [
            ("{\"name\":\"A\"}\n", false),
            ("\u{feff} \n{\"name\":\"A\"}\n", false),
            ("name\nA\n", true),
            ("\u{feff}name\nA\n", true),
            ("\"name\"\nA", true),
        ] {
            for at_once in [1, 2, 100] {
                let mut lines = Lines::new(Decoder::Identity, Format::AsItBegins);
                let mut found = Vec::new();
                for part in file.as_bytes().chunks(at_once) {
                    lines.feed(part).unwrap();
                    found.extend(lines.some());
                }
                lines.end().unwrap();
                found.extend(lines.some());
                let texts = found.into_iter().filter_map(|it| it.bytes.ok());
                let texts: Vec<_> = texts.map(|it| String::from_utf8(it).unwrap()).collect();
                assert_eq!(lines.csv.is_some(), is_csv, "{file:?}");
                assert_eq!(texts.len(), 1, "{file:?} {at_once}: {texts:?}");
                assert!(texts[0].contains("\"A\""), "{texts:?}");
            }
        }
        let mut nothing = Lines::new(Decoder::Identity, Format::AsItBegins);
        nothing.end().unwrap();
        assert!(nothing.some().is_empty());
    }
}
