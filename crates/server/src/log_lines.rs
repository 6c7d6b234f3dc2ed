//! Log lines on their way to standard error, gathered so that they do not cost a system call each.
//!
//! A line for every request would otherwise be a tenth of the CPU time of a read. So lines wait for up to
//! [`GATHER_FOR`] and are written together, by a thread that sleeps while there are none. What somebody has to
//! see goes out at once, with all that came before it: warnings and errors, and whatever is left when the
//! [`Flush`] is dropped at the end of the process. A process that is killed takes the lines of its last moments along;
//! the audit trail, which must not lose any, is kept in the storage instead.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const GATHER_FOR: Duration = Duration::from_millis(50);

/// Bytes beyond which a line waits no longer, so that a slow reader of the log slows its writers down
/// instead of filling the memory.
const MOST_WAITING: usize = 256 * 1024;

/// Where log lines go.
#[derive(Clone)]
pub(crate) struct LogLines {
    shared: Arc<Shared>,
}

struct Shared {
    waiting: Mutex<Vec<u8>>,
    arrived: Condvar,
    // Locked before `waiting` is taken, so that lines keep their order.
    output: Mutex<Box<dyn Write + Send>>,
}

/// Writes what still waits when it is dropped.
#[must_use = "lines that wait are written when this is dropped"]
pub struct Flush(Arc<Shared>);

impl std::fmt::Debug for Flush {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Flush")
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
            output: Mutex::new(Box::new(output)),
        });
        let writing = Arc::clone(&shared);
        thread::Builder::new()
            .name("rollcall-log".into())
            .spawn(move || writing.write_regularly())?;
        let flush = Flush(Arc::clone(&shared));
        Ok((Self { shared }, flush))
    }
}

impl Shared {
    fn write_regularly(&self) {
        loop {
            let mut waiting = self.waiting.lock();
            if waiting.is_empty() {
                self.arrived.wait(&mut waiting);
            }
            drop(waiting);
            thread::sleep(GATHER_FOR);
            self.flush();
        }
    }

    fn add(&self, line: &[u8], at_once: bool) {
        let mut waiting = self.waiting.lock();
        let is_first = waiting.is_empty();
        waiting.extend_from_slice(line);
        let too_many = waiting.len() > MOST_WAITING;
        drop(waiting);
        if at_once || too_many {
            self.flush();
        } else if is_first {
            self.arrived.notify_one();
        }
    }

    fn flush(&self) {
        let mut output = self.output.lock();
        let lines = std::mem::take(&mut *self.waiting.lock());
        // There is nowhere to tell that the log cannot be written.
        let _ = output.write_all(&lines).and_then(|()| output.flush());
    }
}

/// Takes one event's line.
pub(crate) struct Line<'a> {
    shared: &'a Shared,
    at_once: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.add(line, self.at_once);
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
            at_once: true,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line {
            shared: &self.shared,
            at_once: *event.level() <= Level::WARN,
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
    fn a_warning_goes_out_before_the_call_returns_with_all_before_it() {
        let (lines, _flush, written) = start();
        log(&lines, || {
            tracing::info!("before");
            tracing::warn!("look");
        });
        let all: String = written.try_iter().collect();
        assert!(all.contains("before") && all.ends_with("look\n"), "{all}");
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
    fn a_flood_does_not_gather_in_memory() {
        let (lines, _flush, written) = start();
        let long = "x".repeat(MOST_WAITING);
        log(&lines, || tracing::info!(long, "answered"));
        let all: String = written.try_iter().collect();
        assert!(all.len() > MOST_WAITING);
        assert!(lines.shared.waiting.lock().is_empty());
    }
}
