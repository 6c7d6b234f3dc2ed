//! Log lines on their way to standard error, gathered so that they do not cost a system call each.
//!
//! A line for every request would otherwise be a tenth of the CPU time of a read. So lines wait for up to
//! [`GATHER_FOR`] and are written together, by a thread that sleeps while there are none. What somebody has to
//! see does not wait for more: warnings and errors, and whatever is left when the [`Flush`] is dropped at the end of
//! the process. A process that is killed takes the lines of its last moments along; the audit trail, which must not
//! lose any, is kept in the storage instead.
//!
//! Nobody but that thread ever waits for the reader of the log. While it does not read, lines are kept up to
//! [`MOST_WAITING`] bytes, warnings and errors up to [`MOST_WAITING_WARNINGS`], and the others are dropped: they are
//! counted, and one line says how many they were once the log goes on.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use prometheus_client::metrics::counter::Counter;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const GATHER_FOR: Duration = Duration::from_millis(50);

/// Bytes beyond which lines wait for no others.
const MANY_WAITING: usize = 256 * 1024;

/// Bytes beyond which a line is dropped: some seconds of a busy server's.
const MOST_WAITING: usize = 1024 * 1024;

/// Bytes beyond which a warning or an error is dropped too.
const MOST_WAITING_WARNINGS: usize = MOST_WAITING + 256 * 1024;

/// How long the end of the process waits for what is left to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Where log lines go.
#[derive(Clone)]
pub(crate) struct LogLines {
    shared: Arc<Shared>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    arrived: Condvar,
    /// All that there was is written.
    written: Condvar,
    dropped: Counter,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// They are to be written without waiting for others.
    at_once: bool,
    /// Others are being written.
    writing: bool,
    /// Lines that were dropped and not yet told of.
    dropped: u64,
}

/// Writes what still waits when it is dropped.
#[must_use = "lines that wait are written when this is dropped"]
pub struct Flush(Arc<Shared>);

impl std::fmt::Debug for Flush {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Flush")
    }
}

impl Flush {
    /// Follows the number of lines that were dropped because nobody read them.
    pub fn dropped(&self) -> Counter {
        self.0.dropped.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.0.flush();
    }
}

impl LogLines {
    /// Starts the thread that writes to `output`.
    pub(crate) fn start(output: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            written: Condvar::new(),
            dropped: Counter::default(),
        });
        let writing = Arc::clone(&shared);
        thread::Builder::new()
            .name("rollcall-log".into())
            .spawn(move || writing.write_regularly(output))?;
        let flush = Flush(Arc::clone(&shared));
        Ok((Self { shared }, flush))
    }
}

impl Shared {
    fn write_regularly(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        loop {
            let dropped = self.take(&mut lines);
            // There is nowhere to tell that the log cannot be written.
            let _ = output.write_all(&lines).and_then(|()| output.flush());
            lines.clear();
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "log lines were dropped because nobody read the log; it goes on here"
                );
            }
        }
    }

    /// Waits for lines, takes all there are, and tells how many had to be dropped.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let mut waiting = self.waiting.lock();
        waiting.writing = false;
        if waiting.lines.is_empty() {
            self.written.notify_all();
        }
        self.arrived
            .wait_while(&mut waiting, |waiting| waiting.lines.is_empty());
        // Those of a burst come together, and their number is seen only here.
        self.arrived
            .wait_while_for(&mut waiting, |waiting| !waiting.at_once, GATHER_FOR);
        std::mem::swap(&mut waiting.lines, lines);
        waiting.at_once = false;
        waiting.writing = true;
        std::mem::take(&mut waiting.dropped)
    }

    fn add(&self, line: &[u8], is_warning: bool) {
        let most = if is_warning {
            MOST_WAITING_WARNINGS
        } else {
            MOST_WAITING
        };
        let mut waiting = self.waiting.lock();
        let is_first = waiting.lines.is_empty();
        // A line that is too long for an empty log would be for any.
        if !is_first && waiting.lines.len() + line.len() > most {
            waiting.dropped += 1;
            drop(waiting);
            self.dropped.inc();
            return;
        }
        waiting.lines.extend_from_slice(line);
        let is_urgent = !waiting.at_once && (is_warning || waiting.lines.len() > MANY_WAITING);
        waiting.at_once |= is_urgent;
        drop(waiting);
        if is_first || is_urgent {
            self.arrived.notify_one();
        }
    }

    fn flush(&self) {
        let mut waiting = self.waiting.lock();
        waiting.at_once = true;
        self.arrived.notify_one();
        // Whatever is left then is what nobody reads.
        let _ = self.written.wait_while_for(
            &mut waiting,
            |waiting| waiting.writing || !waiting.lines.is_empty(),
            FLUSH_WITHIN,
        );
    }
}

/// Takes one event's line.
pub(crate) struct Line<'a> {
    shared: &'a Shared,
    is_warning: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.add(line, self.is_warning);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            shared: &self.shared,
            is_warning: true,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line {
            shared: &self.shared,
            is_warning: *event.level() <= Level::WARN,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// An output that tells of each write.
    struct Told(Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.send(text).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output that writes once it may.
    struct Stuck {
        may_write: Receiver<()>,
        told: Told,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // A sender that is gone lets everything pass.
            let _ = self.may_write.recv();
            self.told.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start() -> (LogLines, Flush, Receiver<String>) {
        let (sender, receiver) = channel();
        let (lines, flush) = LogLines::start(Told(sender)).unwrap();
        (lines, flush, receiver)
    }

    fn log(lines: &LogLines, event: impl FnOnce()) {
        let subscriber = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_ansi(false)
            .without_time()
            .finish();
        tracing::subscriber::with_default(subscriber, event);
    }

    #[test]
    fn lines_arrive_together_and_in_order() {
        let (lines, _flush, written) = start();
        log(&lines, || {
            for number in 0..3 {
                tracing::info!(number, "answered");
            }
        });
        let mut all = written.recv().unwrap();
        while all.lines().count() < 3 {
            all.push_str(&written.recv().unwrap());
        }
        let numbers: Vec<_> = all.lines().filter_map(|line| line.chars().last()).collect();
        assert_eq!(numbers, ['0', '1', '2']);
    }

    #[test]
    fn nothing_is_left_behind_at_the_end() {
        let (lines, flush, written) = start();
        log(&lines, || tracing::info!("the last"));
        drop(flush);
        let all: String = written.try_iter().collect();
        assert!(all.ends_with("the last\n"), "{all}");
    }

    #[test]
    fn while_nobody_reads_lines_are_dropped_and_counted_and_warnings_kept_rather() {
        let (sender, written) = channel();
        let (let_write, may_write) = channel();
        let output = Stuck {
            may_write,
            told: Told(sender),
        };
        let (lines, flush) = LogLines::start(output).unwrap();
        let long = "x".repeat(1_000);
        // None of this waits for the output.
        log(&lines, || {
            for _ in 0..2 * MOST_WAITING / long.len() {
                tracing::info!(long, "answered");
            }
            tracing::warn!("look");
        });
        let dropped = flush.dropped().get();
        assert!(dropped > 0);
        assert!(lines.shared.waiting.lock().lines.len() <= MOST_WAITING_WARNINGS);
        drop(let_write);
        drop(flush);
        let all: String = written.try_iter().collect();
        assert!(all.contains("look\n"));
        let kept = all.matches("answered").count() as u64;
        assert_eq!(kept + dropped, (2 * MOST_WAITING / long.len()) as u64);
    }

    #[test]
    fn the_end_does_not_wait_for_an_output_that_is_stuck() {
        let (sender, _written) = channel();
        let (_never, may_write) = channel();
        let output = Stuck {
            may_write,
            told: Told(sender),
        };
        let (lines, flush) = LogLines::start(output).unwrap();
        log(&lines, || tracing::warn!("look"));
        drop(flush);
        assert!(lines.shared.waiting.lock().writing);
    }
}
