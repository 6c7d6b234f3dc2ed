//! A file cut into lines, and the places between them: where an import that broke off goes on, and how it knows that the
//! file is the same.

use std::io::{self, BufRead};

/// The longest line that is read; a record with everything in it has some 60 KiB.
pub(super) const LINE_BYTES: usize = 1024 * 1024;
/// How much before a place identifies the place.
pub(super) const FINGERPRINT_BYTES: usize = 4_096;

/// A place between two lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Bytes before it, uncompressed.
    pub(crate) offset: u64,
    /// Lines before it.
    pub(crate) lines: u64,
    /// A checksum of what stands right before it.
    pub(crate) fingerprint: u32,
}

/// A file being read line by line, and the place between two of them that it is at.
pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    pub(super) place: Place,
    /// The last bytes read.
    tail: Vec<u8>,
}

impl Lines {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self {
            input,
            place: Place::default(),
            tail: Vec::with_capacity(2 * FINGERPRINT_BYTES),
        }
    }

    /// Reads the next line into `line`, without its end. Of a line that is too long `line` holds
    /// [`LINE_BYTES`] and one more byte. `false` at the end.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        let mut any = false;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = memchr::memchr(b'\n', buffer);
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = (LINE_BYTES + 1).saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            remember(&mut self.tail, &buffer[..used]);
            self.input.consume(used);
            self.place.offset += used as u64;
            if end.is_some() {
                break;
            }
        }
        self.place.lines += u64::from(any);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(any)
    }

    pub(super) fn place(&self) -> Place {
        Place {
            fingerprint: fingerprint(&self.tail),
            ..self.place
        }
    }

    /// The place where a line began that could not be read to its end, unless too much of it was read
    /// to know what stood before.
    pub(super) fn place_at(&self, begin: Place) -> Option<Place> {
        let since = usize::try_from(self.place.offset - begin.offset).ok()?;
        let known = &self.tail[..self.tail.len().checked_sub(since)?];
        let needed = usize::try_from(begin.offset)
            .map_or(FINGERPRINT_BYTES, |offset| offset.min(FINGERPRINT_BYTES));
        (known.len() >= needed).then(|| Place {
            fingerprint: fingerprint(known),
            ..begin
        })
    }

    /// Goes on to a place that an earlier run noted, and makes sure that it is the same place.
    pub(super) fn skip_to(&mut self, start: Place) -> io::Result<()> {
        while self.place.offset < start.offset {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let left = usize::try_from(start.offset - self.place.offset).unwrap_or(usize::MAX);
            let used = buffer.len().min(left);
            remember(&mut self.tail, &buffer[..used]);
            self.input.consume(used);
            self.place.offset += used as u64;
        }
        self.place.lines = start.lines;
        if self.place() == start {
            Ok(())
        } else {
            Err(io::Error::other(
                "the file is not the one that was being imported; import it without --resume",
            ))
        }
    }
}

fn remember(tail: &mut Vec<u8>, read: &[u8]) {
    if read.len() >= FINGERPRINT_BYTES {
        tail.clear();
        tail.extend_from_slice(&read[read.len() - FINGERPRINT_BYTES..]);
        return;
    }
    tail.extend_from_slice(read);
    // Moved only now and then, so that a short line costs its own length.
    if tail.len() > 8 * FINGERPRINT_BYTES {
        tail.drain(..tail.len() - FINGERPRINT_BYTES);
    }
}

fn fingerprint(tail: &[u8]) -> u32 {
    crc32fast::hash(&tail[tail.len().saturating_sub(FINGERPRINT_BYTES)..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str) -> Lines {
        Lines::new(Box::new(text.as_bytes()))
    }

    #[test]
    fn the_last_line_needs_no_line_break_and_windows_line_breaks_are_fine() {
        let mut lines = lines("one\r\n\ntwo");
        let mut line = Vec::new();
        let mut read = Vec::new();
        while lines.next(&mut line).unwrap() {
            read.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(read, ["one", "", "two"]);
        assert_eq!((lines.place.lines, lines.place.offset), (3, 9));
    }

    #[test]
    fn a_noted_place_is_found_again_only_in_the_same_file() {
        let mut first = lines("one\ntwo\nthree\n");
        let mut line = Vec::new();
        assert!(first.next(&mut line).unwrap() && first.next(&mut line).unwrap());
        let place = first.place();
        let mut same = lines("one\ntwo\nthree\n");
        same.skip_to(place).unwrap();
        assert!(same.next(&mut line).unwrap());
        assert_eq!(line, b"three");
        assert!(lines("one\nTWO\nthree\n").skip_to(place).is_err());
        assert!(lines("one").skip_to(place).is_err());
    }
}
